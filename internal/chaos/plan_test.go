//go:build linux

package chaos

import (
	"fmt"

	"github.com/cardseal/cardseal/internal/chaostest"
	"github.com/cardseal/cardseal/tokenize"
	"github.com/cardseal/cardseal/tokenize/card"
)

// plan is what a run is to do, told to each process.
type plan struct {
	Dir        string // of key file, board and histories
	URL        string // of the database; empty for bolt
	Process    int    // which one this is, from 0
	Processes  int
	Goroutines int // each
	Saves      int // by all
	Cards      int
	Management tokenize.Management
	Seed       uint64
}

// crowd is how many saves of one card come together.
const crowd = 8

// card is the card of the n-th save. Every third is one of a crowd: the
// goroutines that take tickets at the same time have the same card. The others
// are spread over all cards.
func (p *plan) card(n uint64) int {
	if n%3 == 0 {
		n = 1<<63 | n/3/crowd
	}
	return int(mix(p.Seed^mix(n)) % uint64(p.Cards))
}

// mix is SplitMix64's finalizer: neighbours come out far apart.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// When the rotation begins, and when another process helps with it.
func (p *plan) rotateAt() uint64 { return uint64(p.Saves) * 2 / 5 }
func (p *plan) joinAt() uint64   { return p.rotateAt() + uint64(p.Saves)/100 }

func (p *plan) config() tokenize.Config {
	return tokenize.Config{ID: "CHAOS", Generation: tokenize.RandomWithLuhn, Management: p.Management}
}

// cardOf is the place of a number in the list of cards, -1 for one that is not in
// it.
func cardOf(pan card.PAN, cards int) int {
	digits := string(pan.AppendDigits(nil))
	var i int
	if len(digits) != 16 {
		return -1
	}
	if n, err := fmt.Sscanf(digits[6:15], "%09d", &i); n != 1 || err != nil || i >= cards {
		return -1
	}
	if want, err := chaostest.Number(i); err != nil || string(want.AppendDigits(nil)) != digits {
		return -1
	}
	return i
}

// months is an expiry as one number, 203012 for December 2030.
func months(e card.Expiry) int {
	if e.IsZero() {
		return 0
	}
	return e.Year*100 + e.Month
}

func expiry(months int) card.Expiry {
	if months == 0 {
		return card.Expiry{}
	}
	return card.Expiry{Year: months / 100, Month: months % 100}
}

// someMonths is one of 120 expiries.
func someMonths(n uint64) int { return int(2030+n%10)*100 + int(n/10%12) + 1 }
