package bulk

import (
	"bytes"
	"context"
	"encoding/json"
	"strconv"
	"time"

	"github.com/cardseal/cardseal/tokenize"
	"github.com/cardseal/cardseal/tokenize/capture"
	"github.com/cardseal/cardseal/tokenize/card"
	"github.com/cardseal/cardseal/tokenize/transfer"
)

// opening is the [Work] of opening what clients encrypted.
type opening struct {
	repo   *tokenize.Repository
	caller tokenize.Caller
	alias  string
	reason string
}

// Open opens each line's message and writes a line of JSON with the names that
// package capture has for what is encrypted, and the key's ID. Codes are left out.
func Open(repo *tokenize.Repository, caller tokenize.Caller, alias, reason string) Work {
	return &opening{repo, caller, alias, reason}
}

func (w *opening) Header(dst []byte) []byte { return dst }

// Recalls is false: numbers are never written down, the batch is done again.
func (w *opening) Recalls() bool { return false }

func (w *opening) NewBatch() Batch { return &openBatch{w: w} }

type openBatch struct {
	w        *opening
	rows     []openRow
	messages [][]byte
	opened   []tokenize.Captured
}

type openRow struct {
	refused *Refusal
	at      int // place of its message
}

func (b *openBatch) Reset() {
	clear(b.opened)
	b.rows, b.messages, b.opened = b.rows[:0], b.messages[:0], nil
}

func (b *openBatch) AddRefused(r Refusal) { b.rows = append(b.rows, openRow{refused: &r}) }

func (b *openBatch) Add(line []byte) {
	message := bytes.TrimSpace(line)
	if len(message) == 0 {
		b.AddRefused(Refusal{"message", "is empty"})
		return
	}
	b.rows = append(b.rows, openRow{at: len(b.messages)})
	b.messages = append(b.messages, bytes.Clone(message))
}

func (b *openBatch) Commit(ctx context.Context, _ *Place) (err error) {
	if len(b.messages) == 0 {
		return nil
	}
	if b.opened, err = b.w.repo.RevealCaptured(ctx, b.w.caller, b.w.alias, b.messages, b.w.reason); err != nil {
		return err
	}
	for i := range b.opened {
		if e := b.opened[i].Err; e != nil && transfer.Outage(e) {
			return e
		}
	}
	return nil
}

func (b *openBatch) Recall([]tokenize.StepRow) error { return errCursor }

func (b *openBatch) Append(dst []byte, i int) ([]byte, *Refusal) {
	row := &b.rows[i]
	if row.refused != nil {
		return dst, row.refused
	}
	got := &b.opened[row.at]
	if got.Err != nil {
		return dst, savingRefused(got.Err)
	}
	return appendOpened(dst, &got.Opened), nil
}

// appendOpened appends a line of JSON. The number goes there without becoming a string.
func appendOpened(dst []byte, o *capture.Opened) []byte {
	dst = append(append(dst, `{"kid":"`...), o.KeyID.String()...)
	if !o.Card.Number.IsZero() {
		dst = o.Card.Number.AppendDigits(append(dst, `","cardNumber":"`...))
	}
	dst = append(dst, '"')
	if o.Sequence != "" {
		dst = append(append(append(dst, `,"sequenceNumber":"`...), o.Sequence...), '"')
	}
	if o.Card.Holder != "" {
		holder, _ := json.Marshal(o.Card.Holder) // a string always can be
		dst = append(append(dst, `,"cardholderName":`...), holder...)
	}
	dst = appendMonth(dst, "start", o.Start)
	dst = appendMonth(dst, "expiry", o.Card.Expiry)
	dst = o.Captured.UTC().AppendFormat(append(dst, `,"captureTime":"`...), time.RFC3339Nano)
	return append(dst, "\"}\n"...)
}

func appendMonth(dst []byte, name string, e card.Expiry) []byte {
	if e.IsZero() {
		return dst
	}
	dst = strconv.AppendInt(append(dst, `,"`+name+`Month":`...), int64(e.Month), 10)
	return strconv.AppendInt(append(dst, `,"`+name+`Year":`...), int64(e.Year), 10)
}
