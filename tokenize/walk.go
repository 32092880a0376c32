package tokenize

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/cardseal/cardseal/crypto/envelope"
	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/tokenize/store"
)

// Progress is how far a [Repository.Reindex] or a [Repository.Reseal] is.
type Progress struct {
	Phase   IndexPhase // of Reindex
	Key     keys.KeyID // that the repository is brought to; zero where there was nothing to do
	Rows    int64      // looked at in this phase, by earlier calls too
	Changed int64      // written by this call
	Left    int64      // of Rows, those whose card stands in the way
	Done    bool
}

// defaultWalkBatch keeps a transaction short beside the saves that wait for it.
const defaultWalkBatch = 500

// walk is long work on all rows of a repository: [Repository.Reindex] and
// [Repository.Reseal]. It goes batch by batch, each written in one transaction
// together with the cursor behind it, so that whoever comes next goes on there.
type walk struct {
	r     *Repository
	work  rework
	job   store.JobID
	batch int // rows looked at in one transaction
	rate  int // rows a second, 0 for no bound
	p     *Progress
	show  func(Progress)                // nil: nobody asks
	left  func(token string, err error) // likewise
}

// rework is what a walk does with the rows.
type rework interface {
	// ready is called once rows were read, before they are looked at.
	ready()
	// fit makes a row what it is to be, and reports whether it was something else; a
	// tombstone is as it should be. The row that an error is of ([fatal]) is left.
	fit(ctx context.Context, row *store.Row) (changed bool, err error)
	// write writes rows and cursor.
	write(ctx context.Context, writes []store.Write, job *store.Job) ([]store.Outcome, error)
	// refused says why a row whose write was refused is left; nil has it read and
	// tried again.
	refused(o *store.Outcome) error
}

// checkPace fills in and checks what the options of all walks have in common.
func checkPace(batch *int, rate int) error {
	if *batch < 0 || *batch > MaxBatch {
		return invalid("batch", Invalid, "must be 1 to MaxBatch rows")
	}
	if rate < 0 {
		return invalid("rowsPerSecond", Invalid, "must not be negative")
	}
	if *batch == 0 {
		*batch = defaultWalkBatch
	}
	return nil
}

// cursor is how far a walk is: the job's state, written in the transaction of each
// batch. All rows up to After are done or counted as left, whoever wrote it: of
// several calls at work the slower one may set it back, which costs time and
// nothing else.
type cursor struct {
	Phase IndexPhase `json:"phase,omitempty"` // of Reindex
	Key   *storedKey `json:"key,omitempty"`   // that Reseal brings rows under
	After string     `json:"after"`
	Rows  int64      `json:"rows"`
	Left  int64      `json:"left"`
}

// from returns how far the walk that begins at start is.
func (w *walk) from(ctx context.Context, start cursor) (cursor, error) {
	state, err := w.r.v.cards.Job(ctx, w.job)
	if errors.Is(err, store.ErrNotFound) {
		return start, nil
	}
	if err != nil {
		return start, err
	}
	var stored cursor
	if json.Unmarshal(state, &stored) != nil {
		return start, damaged("a job's state cannot be read")
	}
	other := (stored.Key == nil) != (start.Key == nil) || stored.Key != nil && *stored.Key != *start.Key
	if stored.Phase != start.Phase || other { // the phase or the key before
		return start, nil
	}
	return stored, nil
}

// run takes the walk that begins at start to its end, and returns how many rows
// were left. Unless the work goes past those for good, they are looked at again
// from the beginning: by the next call, or by this one where an earlier call has
// told of some.
func (w *walk) run(ctx context.Context, start cursor, past bool) (left int64, err error) {
	for {
		c, err := w.from(ctx, start)
		if err != nil {
			return 0, err
		}
		whole := c.After == ""
		if err := w.rows(ctx, &c); err != nil {
			return 0, err
		}
		if c.Left == 0 || past {
			return c.Left, nil
		}
		if err := w.r.v.cards.EndJob(ctx, w.job); err != nil {
			return 0, err
		}
		if whole {
			return c.Left, nil
		}
	}
}

