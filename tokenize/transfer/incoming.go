package transfer

import (
	"context"
	"errors"
	"sync"

	"github.com/cardseal/cardseal/tokenize"
	"github.com/cardseal/cardseal/tokenize/card"
)

// incoming is a batch on its way from the source. Its records are being opened while
// it is filled, and until open is done.
type incoming struct {
	records []entry
	open    sync.WaitGroup
	err     error // the source failed behind the records
	last    bool  // no batch follows
}

type entry struct {
	record  Record
	refused *tokenize.Error
	fault   error // the opener failed
}

// add adds a record; of one that is refused its position alone.
func (b *incoming) add(r Record) *entry {
	e := entry{record: r, refused: formal(&r)}
	if e.refused != nil {
		e.record = Record{Position: r.Position}
	}
	b.records = append(b.records, e)
	return &b.records[len(b.records)-1]
}

// failure is the first failure in the order of the records.
func (b *incoming) failure() error {
	for i := range b.records {
		if err := b.records[i].fault; err != nil {
			return err
		}
	}
	return b.err
}

// read fills batches until the source or the context ends, and waits for what is
// being opened. The next batch is read and opened while one is saved.
func (im *importing) read(ctx context.Context, out chan<- *incoming) {
	var all sync.WaitGroup
	defer all.Wait()
	room := make(chan struct{}, im.o.Openings)
	before := im.cur.After
	b := im.newBatch()
	send := func() bool {
		select {
		case <-ctx.Done():
			return false
		case out <- b:
			b = im.newBatch()
			return true
		}
	}
	for r, err := range im.src.Records(ctx, im.cur.After) {
		if err != nil {
			b.err = failed("source", err)
		} else if b.err = checkPosition(before, r.Position); b.err == nil {
			b.err = im.acceptable(ctx, &r)
		}
		if b.err != nil {
			break
		}
		before = r.Position
		e := b.add(r)
		if e.refused == nil && r.Sealed != nil {
			select {
			case <-ctx.Done():
				return
			case room <- struct{}{}:
			}
			b.open.Add(1)
			open := &b.open
			all.Go(func() {
				defer open.Done()
				defer func() { <-room }()
				e.refused, e.fault = im.opened(ctx, &e.record)
			})
		}
		if len(b.records) == im.o.Batch && !send() {
			return
		}
	}
	b.last = true
	send()
}

// newBatch has its memory at once: what is being opened points into it.
func (im *importing) newBatch() *incoming {
	return &incoming{records: make([]entry, 0, im.o.Batch)}
}

// acceptable ends the import for what concerns all records: to refuse them would
// pass over them for good.
func (im *importing) acceptable(ctx context.Context, r *Record) error {
	var need tokenize.Permission
	if r.Suspended {
		need |= tokenize.MaySuspend
	}
	if r.Invalid {
		need |= tokenize.MayUpdate
	}
	if need != 0 {
		if err := im.repo.Admit(ctx, im.caller, need); err != nil {
			return err
		}
	}
	switch {
	case r.Err == nil && r.Sealed != nil && im.o.Opener == nil:
		return failed("opener", ErrNoOpener)
	case r.Token != "" && !im.keeps && !im.o.NewTokens:
		return invalid("token", tokenize.Unsupported, "this repository makes tokens anew: see ImportOptions.NewTokens")
	}
	return nil
}

// formal refuses a record that need not be opened for it.
func formal(r *Record) *tokenize.Error {
	switch {
	case r.Err != nil:
		return refusal(r.Err, "record", "cannot be read")
	case len(r.Sealed) > MaxSealed:
		return invalid("sealed", tokenize.Invalid, "is longer than MaxSealed bytes")
	case r.Sealed != nil && !r.Card.Number.IsZero():
		return invalid(card.FieldNumber, tokenize.Invalid, "is given both in clear and sealed")
	case r.Sealed == nil && r.Card.Number.IsZero():
		return invalid(card.FieldNumber, tokenize.Missing, "is needed")
	}
	return nil
}

// opened opens a sealed record into its Card. Of the two errors the first refuses the
// record, the second ends the import.
func (im *importing) opened(ctx context.Context, r *Record) (*tokenize.Error, error) {
	got, err := im.o.Opener.Open(ctx, r)
	r.Sealed, r.Bound = nil, nil
	if _, ok := errors.AsType[*card.Error](err); ok || errors.Is(err, ErrOpen) {
		return refusal(err, "sealed", "does not open"), nil
	}
	if err != nil {
		return nil, failed("opener", err)
	}
	if got.Number.IsZero() {
		return invalid(card.FieldNumber, tokenize.Missing, "is not in the sealed value"), nil
	}
	if got.Expiry.IsZero() {
		got.Expiry = r.Card.Expiry
	}
	if got.Holder == "" {
		got.Holder = r.Card.Holder
	}
	if got.Email == "" {
		got.Email = r.Card.Email
	}
	if got.Currency == "" {
		got.Currency = r.Card.Currency
	}
	if got.Code.IsZero() {
		got.Code = r.Card.Code
	}
	r.Card = got
	return nil, nil
}
