package tokenize

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cardseal/cardseal/tokenize/card"
	"github.com/cardseal/cardseal/tokenize/generate"
)

const (
	// One reading of a crowded space serves a crowdShare-th of it, at most crowdSample
	// tokens. Readings begin when four fifths or so are taken, so that there are a dozen
	// of them until a space is full, whatever its size.
	crowdShare  = 64
	crowdSample = 1 << 14
	// crowdSpaces bounds the crowded spaces that a process remembers.
	crowdSpaces = 64
	// crowdFull is how long a space that was found full is taken to be so. Tokens are
	// never given back; only a store that was put back to an earlier state has more.
	crowdFull = time.Minute
)

// crowds remembers what the last reading of crowded spaces found. What it offers was
// free then, and is asked for at the store like any draw. It is a random choice of the
// free tokens, so what others left of it still is one of those that they left.
type crowds struct {
	some   atomic.Bool // nearly always there is none, and no lock is taken
	mu     sync.Mutex
	spaces map[generate.Space64]*crowd
}

type crowd struct {
	free []uint64
	full time.Time // until when nothing needs to be tried
}

// take returns a token that was free, if one is known, or that the space is full.
func (c *crowds) take(s generate.Space64, now time.Time) (k uint64, ok, full bool) {
	if !c.some.Load() {
		return 0, false, false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	at := c.spaces[s]
	if at == nil {
		return 0, false, false
	}
	if n := len(at.free); n > 0 {
		k, at.free = at.free[n-1], at.free[:n-1]
		return k, true, false
	}
	return 0, false, now.Before(at.full)
}

// put remembers what a reading found besides what was used at once, and until when
// the space counts as full, if that is what was found.
func (c *crowds) put(s generate.Space64, free []uint64, full time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.spaces == nil || len(c.spaces) >= crowdSpaces {
		c.spaces = map[generate.Space64]*crowd{}
	}
	c.spaces[s] = &crowd{free, full}
	c.some.Store(true)
}

// drawPreserve64 tries random tokens of the card's space. Where those are taken, one
// reading of the space finds what is left, for this draw and those after it.
func (b *batch) drawPreserve64(ctx context.Context, dst []byte, pan card.PAN) ([]byte, error) {
	space, err := spaceOf(pan)
	if err != nil {
		return nil, err
	}
	if b.spent[space] {
		return nil, generate.ErrExhausted
	}
	token := make([]string, 1)
	for range generate.MaxProbes {
		k, known, full := b.r.crowds.take(space, b.now)
		if full {
			return nil, generate.ErrExhausted
		}
		if !known {
			k = space.Draw()
		}
		free, err := b.free(ctx, space, k, token)
		if err != nil {
			return nil, err
		}
		if free {
			return append(dst, token[0]...), nil
		}
	}
	// What this batch is about to take is still free in the store.
	n := int(min(space.Size()/crowdShare, crowdSample)) + len(b.writes)
	sample, err := space.SampleFree(n, space.Middles(b.r.v.cards.Ordered(ctx, b.r.scope, space.OrderPrefix())))
	if err != nil {
		return nil, err
	}
	if len(sample) == 0 {
		b.r.crowds.put(space, nil, b.now.Add(crowdFull))
	}
	sample = slices.DeleteFunc(sample, func(k uint64) bool { return b.planned(space, k, token) })
	if last := len(sample) - 1; last >= 0 {
		b.r.crowds.put(space, sample[:last], time.Time{})
		return space.AppendToken(dst, sample[last]), nil
	}
	if b.spent == nil {
		b.spent = map[generate.Space64]bool{}
	}
	b.spent[space] = true
	return nil, generate.ErrExhausted
}

// planned reports whether this batch knows token k to be taken, by what it is about to
// write or by what it read. It puts the token into token.
func (b *batch) planned(space generate.Space64, k uint64, token []string) bool {
	var buf [card.MaxLen]byte
	token[0] = string(space.AppendToken(buf[:0], k))
	_, taken := b.rows[token[0]]
	return taken
}

// free reports whether neither the store nor this batch has token k, which it puts
// into token.
func (b *batch) free(ctx context.Context, space generate.Space64, k uint64, token []string) (bool, error) {
	if b.planned(space, k, token) {
		return false, nil
	}
	rows, err := b.r.v.cards.Get(ctx, b.r.scope, token)
	if err != nil {
		return false, err
	}
	return rows[0].Version == 0, nil
}

func spaceOf(pan card.PAN) (generate.Space64, error) {
	var digits [card.MaxLen]byte
	defer clear(digits[:])
	return generate.Space64Of(pan.AppendDigits(digits[:0]))
}

// Crowding counts how many of the [Preserve64] tokens with these first six and last
// four digits and length (14 to 19) are taken, deleted ones included, and how many
// there are. Beyond a half, saves begin to try more than once or twice; at size they
// fail with [ErrExhausted], for good. The caller needs [MayRead]. All taken ones are
// read: it is for a check now and then, not for each save.
func (r *Repository) Crowding(ctx context.Context, c Caller, first6, last4 string, length int) (taken, size uint64, err error) {
	if err := c.may(MayRead); err != nil {
		return 0, 0, err
	}
	if r.c.Generation != Preserve64 {
		return 0, 0, invalid("generation", Unsupported, "draws from no space that could be crowded")
	}
	space, err := generate.NewSpace64(first6, last4, length)
	if err != nil {
		return 0, 0, wrap(err)
	}
	taken, err = space.CountTaken(space.Middles(r.v.cards.Ordered(ctx, r.scope, space.OrderPrefix())))
	if err != nil {
		return 0, 0, wrap(err)
	}
	return taken, space.Size(), nil
}