// rows goes through the rows behind the cursor.
func (w *walk) rows(ctx context.Context, c *cursor) error {
	rows := make([]store.Row, 0, w.batch)
	for row, err := range w.r.v.cards.Scan(ctx, w.r.scope, c.After) {
		if err != nil {
			return err
		}
		if rows = append(rows, row); len(rows) < w.batch {
			continue
		}
		if err := w.some(ctx, c, rows); err != nil {
			return err
		}
		clear(rows)
		rows = rows[:0]
	}
	if len(rows) == 0 {
		w.tell(c)
		return nil
	}
	return w.some(ctx, c, rows)
}

// some does a batch in one transaction, and moves the cursor behind it in the same.
func (w *walk) some(ctx context.Context, c *cursor, rows []store.Row) error {
	began := time.Now()
	next := *c
	next.After = rows[len(rows)-1].Token
	todo := make([]store.Row, 0, len(rows))
	for i := range rows {
		if rows[i].Status != store.Deleted {
			next.Rows++
			todo = append(todo, rows[i])
		}
	}
	for range maxRounds {
		writes, err := w.plan(ctx, &next, todo)
		if err != nil {
			return err
		}
		state, err := json.Marshal(&next)
		if err != nil {
			return err
		}
		outcomes, err := w.work.write(ctx, writes, &store.Job{ID: w.job, State: state})
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(outcomes, func(o store.Outcome) bool { return o.Result != store.Written }) {
			*c = next
			w.p.Changed += int64(len(writes))
			w.tell(c)
			return w.pace(ctx, began, len(rows))
		}
		if todo, err = w.again(ctx, &next, writes, outcomes); err != nil {
			return err
		}
	}
	return conflict()
}

// plan writes rows that are not as they should be.
func (w *walk) plan(ctx context.Context, c *cursor, rows []store.Row) ([]store.Write, error) {
	w.work.ready()
	var writes []store.Write
	for i := range rows {
		changed, err := w.work.fit(ctx, &rows[i])
		if err != nil && fatal(ctx, err) {
			return nil, err
		}
		if err != nil {
			w.leave(c, rows[i].Token, err)
		} else if changed {
			writes = append(writes, store.Write{Row: rows[i]})
		}
	}
	return writes, nil
}

// again returns what is to be tried once more after a refused transaction, as it is
// now: all but what the store will never take.
func (w *walk) again(ctx context.Context, c *cursor, writes []store.Write, outcomes []store.Outcome) ([]store.Row, error) {
	var tokens []string
	for i := range outcomes {
		token := writes[i].Row.Token
		if err := w.work.refused(&outcomes[i]); err != nil {
			w.leave(c, token, err)
		} else {
			tokens = append(tokens, token)
		}
	}
	return w.r.v.cards.Get(ctx, w.r.scope, tokens)
}

// fatal reports an error that is not of one row: it ends the call.
func fatal(ctx context.Context, err error) bool {
	ofRow := errors.Is(err, envelope.ErrOpen) || errors.Is(err, store.ErrCorrupt)
	return !ofRow || ctx.Err() != nil || wrap(err).Cause == ServerBusy ||
		errors.Is(err, keys.ErrClosed) || errors.Is(err, keys.ErrDenied)
}

func (w *walk) leave(c *cursor, token string, err error) {
	c.Left++
	if w.left != nil {
		w.left(token, wrap(err))
	}
}

func (w *walk) tell(c *cursor) {
	w.p.Rows, w.p.Left = c.Rows, c.Left
	if w.show != nil {
		w.show(*w.p)
	}
}

// pace waits until so many rows may have been looked at.
func (w *walk) pace(ctx context.Context, began time.Time, rows int) error {
	if w.rate == 0 {
		return ctx.Err()
	}
	wait := time.NewTimer(time.Until(began.Add(time.Duration(rows) * time.Second / time.Duration(w.rate))))
	defer wait.Stop()
	select {
	case <-wait.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
