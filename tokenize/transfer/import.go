package transfer

import (
	"context"
	"time"

	"github.com/cardseal/cardseal/tokenize"
)

// Import saves what a source yields. The caller needs MaySave, and MaySuspend or
// MayUpdate for records in such a state. The name says which job it is, and goes on
// where an earlier call of that name ended; it should name the source and its state,
// such as a file's digest. An empty name is a job that cannot go on.
//
// Cards are saved as Save does it: a card that comes twice has one token in a
// UniqueCard repository, and two in a UniqueToken one. The error is nil if the source came to
// its end, however many records were refused.
func Import(ctx context.Context, repo *tokenize.Repository, caller tokenize.Caller, name string, src Source, o *ImportOptions) (Report, error) {
	im := &importing{src: src}
	if o != nil {
		im.o = *o
	}
	if err := im.begin(ctx, repo, caller, name); err != nil {
		return im.report(false), err
	}
	err := im.all(ctx)
	return im.report(err == nil), err
}

// importing is one call of Import at work.
type importing struct {
	job
	src     Source
	o       ImportOptions
	cur     cursor // Count is 0: the next batch begins behind After
	keeps   bool   // the repository keeps the tokens that come
	results []Result
}

func (im *importing) begin(ctx context.Context, repo *tokenize.Repository, caller tokenize.Caller, name string) error {
	if repo == nil || im.src == nil {
		return invalid("source", tokenize.Missing, "a repository and a source are needed")
	}
	if err := checkBounds(&im.o.Batch, im.o.RecordsPerSecond); err != nil {
		return err
	}
	switch {
	case im.o.Openings < 0:
		return invalid("openings", tokenize.Invalid, "must not be negative")
	case im.o.Openings == 0:
		im.o.Openings = defaultOpenings
	}
	im.keeps = repo.Config().Generation == tokenize.MerchantProvided
	if im.keeps && im.o.NewTokens {
		return invalid("newTokens", tokenize.Unsupported, "this repository makes no tokens")
	}
	if !im.keeps && im.o.Replace {
		return invalid("replace", tokenize.Unsupported, "serves tokens that records bring along")
	}
	if err := repo.Admit(ctx, caller, tokenize.MaySave); err != nil {
		return err
	}
	var err error
	if im.job, err = jobOf(ctx, repo, caller, kindImport, name); err != nil {
		return err
	}
	var rows []tokenize.StepRow
	if im.cur, rows, err = im.last(ctx); err != nil {
		return err
	}
	return im.recall(ctx, rows)
}

func (im *importing) report(done bool) Report {
	return Report{Records: im.cur.Records, Refused: im.cur.Refused, Done: done}
}

// recall tells of the batch that an earlier call saved last.
func (im *importing) recall(ctx context.Context, rows []tokenize.StepRow) error {
	c := im.cur
	if c.Count == 0 {
		return nil
	}
	if len(rows)+len(c.Unsaved) != c.Count {
		return errCursor()
	}
	im.results = make([]Result, c.Count)
	for i := range c.Unsaved {
		im.results[c.Unsaved[i].At].Err = c.Unsaved[i].error()
	}
	k := 0
	for i := range im.results {
		if r := &im.results[i]; r.Err == nil {
			r.Token, r.Err = rows[k].Token, rows[k].Err
			k++
		}
	}
	if im.o.Results != nil {
		if err := im.positions(ctx); err != nil {
			return err
		}
	}
	return im.tell(ctx, c.Last)
}

// positions reads again what the batch was made of. Nothing of it is opened.
func (im *importing) positions(ctx context.Context) error {
	n := 0
	for r, err := range im.src.Records(ctx, im.cur.After) {
		if err != nil {
			return failed("source", err)
		}
		im.results[n].Position = r.Position
		if n++; n == len(im.results) {
			break
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if n < len(im.results) || string(im.results[n-1].Position) != string(im.cur.Last) {
		return failed("source", ErrSourceChanged)
	}
	return nil
}

// all saves what is left of the source.
func (im *importing) all(ctx context.Context) error {
	rctx, stop := context.WithCancel(ctx)
	batches := make(chan *incoming)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		im.read(rctx, batches)
	}()
	// The reader and the openers are gone when Import returns.
	defer func() { stop(); <-ended }()
	for {
		began := time.Now()
		var b *incoming
		select {
		case <-ctx.Done():
			return ctx.Err()
		case b = <-batches:
		}
		b.open.Wait()
		// A source that heeds the context may have ended for it.
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := b.failure(); err != nil {
			return err
		}
		if len(b.records) > 0 {
			if err := im.one(ctx, b); err != nil {
				return err
			}
		}
		if b.last {
			return im.settle(ctx)
		}
		if err := pace(ctx, began, len(b.records), im.o.RecordsPerSecond); err != nil {
			return err
		}
	}
}

// one saves a batch, tells of it and moves on behind it.
func (im *importing) one(ctx context.Context, b *incoming) error {
	n := len(b.records)
	reqs := make([]tokenize.SaveRequest, 0, n)
	im.results = make([]Result, n)
	im.cur.Unsaved = nil
	for i := range b.records {
		e := &b.records[i]
		im.results[i] = Result{Position: e.record.Position, Err: e.refused}
		if e.refused != nil {
			im.cur.Unsaved = append(im.cur.Unsaved, unsavedAs(i, e.refused))
			continue
		}
		reqs = append(reqs, im.request(&e.record))
	}
	im.cur.Count, im.cur.Last = n, b.records[n-1].record.Position
	res, err := im.save(ctx, &im.cur, reqs)
	clear(b.records)
	clear(reqs)
	if err != nil {
		return err
	}
	k := 0
	for i := range im.results {
		if r := &im.results[i]; r.Err == nil {
			r.Token, r.Err = res[k].Details.Token, res[k].Err
			k++
		}
	}
	return im.tell(ctx, im.cur.Last)
}

// request asks for a record to be saved.
func (im *importing) request(r *Record) tokenize.SaveRequest {
	q := tokenize.SaveRequest{
		Caller: im.caller, Card: r.Card, TokenExpiry: r.TokenExpiry, Verification: im.o.Verification,
		Suspended: r.Suspended, Invalid: r.Invalid,
	}
	if im.keeps {
		q.Token, q.CreateOnly = r.Token, !im.o.Replace
	}
	return q
}

// tell hands the results over and moves on behind the batch.
func (im *importing) tell(ctx context.Context, last []byte) error {
	if im.o.Results != nil {
		if err := im.o.Results(ctx, im.results); err != nil {
			return failed("results", err)
		}
	}
	refused := int64(0)
	for i := range im.results {
		if im.results[i].Err != nil {
			refused++
		}
	}
	im.cur = cursor{After: last, Records: im.cur.Records + int64(len(im.results)), Refused: im.cur.Refused + refused}
	im.results = nil
	if im.o.OnProgress != nil {
		im.o.OnProgress(im.report(false))
	}
	return nil
}

// settle writes down that nothing is left to be told of.
func (im *importing) settle(ctx context.Context) error {
	if !im.named {
		return nil
	}
	_, err := im.save(ctx, &im.cur, nil)
	return err
}
