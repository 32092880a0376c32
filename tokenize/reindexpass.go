package tokenize

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/cardseal/cardseal/crypto/envelope"
	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/tokenize/card"
	"github.com/cardseal/cardseal/tokenize/seal"
	"github.com/cardseal/cardseal/tokenize/store"
)

// cursor is how far a phase is: the job's state, written in the transaction of
// each batch. All rows up to After are done or counted as left, whoever wrote it:
// of several calls at work the slower one may set it back, which costs time and
// nothing else.
type cursor struct {
	Phase IndexPhase `json:"phase"`
	After string     `json:"after"`
	Rows  int64      `json:"rows"`
	Left  int64      `json:"left"`
}

func (x *reindex) cursor(ctx context.Context, p IndexPhase) (cursor, error) {
	c := cursor{Phase: p}
	state, err := x.r.v.cards.Job(ctx, x.r.reindexJob(x.p.Key))
	if errors.Is(err, store.ErrNotFound) {
		return c, nil
	}
	if err != nil {
		return c, err
	}
	var stored cursor
	if json.Unmarshal(state, &stored) != nil {
		return c, damaged("a job's state cannot be read")
	}
	if stored.Phase != p { // the phase before
		return c, nil
	}
	return stored, nil
}

func (x *reindex) job(c *cursor) (*store.Job, error) {
	state, err := json.Marshal(c)
	return &store.Job{ID: x.r.reindexJob(x.p.Key), State: state}, err
}

// pass brings all rows to where the phase wants them.
func (x *reindex) pass(ctx context.Context, s *standing) error {
	l, err := x.r.keyedBy(ctx, s)
	if err != nil {
		return err
	}
	for {
		c, err := x.cursor(ctx, s.state.phase)
		if err != nil {
			return err
		}
		whole := c.After == ""
		if err := x.walk(ctx, l, &c); err != nil {
			return err
		}
		if c.Left == 0 || c.Phase != Filling || x.o.LeaveUnindexed {
			return nil
		}
		// Those that are left are looked at again from the beginning: by the next
		// call, or by this one where an earlier call has told of some.
		job, err := x.job(&cursor{Phase: c.Phase})
		if err != nil {
			return err
		}
		if _, err := x.r.v.cards.Write(ctx, nil, job); err != nil {
			return err
		}
		if whole {
			return &Error{Cause: RequestRejected, SupportCode: "UNINDEXED", Explanation: trim(ErrUnindexed), err: ErrUnindexed}
		}
	}
}

// walk goes through the rows behind the cursor.
func (x *reindex) walk(ctx context.Context, l *lookup, c *cursor) error {
	rows := make([]store.Row, 0, x.o.Batch)
	for row, err := range x.r.v.cards.Scan(ctx, x.r.scope, c.After) {
		if err != nil {
			return err
		}
		if rows = append(rows, row); len(rows) < x.o.Batch {
			continue
		}
		if err := x.batch(ctx, l, c, rows); err != nil {
			return err
		}
		clear(rows)
		rows = rows[:0]
	}
	if len(rows) == 0 {
		x.show(c)
		return nil
	}
	return x.batch(ctx, l, c, rows)
}

// batch does some rows in one transaction, and moves the cursor behind them in
// the same.
func (x *reindex) batch(ctx context.Context, l *lookup, c *cursor, rows []store.Row) error {
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
		writes, left, err := x.plan(ctx, l, next.Phase, todo)
		if err != nil {
			return err
		}
		next.Left += left
		job, err := x.job(&next)
		if err != nil {
			return err
		}
		outcomes, err := x.r.v.cards.Write(ctx, writes, job)
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(outcomes, func(o store.Outcome) bool { return o.Result != store.Written }) {
			*c = next
			x.p.Changed += int64(len(writes))
			x.show(c)
			return x.pace(ctx, began, len(rows))
		}
		if todo, left, err = x.again(ctx, writes, outcomes); err != nil {
			return err
		}
		next.Left += left
	}
	return conflict()
}

