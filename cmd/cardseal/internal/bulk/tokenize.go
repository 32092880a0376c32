package bulk

import (
	"bytes"
	"context"
	"errors"

	"github.com/cardseal/cardseal/cmd/cardseal/internal/rows"
	"github.com/cardseal/cardseal/tokenize"
	"github.com/cardseal/cardseal/tokenize/card"
)

// Columns says where a row's fields are, counted from 0.
type Columns struct {
	Header rows.Header // zero: the line is the number
	Number int
	Expiry int   // -1 for none
	Keep   []int // written to the output as they are
}

// tokenizing is the [Work] of saving card numbers.
type tokenizing struct {
	repo   *tokenize.Repository
	mask   card.Mask
	caller tokenize.Caller
	cols   Columns
	split  rows.Splitter
}

// Tokenize saves each row's card and writes its token, masked number and brand.
func Tokenize(repo *tokenize.Repository, caller tokenize.Caller, cols Columns) Work {
	return &tokenizing{repo: repo, mask: repo.Config().Masking, caller: caller, cols: cols}
}

func (w *tokenizing) Header(dst []byte) []byte {
	dst = append(dst, "token,masked,brand"...)
	for _, k := range w.cols.Keep {
		dst = rows.AppendField(append(dst, ','), []byte(w.cols.Header.Raw(k)))
	}
	return append(dst, '\n')
}

func (w *tokenizing) Recalls() bool { return true }

func (w *tokenizing) NewBatch() Batch {
	return &tokenizeBatch{w: w}
}

// tokenizeBatch holds parsed rows. What is kept of a line beside the number lies
// in one buffer, as it will be written.
type tokenizeBatch struct {
	w      *tokenizing
	rows   []cardRow
	reqs   []tokenize.SaveRequest
	tokens []tokenize.StepRow // one for each request
	kept   []byte
}

type cardRow struct {
	refused  *Refusal
	req      int // place of its request
	from, to int // its part of kept
}

func (b *tokenizeBatch) Reset() {
	clear(b.reqs)
	b.rows, b.reqs, b.tokens, b.kept = b.rows[:0], b.reqs[:0], b.tokens[:0], b.kept[:0]
}

func (b *tokenizeBatch) AddRefused(r Refusal) {
	b.rows = append(b.rows, cardRow{refused: &r})
}

func (b *tokenizeBatch) Add(line []byte) {
	from := len(b.kept)
	d, why := b.parse(line)
	if why != nil {
		b.kept = b.kept[:from]
		b.AddRefused(*why)
		return
	}
	b.rows = append(b.rows, cardRow{req: len(b.reqs), from: from, to: len(b.kept)})
	b.reqs = append(b.reqs, tokenize.SaveRequest{Caller: b.w.caller, Card: d})
}

// parse reads a row's card and appends its kept columns.
func (b *tokenizeBatch) parse(line []byte) (card.Details, *Refusal) {
	cols := &b.w.cols
	if cols.Header.Len() == 0 {
		pan, err := card.ParsePANLenient(bytes.TrimSpace(line))
		return card.Details{Number: pan}, refusalOf(err)
	}
	if len(bytes.TrimSpace(line)) == 0 {
		return card.Details{}, &Refusal{"row", "is empty"}
	}
	fields, why := splitRow(&b.w.split, cols.Header, line)
	if why != nil {
		return card.Details{}, why
	}
	var d card.Details
	var err error
	if d.Number, err = card.ParsePANLenient(bytes.TrimSpace(fields[cols.Number])); err != nil {
		return card.Details{}, refusalOf(err)
	}
	if cols.Expiry >= 0 {
		if d.Expiry, err = card.ParseExpiryLenient(bytes.TrimSpace(fields[cols.Expiry])); err != nil {
			return card.Details{}, refusalOf(err)
		}
	}
	for _, k := range cols.Keep {
		if rows.HoldsPAN(fields[k]) {
			return card.Details{}, &Refusal{cols.Header.Name(k), "passes as a card number, which may not be kept in clear"}
		}
		b.kept = rows.AppendField(append(b.kept, ','), fields[k])
	}
	return d, nil
}

// splitRow takes a line apart and holds it against the header.
func splitRow(s *rows.Splitter, h rows.Header, line []byte) ([][]byte, *Refusal) {
	fields, err := s.Split(line)
	switch {
	case err != nil:
		return nil, &Refusal{"row", rows.ReasonQuote}
	case len(fields) < h.Len():
		return nil, &Refusal{h.Name(len(fields)), "is missing: the row has fewer fields than the header"}
	case len(fields) > h.Len():
		return nil, &Refusal{"row", "has more fields than the header"}
	}
	return fields, nil
}

// refusalOf is an error of package card as a refusal, nil for nil.
func refusalOf(err error) *Refusal {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*card.Error](err); ok {
		return &Refusal{e.Field, e.Reason}
	}
	return &Refusal{"row", "cannot be read"}
}

func (b *tokenizeBatch) Commit(ctx context.Context, at *Place) (err error) {
	var res []tokenize.SaveResult
	if at != nil {
		res, err = b.w.repo.SaveStep(ctx, at.Job, at.Cursor, b.reqs)
	} else {
		res, err = b.w.repo.SaveBatch(ctx, b.reqs)
	}
	if err != nil {
		return err
	}
	b.tokens = b.tokens[:0]
	for i := range res {
		b.tokens = append(b.tokens, tokenize.StepRow{Token: res[i].Details.Token, Err: res[i].Err})
	}
	return nil
}

func (b *tokenizeBatch) Recall(recorded []tokenize.StepRow) error {
	if len(recorded) != len(b.reqs) {
		return errCursor
	}
	b.tokens = recorded
	return nil
}

func (b *tokenizeBatch) Append(dst []byte, i int) ([]byte, *Refusal) {
	row := &b.rows[i]
	if row.refused != nil {
		return dst, row.refused
	}
	got := &b.tokens[row.req]
	if got.Err != nil {
		return dst, savingRefused(got.Err)
	}
	pan := b.reqs[row.req].Card.Number
	dst = rows.AppendField(dst, []byte(got.Token))
	dst = pan.AppendMasked(append(dst, ','), b.w.mask)
	dst = append(append(dst, ','), pan.Brand().String()...)
	dst = append(dst, b.kept[row.from:row.to]...)
	return append(dst, '\n'), nil
}

// savingRefused is what the repository said of a row.
func savingRefused(e *tokenize.Error) *Refusal {
	r := &Refusal{e.Field, e.Explanation}
	if r.Field == "" {
		r.Field = "row"
	}
	if r.Reason == "" {
		r.Reason = "was refused"
	}
	return r
}
