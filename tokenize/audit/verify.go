package audit

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"time"

	"github.com/cardseal/cardseal/crypto/chain"
	"github.com/cardseal/cardseal/crypto/envelope"
	"github.com/cardseal/cardseal/keys"
)

// VerifyOptions holds a log against what is known from elsewhere.
type VerifyOptions struct {
	// Anchor is where the chain stood at some moment: it must have been there.
	Anchor *Anchor
	// After is the head of the log that this one continues.
	After *Anchor
	// Each is told of each event, in order, with the sequence number of its line, once
	// that is verified. What follows may be found wrong yet: what it was told counts
	// when Verify has returned without an error.
	Each func(sequence uint64, e *Event)
}

// Report is what [Verify] found.
type Report struct {
	Lines  uint64 // verified
	Events uint64 // among them
	// Before is where the chain stood when the file began: its zero sequence number
	// says that the chain begins here. A file that goes on is whole only together with
	// the one before, which this is held against.
	Before Anchor
	Head   Anchor    // where the chain stands
	First  time.Time // the first event's
	Last   time.Time // the last event's
	Keys   int       // how many data keys took turns
	// Gaps are bytes that are none of the chain's and that a line of it owns up to; the
	// first 100 of them, of GapCount.
	Gaps     []Gap
	GapCount int
	// Torn is how many bytes of an unfinished line follow the last one: a write under
	// way, or one that a crash cut short. The next entry will own up to it.
	Torn int64
}

// Gap is bytes in a log that are none of the chain's.
type Gap struct {
	Line  int64  `json:"line"` // where it begins
	Bytes uint64 `json:"bytes"`
}

// Bounds of what is kept while a log is read.
const (
	maxGaps = 100
	maxKeys = 64
)

// Verify reads a log to its end, in constant memory, and holds it against its MACs
// and what the options say. A log that is not what was written is a [*ChainError];
// other errors are the reader's, the context's, and those of getting a key, which
// say nothing of the log. The report then tells what held until there. A log without
// any line is one without entries; an anchor says that there were some.
//
// Errors name a line and what is wrong with it, and nothing that it says.
func Verify(ctx context.Context, r io.Reader, k Keys, o *VerifyOptions) (Report, error) {
	v := verifier{keys: k, known: map[keys.KeyID]*chain.Key{}, foreign: sha256.New()}
	if o != nil {
		v.o = *o
	}
	err := v.read(ctx, newLines(r))
	return v.report, err
}

type verifier struct {
	keys   Keys
	o      VerifyOptions
	report Report

	known   map[keys.KeyID]*chain.Key
	current keys.KeyID

	at       int64 // number of the line
	anchored bool

	// Bytes since the last line of the chain.
	foreign      hash.Hash
	foreignBytes uint64
	foreignLine  int64 // where they begin
	foreignEnds  bool  // a line end is among them
}

