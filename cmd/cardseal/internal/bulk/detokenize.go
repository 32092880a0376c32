package bulk

import (
	"bytes"
	"context"

	"github.com/cardseal/cardseal/cmd/cardseal/internal/rows"
	"github.com/cardseal/cardseal/tokenize"
	"github.com/cardseal/cardseal/tokenize/transfer"
)

// detokenizing is the [Work] of giving card numbers back.
type detokenizing struct {
	repo   *tokenize.Repository
	caller tokenize.Caller
	reason string
	header rows.Header
	column int
	split  rows.Splitter
}

// Detokenize reveals each row's token. The column of tokens becomes one of
// numbers; the others stay. A zero header means that the line is the token.
func Detokenize(repo *tokenize.Repository, caller tokenize.Caller, reason string, h rows.Header, column int) Work {
	return &detokenizing{repo: repo, caller: caller, reason: reason, header: h, column: column}
}

func (w *detokenizing) Header(dst []byte) []byte {
	if w.header.Len() == 0 {
		return dst
	}
	for i := range w.header.Len() {
		if i > 0 {
			dst = append(dst, ',')
		}
		name := w.header.Raw(i)
		if i == w.column {
			name = "number"
		}
		dst = rows.AppendField(dst, []byte(name))
	}
	return append(dst, '\n')
}

// Recalls is false: numbers are never written down, the batch is done again.
func (w *detokenizing) Recalls() bool { return false }

func (w *detokenizing) NewBatch() Batch { return &detokenizeBatch{w: w} }

type detokenizeBatch struct {
	w        *detokenizing
	rows     []tokenRow
	tokens   []string
	revealed []tokenize.Revealed
	kept     []byte
}

type tokenRow struct {
	refused          *Refusal
	at               int // place of its token
	before, mid, end int // its parts of kept: before the number, and after it
}

func (b *detokenizeBatch) Reset() {
	clear(b.revealed)
	b.rows, b.tokens, b.revealed, b.kept = b.rows[:0], b.tokens[:0], nil, b.kept[:0]
}

func (b *detokenizeBatch) AddRefused(r Refusal) {
	b.rows = append(b.rows, tokenRow{refused: &r})
}

func (b *detokenizeBatch) Add(line []byte) {
	row := tokenRow{at: len(b.tokens), before: len(b.kept), mid: len(b.kept), end: len(b.kept)}
	token := bytes.TrimSpace(line)
	if b.w.header.Len() > 0 && len(token) > 0 {
		fields, why := splitRow(&b.w.split, b.w.header, line)
		if why != nil {
			b.AddRefused(*why)
			return
		}
		for i, f := range fields {
			if i > 0 {
				b.kept = append(b.kept, ',')
			}
			if i == b.w.column {
				row.mid = len(b.kept)
				token = bytes.TrimSpace(f)
				continue
			}
			b.kept = rows.AppendField(b.kept, f)
		}
		row.end = len(b.kept)
	}
	if len(token) == 0 {
		b.AddRefused(Refusal{"token", "is empty"})
		return
	}
	b.tokens = append(b.tokens, string(token))
	b.rows = append(b.rows, row)
}

func (b *detokenizeBatch) Commit(ctx context.Context, _ *Place) (err error) {
	if len(b.tokens) == 0 {
		return nil
	}
	if b.revealed, err = b.w.repo.RevealBatch(ctx, b.w.caller, b.tokens, b.w.reason); err != nil {
		return err
	}
	for i := range b.revealed {
		if e := b.revealed[i].Err; e != nil && transfer.Outage(e) {
			return e
		}
	}
	return nil
}

func (b *detokenizeBatch) Recall([]tokenize.StepRow) error { return errCursor }

func (b *detokenizeBatch) Append(dst []byte, i int) ([]byte, *Refusal) {
	row := &b.rows[i]
	if row.refused != nil {
		return dst, row.refused
	}
	got := &b.revealed[row.at]
	if got.Err != nil {
		return dst, savingRefused(got.Err)
	}
	dst = append(dst, b.kept[row.before:row.mid]...)
	dst = got.Card.Number.AppendDigits(dst)
	dst = append(dst, b.kept[row.mid:row.end]...)
	return append(dst, '\n'), nil
}