// plan writes rows that are not as they should be.
func (x *reindex) plan(ctx context.Context, l *lookup, p IndexPhase, rows []store.Row) (writes []store.Write, left int64, err error) {
	for i := range rows {
		row := rows[i]
		index, err := x.fit(ctx, l, p, &row)
		if err != nil && fatal(ctx, err) {
			return nil, 0, err
		}
		if err != nil {
			left++
			x.leave(row.Token, err)
			continue
		}
		if slices.Equal(index, row.Index) {
			continue
		}
		row.Index = index
		for j := range row.Sealed {
			if id, ok := envelope.StoredKeyID(row.Sealed[j].Record); ok {
				if err := x.r.v.openFence(ctx, id); err != nil {
					return nil, 0, err
				}
			}
		}
		writes = append(writes, store.Write{Row: row, Epoch: l.epoch, Unique: x.r.c.Management == UniqueCard})
	}
	return writes, left, nil
}

// again returns what is to be tried once more after a refused transaction: all but
// what the store will never take.
func (x *reindex) again(ctx context.Context, writes []store.Write, outcomes []store.Outcome) (todo []store.Row, left int64, err error) {
	for k := range outcomes {
		token := writes[k].Row.Token
		switch o := &outcomes[k]; o.Result {
		case store.Outdated:
			return nil, 0, errOutdated
		case store.CardExists: // where cards were left without index values before
			left++
			x.leave(token, rejected(card.FieldNumber, "CARD_HAS_TOKEN", ErrCardHasToken))
			continue
		case store.Fenced:
			x.r.v.forgetFence(o.Key)
			left++
			x.leave(token, keys.ErrDisabled)
			continue
		}
		rows, err := x.r.v.cards.Get(ctx, x.r.scope, []string{token})
		if err != nil {
			return nil, 0, err
		}
		if rows[0].Status != store.Deleted {
			todo = append(todo, rows[0])
		}
	}
	return todo, left, nil
}

// fit returns the index values that a row is to have in a phase.
func (x *reindex) fit(ctx context.Context, l *lookup, p IndexPhase, row *store.Row) ([]store.IndexValue, error) {
	if p == Dropping {
		return slices.DeleteFunc(slices.Clone(row.Index), func(v store.IndexValue) bool { return v.Key != l.read.id }), nil
	}
	live := append([]indexKey{l.read}, l.others...)
	if len(row.Index) == len(live) && !slices.ContainsFunc(live, func(k indexKey) bool { return !stands(row, k.id) }) {
		return row.Index, nil
	}
	at := slices.IndexFunc(row.Sealed, func(s store.Sealed) bool { return seal.Field(s.Field) == seal.PAN })
	if at < 0 {
		if len(row.Index) == 0 { // no card is kept
			return row.Index, nil
		}
		return nil, damaged("a row has no card number")
	}
	s := &row.Sealed[at]
	pan, err := x.r.sealer.OpenNumber(ctx, s.Record, seal.PAN, bound(row, s))
	if err != nil {
		return nil, err
	}
	index := make([]store.IndexValue, len(live))
	for i := range live {
		index[i] = live[i].of(pan)
		// A value that is not this card's was put there by somebody else.
		if stands(row, live[i].id) && !slices.Contains(row.Index, index[i]) {
			return nil, damaged("an index value is not the card's")
		}
	}
	return index, nil
}

// stands reports whether a row has a value under a key.
func stands(row *store.Row, id envelope.KeyID) bool {
	return slices.ContainsFunc(row.Index, func(v store.IndexValue) bool { return v.Key == id })
}

// fatal reports an error that is not of one row: it ends the call.
func fatal(ctx context.Context, err error) bool {
	return ctx.Err() != nil || wrap(err).Cause == ServerBusy ||
		errors.Is(err, keys.ErrClosed) || errors.Is(err, keys.ErrDenied)
}

func (x *reindex) leave(token string, err error) {
	if x.o.OnLeft != nil {
		x.o.OnLeft(token, wrap(err))
	}
}

func (x *reindex) show(c *cursor) {
	x.p.Rows, x.p.Left = c.Rows, c.Left
	if x.o.OnProgress != nil {
		x.o.OnProgress(x.p)
	}
}

// pace waits until so many rows may have been looked at.
func (x *reindex) pace(ctx context.Context, began time.Time, rows int) error {
	if x.o.RowsPerSecond == 0 {
		return ctx.Err()
	}
	wait := time.NewTimer(time.Until(began.Add(time.Duration(rows) * time.Second / time.Duration(x.o.RowsPerSecond))))
	defer wait.Stop()
	select {
	case <-wait.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
