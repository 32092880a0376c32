package tokenize

import "github.com/cardseal/cardseal/tokenize/card"

// Permission is what a caller may do; combine with |.
type Permission uint16

const (
	MaySave Permission = 1 << iota
	MayRead
	MayUpdate
	MayDelete
	// MayReveal is needed to get a card number back. Give it to few.
	MayReveal
	// MaySuspend is needed to suspend a token and to activate it again: who may
	// update a card must not be able to undo what a fraud desk did.
	MaySuspend
	// MayRevealFF1 is needed beside MayReveal to compute the number behind an FF1
	// token that need not have been saved. Give it to fewer still.
	MayRevealFF1
	// MaySaveCode is needed to have a security code kept, beside MaySave or MayUpdate
	// where it comes with a card, to have one drawn, and to have one erased.
	MaySaveCode
	// MayVerifyCode is needed to have a candidate compared with a security code, and
	// to be told how many attempts are left.
	MayVerifyCode
	// MayRevealCode is needed to get a security code back. Give it to few.
	MayRevealCode
	// MayUnblockCode is needed to clear the try counters of a security code: who may
	// guess must not be able to guess again for ever.
	MayUnblockCode

	// MayAll is every permission.
	MayAll = MaySave | MayRead | MayUpdate | MayDelete | MayReveal | MaySuspend | MayRevealFF1 |
		MaySaveCode | MayVerifyCode | MayRevealCode | MayUnblockCode
)

// Caller says for whom a call is made. The embedding service has authenticated
// it. It is part of every call, so that no call is made for nobody; the zero
// Caller may do nothing.
type Caller struct {
	// Merchant is 1 to 40 of 0-9 a-z A-Z - _. It may use the repository it was
	// assigned to ([Vault.AssignMerchant]) and no other. Without one the call is the
	// service's own, which may use all.
	Merchant    string
	Owner       string // who acts, for the record: at most 255 bytes of printable ASCII, no card number
	Permissions Permission
}

func (c *Caller) may(p Permission) error {
	if c.Merchant != "" && !isMerchantID(c.Merchant) {
		return invalid("merchant", Invalid, "must be 1 to 40 of 0-9 a-z A-Z - _")
	}
	if !isPrintable(c.Owner, 255) {
		return invalid("owner", Invalid, "must be at most 255 bytes of printable ASCII and name no card number")
	}
	if c.Permissions&p != p {
		return rejected("caller", "PERMISSION", ErrPermission)
	}
	return nil
}

// by is who an update is written down to.
func (c *Caller) by() string {
	if c.Owner != "" {
		return c.Owner
	}
	return c.Merchant
}

func isMerchantID(s string) bool {
	if s == "" || len(s) > 40 {
		return false
	}
	for _, c := range []byte(s) {
		if !isAlphanumeric(c) && c != '-' && c != '_' {
			return false
		}
	}
	return true
}

func isAlphanumeric(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// isPrintable reports whether a caller's text may be written down and echoed: it
// is short enough, printable ASCII, and names no card number.
func isPrintable(s string, most int) bool {
	if len(s) > most {
		return false
	}
	run := 0 // digits up to here
	for i := range len(s) {
		switch c := s[i]; {
		case c < 0x20 || c > 0x7e:
			return false
		case c < '0' || c > '9':
			if isCard(s[i-run : i]) {
				return false
			}
			run = 0
		default:
			run++
		}
	}
	return !isCard(s[len(s)-run:])
}

// isCard reports digits that would pass BASIC verification.
func isCard(digits string) bool {
	if len(digits) < card.MinLen || len(digits) > card.MaxLen {
		return false
	}
	pan, err := card.ParsePAN(digits)
	return err == nil && pan.Check(nil) == nil
}
