package code

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/cardseal/cardseal/crypto/envelope"
	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/tokenize"
	"github.com/cardseal/cardseal/tokenize/card"
	"github.com/cardseal/cardseal/tokenize/store"
)

// Allocate draws a code for an issued card: 4 digits for American Express, none for
// UATP, 3 for the others, uniformly from all, and where it replaces a code from all
// others, but from all where nobody can read that code any more: its data key was
// destroyed, or its record is damaged. [Codes.Retrieve] gives it out. Of two calls at
// once each draws another than the code that both found, and one of the two is kept,
// which may be the code that the other kept for a moment. The caller needs
// tokenize.MaySaveCode; transient codes are not drawn.
func (s *Codes) Allocate(ctx context.Context, c tokenize.Caller, token string) error {
	return one(s.AllocateBatch(ctx, c, []string{token}))
}

// AllocateBatch is Allocate for many; of several for one card the last is kept. The
// errors are as those of [Codes.PutBatch].
func (s *Codes) AllocateBatch(ctx context.Context, c tokenize.Caller, tokens []string) ([]*tokenize.Error, error) {
	w, err := s.start(ctx, c, tokenize.CodeAllocate, len(tokens), func(i int) Ref { return Ref{Token: tokens[i]} })
	if err != nil {
		return nil, err
	}
	if s.kept.owners {
		return nil, w.failed(ctx, invalid("policy", tokenize.Unsupported, "keeps codes that others issued"))
	}
	codes := make([]card.CVC, len(tokens))
	for i := range w.targets {
		if t := &w.targets[i]; t.err == nil {
			codes[i], t.err = w.draw(ctx, t)
		}
	}
	if err := w.put(ctx, codes); err != nil {
		return nil, w.failed(ctx, err)
	}
	return w.errs(ctx)
}

// draw draws another code than the one that is there.
func (w *work) draw(ctx context.Context, t *target) (card.CVC, error) {
	if err := t.subject.Allows(w.use); err != nil {
		return card.CVC{}, err
	}
	lengths, digits := t.subject.Brand.CVCLengths(), 3
	switch {
	case lengths == 0:
		return card.CVC{}, invalid(card.FieldCode, tokenize.Unsupported, card.ReasonCodeBrand)
	case !lengths.Has(3):
		digits = 4
	}
	old := -1
	switch c, err := w.s.kept.store.Code(ctx, t.id, w.now.UnixMilli()); {
	case err == nil:
		code, err := w.s.kept.open(ctx, &c)
		if err != nil && !w.s.gone(ctx, &c, err) {
			return card.CVC{}, err
		}
		if err == nil && code.Len() == digits {
			old = number(code)
		}
	case !errors.Is(err, store.ErrNotFound):
		return card.CVC{}, err
	}
	return drawn(digits, old)
}

// gone reports whether nobody can read a code any more that could not be opened. A key
// that is away, disabled or not known here may come back, and what another version wrote
// others can read.
func (s *Codes) gone(ctx context.Context, c *store.Code, err error) bool {
	if s.a.Fatal(ctx, err) || errors.Is(err, envelope.ErrVersion) || errors.Is(err, envelope.ErrSuite) {
		return false
	}
	if !errors.Is(err, keys.ErrDisabled) {
		return s.a.Fault(err, "").SupportCode == "RECORD_DAMAGED"
	}
	ring, err := s.a.Ring()
	if err != nil {
		return false
	}
	records, err := ring.Records(ctx)
	id, _ := envelope.StoredKeyID(c.Record)
	return err == nil && slices.ContainsFunc(records, func(r keys.Record) bool { return r.ID == id && r.State == keys.Destroyed })
}

// drawn is a random code of so many digits that is not old, which is negative where
// there is none.
func drawn(digits, old int) (card.CVC, error) {
	n := 1000
	if digits == 4 {
		n = 10_000
	}
	if old >= 0 {
		n--
	}
	v := below(uint32(n))
	if old >= 0 && v >= old {
		v++
	}
	text := fmt.Appendf(nil, "%0*d", digits, v)
	defer clear(text)
	return card.ParseCVC(text)
}

// below draws a number from 0 to n-1, every one with the same chance: what lies above
// the largest multiple of n is drawn again. Nothing random is kept for later, so that
// a copy of the process does not draw the same.
func below(n uint32) int {
	for {
		var b [4]byte
		rand.Read(b[:])
		v := binary.BigEndian.Uint32(b[:])
		clear(b[:])
		if v < (1<<32-1)/n*n {
			return int(v % n)
		}
	}
}

func number(c card.CVC) int {
	var buf [4]byte
	defer clear(buf[:])
	n, _ := strconv.Atoi(string(c.AppendDigits(buf[:0])))
	return n
}
