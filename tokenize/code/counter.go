package code

import (
	"strconv"

	"github.com/cardseal/cardseal/tokenize"
	"github.com/cardseal/cardseal/tokenize/store"
)

// Counter says by which way a candidate came: each has a try counter of its own. The
// zero value is invalid; wallets have the numbers that the card networks gave them.
type Counter uint16

const (
	Card       Counter = 1 // by no wallet
	ApplePay   Counter = 103
	GooglePay  Counter = 216
	SamsungPay Counter = 217
)

// counters are all that there are, in order.
var counters = [...]Counter{Card, ApplePay, GooglePay, SamsungPay}

// String names the counter.
func (c Counter) String() string {
	switch c {
	case Card:
		return "card"
	case ApplePay:
		return "Apple Pay"
	case GooglePay:
		return "Google Pay"
	case SamsungPay:
		return "Samsung Pay"
	}
	return "invalid counter " + strconv.Itoa(int(c))
}

func (c Counter) check() error {
	for _, known := range counters {
		if c == known {
			return nil
		}
	}
	return invalid("counter", tokenize.Invalid, "must be Card, ApplePay (103), GooglePay (216) or SamsungPay (217)")
}

// State is whether attempts are compared. The zero value is invalid.
type State uint8

const (
	Unblocked State = iota + 1
	Blocked         // no attempt is compared
)

// String is the state as the published interface spells it.
func (s State) String() string {
	switch s {
	case Unblocked:
		return "Unblocked"
	case Blocked:
		return "Blocked"
	}
	return "Invalid"
}

// MarshalText writes String.
func (s State) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// CounterStatus is what may be known of one try counter.
type CounterStatus struct {
	Counter Counter
	State   State // Blocked too where the code's own bound is reached
	Left    int   // attempts that are compared if all of them are wrong
}

// status is a counter's, whether it was ever tried or not.
func (s *Codes) status(c *store.Code, id Counter) CounterStatus {
	st := CounterStatus{Counter: id, State: Unblocked, Left: int(s.limits.Tries)}
	for i := range c.Counters {
		if n := &c.Counters[i]; n.ID == uint16(id) {
			st.Left -= int(min(n.Taken-n.Base, uint64(s.limits.Tries)))
			if n.Blocked {
				st.Left = 0
			}
		}
	}
	if st.Left = min(st.Left, s.guessesLeft(c)); st.Left == 0 {
		st.State = Blocked
	}
	return st
}

func (s *Codes) guessesLeft(c *store.Code) int {
	return int(s.limits.Guesses - min(c.Guesses, s.limits.Guesses))
}
