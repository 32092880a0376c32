package storetest

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"

	"github.com/cardseal/cardseal/crypto/envelope"
	"github.com/cardseal/cardseal/tokenize/store"
)

// keptCode is what the reference knows of a code: every attempt ever made at it.
type keptCode struct {
	store.Code
	tries map[uint16]*keptCounter
}

type keptCounter struct {
	attempts []outcome // by number, from 1
	base     int
	blocked  bool
}

type outcome uint8 // of an attempt

const (
	pending outcome = iota
	right
	wrong
)

// guesses counts the attempts that were not right.
func (k *keptCode) guesses() (n uint32) {
	for _, c := range k.tries {
		for _, o := range c.attempts {
			if o != right {
				n++
			}
		}
	}
	return n
}

// asStored is the code as a store shows it.
func (k *keptCode) asStored() store.Code {
	c := k.Code
	c.Guesses = k.guesses()
	for _, id := range slices.Sorted(maps.Keys(k.tries)) {
		t := k.tries[id]
		c.Counters = append(c.Counters, store.TryCounter{ID: id, Taken: uint64(len(t.attempts)), Base: uint64(t.base), Blocked: t.blocked})
	}
	return c
}

// codeReference is the promise of a store of codes in the plainest words.
type codeReference struct {
	codes map[store.CodeID]*keptCode
	open  map[envelope.KeyID]bool
}

func (m *codeReference) live(id store.CodeID, now int64) *keptCode {
	if k := m.codes[id]; k != nil && (k.Expires == 0 || now < k.Expires) {
		return k
	}
	return nil
}

func (m *codeReference) put(list []store.Code) error {
	for _, c := range list {
		if key, _ := envelope.StoredKeyID(c.Record); !m.open[key] {
			return store.ErrFenced
		}
	}
	for _, c := range list {
		m.codes[c.ID] = &keptCode{Code: c, tries: map[uint16]*keptCounter{}}
	}
	return nil
}

func (m *codeReference) read(id store.CodeID, now int64) (store.Code, error) {
	k := m.live(id, now)
	if k == nil {
		return store.Code{}, store.ErrNotFound
	}
	c := k.asStored()
	if k.Reads == 1 {
		delete(m.codes, id)
	}
	if k.Reads > 1 {
		k.Reads--
	}
	return c, nil
}

func (m *codeReference) attempt(id store.CodeID, counter uint16, l store.TryLimits, now int64) (a store.Attempt, err error) {
	k := m.live(id, now)
	if k == nil {
		return store.Attempt{}, store.ErrNotFound
	}
	a = store.Attempt{Counter: counter, Result: store.TryTaken}
	t := k.tries[counter]
	if t == nil {
		t = &keptCounter{}
	}
	next := len(t.attempts) + 1
	switch {
	case t.blocked || next-t.base > int(l.Tries):
		a.Result, a.Blocks = store.TryBlocked, !t.blocked
		t.blocked = true
	case k.guesses()+1 > l.Guesses:
		a.Result = store.TryCapped
	default:
		t.attempts = append(t.attempts, pending)
		k.tries[counter] = t
		a.Number = uint64(next)
	}
	a.Code = k.asStored()
	if a.Result != store.TryTaken {
		a.Code.Record = nil
	}
	return a, nil
}

func (m *codeReference) settle(id store.CodeID, a store.Attempt, isRight bool, l store.TryLimits) {
	k := m.codes[id]
	if k == nil || k.RecordID != a.Code.RecordID {
		return
	}
	t, n := k.tries[a.Counter], int(a.Number)
	if isRight {
		t.attempts[n-1] = right
		t.base = max(t.base, n)
		return
	}
	t.attempts[n-1] = wrong
	if n-t.base >= int(l.Tries) {
		t.blocked = true
	}
}

func (m *codeReference) reset(id store.CodeID, counters []uint16, unblock bool, l store.TryLimits, now int64) error {
	k := m.live(id, now)
	if k == nil {
		return store.ErrNotFound
	}
	for _, counter := range counters {
		if t := k.tries[counter]; t != nil && (unblock || len(t.attempts)-t.base < int(l.Tries)) {
			t.base = len(t.attempts)
			if unblock {
				t.blocked = false
			}
		}
	}
	return nil
}

func (m *codeReference) replace(c store.Code, record []byte) error {
	key, _ := envelope.StoredKeyID(record)
	k := m.codes[c.ID]
	switch {
	case !m.open[key]:
		return store.ErrFenced
	case k == nil || string(k.Record) != string(c.Record):
		return store.ErrConflict
	}
	k.Record = record
	return nil
}

func (m *codeReference) sweepable(now int64) (n int) {
	for _, k := range m.codes {
		if k.Expires != 0 && k.Expires <= now {
			n++
		}
	}
	return n
}