func (v *verifier) read(ctx context.Context, lines *lines) error {
	v.at = 1
	for {
		piece, whole, err := lines.next()
		if err == io.EOF {
			return v.end()
		}
		if err != nil {
			return fmt.Errorf("audit: %w", err)
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		text, ends := bytes.CutSuffix(piece, []byte{'\n'})
		var l *line
		if whole {
			l, err = parseLine(text)
		}
		switch {
		case errors.Is(err, ErrNewer):
			return v.wrong(ErrNewer)
		case l == nil:
			v.pass(piece, ends)
		default:
			if err := v.line(ctx, l, text[:len(text)-macLen]); err != nil {
				return err
			}
		}
		if ends {
			v.at++
		}
	}
}

func (v *verifier) wrong(kind error) error { return &ChainError{v.at, kind} }

// pass takes note of bytes that are not the chain's.
func (v *verifier) pass(piece []byte, ends bool) {
	if v.foreignBytes == 0 {
		v.foreignLine = v.at
	}
	v.foreign.Write(piece)
	v.foreignBytes += uint64(len(piece))
	v.foreignEnds = v.foreignEnds || ends
}

// end is what there is to say at the end of the log.
func (v *verifier) end() error {
	if v.foreignEnds {
		return &ChainError{v.foreignLine, ErrForeign}
	}
	v.report.Torn = int64(v.foreignBytes)
	if v.o.Anchor != nil && !v.anchored {
		return &ChainError{0, ErrCut}
	}
	return nil
}

// line holds a line against its MAC, which covers the bytes given.
func (v *verifier) line(ctx context.Context, l *line, signed []byte) error {
	if v.foreignBytes > 0 && l.gap == nil {
		return &ChainError{v.foreignLine, ErrForeign}
	}
	if v.report.Lines == 0 {
		if err := v.begin(l); err != nil {
			return err
		}
	} else if l.begin {
		return v.wrong(ErrOrder)
	}
	head, next := v.report.Head, chain.Head{Sequence: l.seq, MAC: l.mac}
	switch {
	case l.chain != head.Chain:
		return v.wrong(ErrOther)
	case l.seq != head.Sequence+1:
		return v.wrong(ErrOrder)
	}
	k, err := v.key(ctx, l)
	if err != nil {
		return err
	}
	if !k.Follows(head.Head, next, signed) {
		return v.wrong(ErrMAC)
	}
	if err := v.gap(l); err != nil {
		return err
	}
	v.count(l)
	v.report.Head.Head = next
	return v.anchor(v.report.Head)
}

// begin takes the chain from the first line of the log, which must be its
// beginning: lines before it were cut off otherwise.
func (v *verifier) begin(l *line) error {
	before := Anchor{Chain: l.chain}
	if !l.begin || l.seq == 0 || (l.after == nil) != (l.seq == 1) {
		return v.wrong(ErrOrder)
	}
	if l.after != nil {
		before.Head = chain.Head{Sequence: l.seq - 1, MAC: *l.after}
	}
	if v.o.After != nil && *v.o.After != before {
		return v.wrong(ErrAnchor)
	}
	v.report.Before, v.report.Head = before, before
	return nil
}

// anchor holds the chain against the anchor once it is there.
func (v *verifier) anchor(head Anchor) error {
	a := v.o.Anchor
	if a == nil || v.anchored {
		return nil
	}
	if v.report.Lines == 1 && a.Sequence <= v.report.Before.Sequence {
		head = v.report.Before // what the file continues, or nothing that is in it
	}
	switch {
	case a.Chain != head.Chain:
		return v.wrong(ErrAnchor)
	case a.Sequence > head.Sequence:
		return nil
	case a.Sequence < head.Sequence:
		return v.wrong(ErrEarlier)
	case *a != head:
		return v.wrong(ErrAnchor)
	}
	v.anchored = true
	return nil
}

// gap holds the bytes since the last line against what the line says of them.
func (v *verifier) gap(l *line) error {
	if l.gap == nil {
		return nil
	}
	var sum [sha256.Size]byte
	v.foreign.Sum(sum[:0])
	if l.gap.bytes != v.foreignBytes || l.gap.sha256 != sum || v.foreignBytes == 0 {
		return v.wrong(ErrGap)
	}
	if len(v.report.Gaps) < maxGaps {
		v.report.Gaps = append(v.report.Gaps, Gap{v.foreignLine, v.foreignBytes})
	}
	v.report.GapCount++
	v.foreign.Reset()
	v.foreignBytes, v.foreignEnds = 0, false
	return nil
}

func (v *verifier) count(l *line) {
	r := &v.report
	r.Lines++
	if r.Keys == 0 || v.current != l.key {
		r.Keys++
		v.current = l.key
	}
	if l.event == nil {
		return
	}
	if r.Events++; r.Events == 1 {
		r.First = l.event.Time
	}
	r.Last = l.event.Time
	if v.o.Each != nil {
		v.o.Each(l.seq, l.event)
	}
}

// key sets up the key that a line names.
func (v *verifier) key(ctx context.Context, l *line) (*chain.Key, error) {
	if k := v.known[l.key]; k != nil {
		return k, nil
	}
	k, err := chainKey(ctx, v.keys, l.key, l.chain)
	if errors.Is(err, envelope.ErrUnknownKey) {
		return nil, v.wrong(ErrKey)
	}
	if err != nil {
		return nil, fmt.Errorf("audit: key of line %d: %w", v.at, err)
	}
	if len(v.known) >= maxKeys {
		clear(v.known)
	}
	v.known[l.key] = k
	return k, nil
}
