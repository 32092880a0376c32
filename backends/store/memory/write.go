package memory

import (
	"bytes"
	"context"
	"slices"

	"github.com/cardseal/cardseal/crypto/envelope"
	"github.com/cardseal/cardseal/tokenize/store"
)

// Write applies the writes under the locks of their scopes. Each is applied as
// it is judged, so that later ones see it, and taken back if any is refused.
//
// Where several outcomes fit one write it is the first of Outdated, Replayed,
// Spent, Stale, CardExists, TokenTaken, Fenced.
func (c cards) Write(ctx context.Context, writes []store.Write, job *store.Job) ([]store.Outcome, error) {
	if err := c.db.ready(ctx); err != nil {
		return nil, err
	}
	for i := range writes {
		if err := store.Check(&writes[i]); err != nil {
			return nil, err
		}
	}
	locked := c.db.lock(writes)
	defer locked.unlock()
	if c.db.closed.Load() {
		return nil, store.ErrClosed
	}
	// Read under the locks: CloseFence waits for whoever holds one.
	fences := *c.db.fences.Load()

	out := make([]store.Outcome, len(writes))
	var done []step
	if len(writes) > 1 { // one alone has nothing to take back
		done = make([]step, 0, len(writes))
	}
	refused := false
	for i := range writes {
		w, s := &writes[i], locked.of(&writes[i])
		row, hash, o := s.judge(w, fences)
		out[i] = o
		if o.Result != store.Written {
			refused = true
			continue
		}
		if len(writes) > 1 {
			done = append(done, s.before(w, row, hash))
		}
		s.apply(w, row, hash)
	}
	if refused {
		for i := range slices.Backward(done) {
			done[i].undo()
		}
		return out, nil
	}
	if job != nil {
		c.db.jobsMu.Lock()
		c.db.jobs[job.ID] = bytes.Clone(job.State)
		c.db.jobsMu.Unlock()
	}
	for i := range writes {
		if once := writes[i].Once; once != nil {
			locked.of(&writes[i]).forget(once.Now)
		}
		if spend := writes[i].Spend; spend != nil {
			locked.of(&writes[i]).forgetSpent(spend.Now)
		}
	}
	return out, nil
}

// judge says what becomes of w, and returns the number (0 if it is new) and the
// hash of its token.
func (s *scope) judge(w *store.Write, fences map[envelope.KeyID]fence) (row, hash uint32, o store.Outcome) {
	r := &w.Row
	if w.Epoch != s.epoch {
		return 0, 0, store.Outcome{Result: store.Outdated}
	}
	if w.Once != nil {
		if known, ok := s.recall(w.Once); ok {
			return 0, 0, store.Outcome{Result: store.Replayed, Token: s.rows[known.row].token(), Input: known.input}
		}
	}
	if w.Spend != nil && s.isSpent(w.Spend) {
		return 0, 0, store.Outcome{Result: store.Spent}
	}
	row, hash = s.find(r.Token)
	old := s.rows[row]
	if r.Version > 0 && (old == "" || old.status() == store.Deleted || old.version() != r.Version) {
		return row, hash, store.Outcome{Result: store.Stale}
	}
	if w.Unique && r.Status != store.Deleted {
		if token, held := s.holder(r.Index, r.Token); held {
			return row, hash, store.Outcome{Result: store.CardExists, Token: token}
		}
	}
	if r.Version == 0 && old != "" {
		return row, hash, store.Outcome{Result: store.TokenTaken}
	}
	if r.Status != store.Deleted {
		for i := range r.Sealed {
			if key, _ := envelope.StoredKeyID(r.Sealed[i].Record); fences[key] != fenceOpen {
				return row, hash, store.Outcome{Result: store.Fenced, Key: key}
			}
		}
	}
	return row, hash, store.Outcome{Result: store.Written}
}

// apply carries out a write that was judged Written.
func (s *scope) apply(w *store.Write, row, hash uint32) {
	order := w.Row.Order
	if w.Row.Status == store.Deleted && row != 0 {
		order = s.rows[row].order() // a tombstone keeps its place in the column
	}
	var room [768]byte // most rows fit; a longer one is built on the heap
	s.put(encoded(appendRow(room[:0], &w.Row, w.Row.Version+1, order)), row, hash)
	if w.Once != nil {
		if row == 0 {
			row = uint32(len(s.rows) - 1)
		}
		s.once[w.Once.Key] = remembered{row: row, input: w.Once.Input, until: w.Once.Until}
	}
	if w.Spend != nil {
		s.spent[w.Spend.Digest] = w.Spend.Until
	}
}

// step is what a write is about to change, as it is before.
type step struct {
	scope     *scope
	write     *store.Write
	row, hash uint32     // row 0: there is none
	old       encoded    // the row, then
	once      remembered // of row 0: the call is not known
	spent     int64      // until when the message was remembered
	wasSpent  bool       // it was, though its time was up
}

func (s *scope) before(w *store.Write, row, hash uint32) step {
	b := step{scope: s, write: w, row: row, hash: hash, old: s.rows[row]}
	if w.Once != nil {
		b.once = s.once[w.Once.Key]
	}
	if w.Spend != nil {
		b.spent, b.wasSpent = s.spent[w.Spend.Digest]
	}
	return b
}

// undo restores what was before, once all later steps are undone.
func (b *step) undo() {
	s := b.scope
	if b.row == 0 {
		s.takeBack(uint32(len(s.rows)-1), b.hash)
	} else {
		s.put(b.old, b.row, b.hash)
	}
	switch once := b.write.Once; {
	case once == nil:
	case b.once.row == 0:
		delete(s.once, once.Key)
	default:
		s.once[once.Key] = b.once
	}
	switch spend := b.write.Spend; {
	case spend == nil:
	case !b.wasSpent:
		delete(s.spent, spend.Digest)
	default:
		s.spent[spend.Digest] = b.spent
	}
}