// codesModel makes random calls over few owners, counters, tokens and keys, so that
// they meet often, and compares every answer and all that is stored. The seed is
// fixed: a failure comes again.
func codesModel(h *codes) {
	random := rand.New(rand.NewPCG(5, 6))
	closed := envelope.NewKeyID()
	m := &codeReference{codes: map[store.CodeID]*keptCode{}, open: map[envelope.KeyID]bool{h.key: true}}
	ids := make([]store.CodeID, 8)
	for i := range ids {
		ids[i] = store.CodeID{Scope: h.scope, OwnerType: uint8(i % 2), Owner: fmt.Sprint("o", i/2%2), Card: [32]byte{byte(i / 4)}}
	}
	var pending []store.Attempt
	var seen []store.Code // as they once were
	results := map[string]int{}
	now := int64(1000)
	ctx := h.Context()
	same := func(call string, got, want error) {
		h.Helper()
		results[fmt.Sprint(call, " ", want)]++
		if want == nil && got != nil || want != nil && !errors.Is(got, want) {
			h.Fatalf("%s: %v, want %v", call, got, want)
		}
	}
	for round := range 2500 {
		id := ids[random.IntN(len(ids))]
		counter := uint16(random.IntN(3))
		l := store.TryLimits{Tries: 1 + random.Uint32N(4), Guesses: 3 + random.Uint32N(9)}
		now += random.Int64N(4)
		switch what := random.IntN(100); {
		case what < 14:
			list := make([]store.Code, 1+random.IntN(3))
			for i := range list {
				list[i] = h.code("")
				list[i].ID = ids[random.IntN(len(ids))]
				list[i].Token = fmt.Sprint("t", random.IntN(4))
				list[i].Expires = []int64{0, now + random.Int64N(300)}[random.IntN(2)]
				list[i].Reads = random.Uint32N(4)
				if random.IntN(30) == 0 {
					list[i].Record = record(closed)
				}
			}
			same("PutCodes", h.c.PutCodes(ctx, list), m.put(list))
		case what < 24:
			got, err := h.c.ReadCode(ctx, id, now)
			want, wantErr := m.read(id, now)
			same("ReadCode", err, wantErr)
			h.sameCode(got, want)
		case what < 60:
			got, err := h.c.Attempt(ctx, id, counter, l, now)
			want, wantErr := m.attempt(id, counter, l, now)
			same("Attempt", err, wantErr)
			results[fmt.Sprint("result ", want.Result)]++
			if got.Result != want.Result || got.Number != want.Number || got.Blocks != want.Blocks || got.Counter != want.Counter && err == nil {
				h.Fatalf("attempt %+v, want %+v", got, want)
			}
			if len(got.Code.Record) == 0 {
				got.Code.Record = nil
			}
			h.sameCode(got.Code, want.Code)
			if got.Result == store.TryTaken {
				pending = append(pending, got)
			}
		case what < 84:
			if len(pending) == 0 {
				continue
			}
			i := random.IntN(len(pending))
			a := pending[i]
			pending = slices.Delete(pending, i, i+1)
			right := random.IntN(2) == 0
			same("Settle", h.c.Settle(ctx, a.Code.ID, a, right, l), nil)
			m.settle(a.Code.ID, a, right, l)
		case what < 89:
			counters := []uint16{counter, uint16(random.IntN(4))}[:random.IntN(3)]
			unblock := random.IntN(2) == 0
			same("ResetTries", h.c.ResetTries(ctx, id, counters, unblock, l, now), m.reset(id, counters, unblock, l, now))
		case what < 94:
			if len(seen) == 0 {
				continue
			}
			c, to := seen[len(seen)-1-random.IntN(min(len(seen), 5))], record(h.key)
			if random.IntN(8) == 0 {
				to = record(closed)
			}
			same("ReplaceRecord", h.c.ReplaceRecord(ctx, c, to), m.replace(c, to))
		case what < 95:
			same("EraseCode", h.c.EraseCode(ctx, id), nil)
			delete(m.codes, id)
		case what < 96:
			token := fmt.Sprint("t", random.IntN(4))
			same("EraseToken", h.c.EraseToken(ctx, h.scope, token), nil)
			maps.DeleteFunc(m.codes, func(_ store.CodeID, k *keptCode) bool { return k.Token == token })
		case what < 97:
			want := m.sweepable(now)
			h.sweep(now, 100, want)
			maps.DeleteFunc(m.codes, func(_ store.CodeID, k *keptCode) bool { return k.Expires != 0 && k.Expires <= now })
			results["swept"] += want
		default:
			got, err := h.c.Code(ctx, id, now)
			k := m.live(id, now)
			if k == nil {
				same("Code", err, store.ErrNotFound)
				continue
			}
			same("Code", err, nil)
			h.sameCode(got, k.asStored())
			seen = append(seen, got)
		}
		if round%100 == 99 {
			h.compare(m)
		}
	}
	for _, result := range []string{
		"PutCodes <nil>", fmt.Sprint("PutCodes ", store.ErrFenced), "ReadCode <nil>", fmt.Sprint("ReadCode ", store.ErrNotFound),
		"Attempt <nil>", fmt.Sprint("Attempt ", store.ErrNotFound), "result 1", "result 2", "result 3", "Settle <nil>", "ResetTries <nil>",
		"ReplaceRecord <nil>", fmt.Sprint("ReplaceRecord ", store.ErrConflict), fmt.Sprint("ReplaceRecord ", store.ErrFenced), "swept",
	} {
		if results[result] < 8 {
			h.Fatalf("only %d of %q: the test has lost its teeth", results[result], result)
		}
	}
}

func (h *codes) compare(m *codeReference) {
	h.Helper()
	got := h.scanned(h.scope)
	if len(got) != len(m.codes) {
		h.Fatalf("%d codes, want %d", len(got), len(m.codes))
	}
	for id, k := range m.codes {
		h.sameCode(got[id], k.asStored())
	}
	h.count(h.key, uint64(len(m.codes)))
}
