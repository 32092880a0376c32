package bulk

import (
	"bytes"
	"context"

	"github.com/cardseal/cardseal/cmd/cardseal/internal/rows"
	"github.com/cardseal/cardseal/tokenize"
	"github.com/cardseal/cardseal/tokenize/card"
)

// CodeColumns says where a file of security codes has what.
type CodeColumns struct {
	Header      rows.Header
	Token, Code int
}

// CodeBatch carries out a batch of security codes, with tokens as they were read, and
// returns as many errors, nil for what went well.
type CodeBatch func(ctx context.Context, tokens []string, codes []card.CVC) ([]*tokenize.Error, error)

// Codes does something with each row's security code. It has no output: what does not
// go well is refused, failures of the store or KMS too, since what the other rows of
// the batch came to would not be told otherwise.
func Codes(cols CodeColumns, do CodeBatch) Work { return &coding{cols: cols, do: do} }

type coding struct {
	cols  CodeColumns
	do    CodeBatch
	split rows.Splitter
}

func (w *coding) Header(dst []byte) []byte { return dst }

// Recalls is false: nothing of a code is written down.
func (w *coding) Recalls() bool { return false }

func (w *coding) NewBatch() Batch { return &codeBatch{w: w} }

type codeBatch struct {
	w      *coding
	rows   []codeRow
	tokens []string
	codes  []card.CVC
	errs   []*tokenize.Error
}

type codeRow struct {
	refused *Refusal
	at      int // place of its token
}

func (b *codeBatch) Reset() {
	clear(b.codes)
	b.rows, b.tokens, b.codes, b.errs = b.rows[:0], b.tokens[:0], b.codes[:0], nil
}

func (b *codeBatch) AddRefused(r Refusal) { b.rows = append(b.rows, codeRow{refused: &r}) }

func (b *codeBatch) Add(line []byte) {
	fields, why := splitRow(&b.w.split, b.w.cols.Header, line)
	if why != nil {
		b.AddRefused(*why)
		return
	}
	token := bytes.TrimSpace(fields[b.w.cols.Token])
	if len(token) == 0 {
		b.AddRefused(Refusal{"token", "is empty"})
		return
	}
	code, err := card.ParseCVC(bytes.TrimSpace(fields[b.w.cols.Code]))
	if err != nil {
		b.AddRefused(*refusalOf(err))
		return
	}
	b.rows = append(b.rows, codeRow{at: len(b.tokens)})
	b.tokens, b.codes = append(b.tokens, string(token)), append(b.codes, code)
}

func (b *codeBatch) Commit(ctx context.Context, _ *Place) (err error) {
	if len(b.tokens) == 0 {
		return nil
	}
	b.errs, err = b.w.do(ctx, b.tokens, b.codes)
	return err
}

func (b *codeBatch) Recall([]tokenize.StepRow) error { return errCursor }

func (b *codeBatch) Append(dst []byte, i int) ([]byte, *Refusal) {
	row := &b.rows[i]
	if row.refused != nil {
		return dst, row.refused
	}
	if e := b.errs[row.at]; e != nil {
		return dst, savingRefused(e)
	}
	return dst, nil
}
