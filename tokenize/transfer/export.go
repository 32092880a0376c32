package transfer

import (
	"context"
	"time"

	"github.com/cardseal/cardseal/tokenize"
	"github.com/cardseal/cardseal/tokenize/card"
)

// Sink is where an export goes.
type Sink interface {
	// Write takes a batch over, and returns nil once it is durable: it is then not
	// written again, but for the one batch that a failure follows. Tokens ascend byte
	// for byte over the whole export, so that one that is not behind the last one
	// kept is to be passed over. The slice is not to be kept.
	Write(ctx context.Context, batch []Exported) error
}

// Exported is one token on its way out.
type Exported struct {
	Details tokenize.Details
	Card    card.Details    // zero where it is not given
	Err     *tokenize.Error // why not; nil in an export of details alone
}

// ExportOptions tunes an [Export].
type ExportOptions struct {
	// Reason is why cards are revealed, for the record: see Reveal. It is required
	// but for DetailsOnly, which reveals none and makes no KMS call.
	Reason      string
	DetailsOnly bool
	// Batch is how many tokens are revealed and written together, up to
	// tokenize.MaxBatch; 0 is 1000.
	Batch int
	// RecordsPerSecond bounds how fast tokens are exported; 0 is no bound.
	RecordsPerSecond int
	// OnProgress is called after each batch.
	OnProgress func(Report)
}

// Export writes a repository's tokens to a sink in ascending order, with their cards.
// Deleted tokens are left out. One that is suspended, past its last day or no longer good
// gives no card: its Err says so. A token that is made meanwhile may be missing; a
// later call of the same name exports those behind the last token alone.
//
// The caller needs MayRead, and MayReveal for cards. The name says which job it is,
// as in [Import], and needs MayReveal or MaySave; an empty name is a job that cannot
// go on.
func Export(ctx context.Context, repo *tokenize.Repository, caller tokenize.Caller, name string, sink Sink, o *ExportOptions) (Report, error) {
	ex := &exporting{sink: sink}
	if o != nil {
		ex.o = *o
	}
	if err := ex.begin(ctx, repo, caller, name); err != nil {
		return ex.report(false), err
	}
	err := ex.all(ctx)
	return ex.report(err == nil), err
}

// exporting is one call of Export at work.
type exporting struct {
	job
	sink Sink
	o    ExportOptions
	cur  cursor // Count is always 0: what stands there was written
}

func (ex *exporting) report(done bool) Report {
	return Report{Records: ex.cur.Records, Refused: ex.cur.Refused, Done: done}
}

func (ex *exporting) begin(ctx context.Context, repo *tokenize.Repository, caller tokenize.Caller, name string) error {
	if repo == nil || ex.sink == nil {
		return invalid("sink", tokenize.Missing, "a repository and a sink are needed")
	}
	if err := checkBounds(&ex.o.Batch, ex.o.RecordsPerSecond); err != nil {
		return err
	}
	if ex.o.DetailsOnly == (ex.o.Reason != "") {
		return invalid("reason", tokenize.Missing, "either a reason or DetailsOnly is needed")
	}
	var err error
	if ex.job, err = jobOf(ctx, repo, caller, kindExport, name); err != nil {
		return err
	}
	ex.cur, _, err = ex.last(ctx)
	return err
}

func (ex *exporting) all(ctx context.Context) error {
	for {
		began := time.Now()
		batch, err := page(ctx, ex.repo, ex.caller, string(ex.cur.After), ex.o.Reason, ex.o.Batch)
		if err != nil || len(batch) == 0 {
			return err
		}
		if err := ex.one(ctx, batch); err != nil {
			return err
		}
		if err := pace(ctx, began, len(batch), ex.o.RecordsPerSecond); err != nil {
			return err
		}
	}
}

// one hands a batch over, and writes down that it was.
func (ex *exporting) one(ctx context.Context, batch []Exported) error {
	next := cursor{After: []byte(batch[len(batch)-1].Details.Token), Records: ex.cur.Records + int64(len(batch)), Refused: ex.cur.Refused}
	for i := range batch {
		if batch[i].Err != nil {
			next.Refused++
		}
	}
	err := ex.sink.Write(ctx, batch)
	clear(batch)
	if err != nil {
		return failed("sink", err)
	}
	if ex.named {
		if _, err := ex.save(ctx, &next, nil); err != nil {
			return err
		}
	}
	ex.cur = next
	if ex.o.OnProgress != nil {
		ex.o.OnProgress(ex.report(false))
	}
	return nil
}

// page is the next tokens behind one, up to n, with their cards if there is a reason.
func page(ctx context.Context, repo *tokenize.Repository, caller tokenize.Caller, after, reason string, n int) ([]Exported, error) {
	batch := make([]Exported, 0, n)
	tokens := make([]string, 0, n)
	err := repo.Each(ctx, caller, after, func(d tokenize.Details) bool {
		batch, tokens = append(batch, Exported{Details: d}), append(tokens, d.Token)
		return len(batch) < n
	})
	if err != nil || reason == "" || len(batch) == 0 {
		return batch, err
	}
	got, err := repo.RevealBatch(ctx, caller, tokens, reason)
	if err != nil {
		return nil, err
	}
	for i := range got {
		if e := got[i].Err; e != nil && Outage(e) {
			return nil, e
		}
		batch[i].Card, batch[i].Err = got[i].Card, got[i].Err
	}
	return batch, nil
}
