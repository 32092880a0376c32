package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/cardseal/cardseal/crypto/envelope"
	"github.com/cardseal/cardseal/tokenize/store"
)

// codeCalls makes every call of a store once, and returns each one's error by name.
func codeCalls(ctx context.Context, h *codes, c store.Code) map[string]error {
	errs := map[string]error{}
	errs["PutCodes"] = h.c.PutCodes(ctx, []store.Code{h.code("new")})
	_, errs["Code"] = h.c.Code(ctx, c.ID, codeNow)
	_, errs["ReadCode"] = h.c.ReadCode(ctx, c.ID, codeNow)
	_, errs["Attempt"] = h.c.Attempt(ctx, c.ID, 1, tries, codeNow)
	errs["Settle"] = h.c.Settle(ctx, c.ID, store.Attempt{Result: store.TryTaken, Counter: 1, Number: 1, Code: c}, false, tries)
	errs["ResetTries"] = h.c.ResetTries(ctx, c.ID, []uint16{1}, true, tries, codeNow)
	errs["ReplaceRecord"] = h.c.ReplaceRecord(ctx, c, record(h.key))
	errs["EraseCode"] = h.c.EraseCode(ctx, c.ID)
	errs["EraseToken"] = h.c.EraseToken(ctx, c.ID.Scope, c.Token)
	_, errs["SweepCodes"] = h.c.SweepCodes(ctx, codeExpires, 10)
	for _, err := range h.c.ScanCodes(ctx, h.scope) {
		errs["ScanCodes"] = err
	}
	_, errs["CountCodes"] = h.c.CountCodes(ctx, h.key)
	errs["OpenFence"] = h.c.OpenFence(ctx, envelope.NewKeyID())
	errs["CloseFence"] = h.c.CloseFence(ctx, h.key)
	return errs
}

const codeCallCount = 14

func eachCode(t *testing.T, errs map[string]error, want error) {
	t.Helper()
	for name, err := range errs {
		if !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", name, err, want)
		}
	}
	if len(errs) != codeCallCount {
		t.Errorf("%d calls answered, want %d", len(errs), codeCallCount)
	}
}

// codesCancelled: a caller who has gone gets its own error and changes nothing.
func codesCancelled(h *codes) {
	c := h.saved("a")
	ctx, cancel := context.WithCancel(h.Context())
	cancel()
	eachCode(h.T, codeCalls(ctx, h, c), context.Canceled)
	h.stored(c)
	h.saved("b") // the fence is open still
	if n := len(h.scanned(h.scope)); n != 2 {
		h.Fatalf("%d codes, want 2", n)
	}

	// One who goes in the middle of a scan is told so there.
	var list []store.Code
	for i := range 2200 {
		list = append(list, h.code(fmt.Sprint(i)))
	}
	h.put(list...)
	ctx, cancel = context.WithCancel(h.Context())
	defer cancel()
	n := 0
	var last error
	for _, err := range h.c.ScanCodes(ctx, h.scope) {
		if last = err; err != nil {
			break
		}
		n++
		cancel()
	}
	if !errors.Is(last, context.Canceled) {
		h.Fatalf("scan of a caller who left went on for %d codes and ended with %v", n, last)
	}
}

// RunCodesClosed tries a store of codes that was closed: every call answers
// [store.ErrClosed].
func RunCodesClosed(t *testing.T, closed store.Codes) {
	h := &codes{T: t, c: closed, scope: newScope(), key: envelope.NewKeyID()}
	eachCode(t, codeCalls(t.Context(), h, h.code("a")), store.ErrClosed)
	if err := closed.CheckEphemeral(t.Context()); !errors.Is(err, store.ErrClosed) && !errors.Is(err, store.ErrDurable) {
		t.Errorf("CheckEphemeral: %v, want ErrClosed or ErrDurable", err)
	}
}

// codesNoAlias: what was handed in is the caller's again at once, and what was
// handed out is the caller's own.
func codesNoAlias(h *codes) {
	c := h.code("a")
	c.Reads = 0
	in := c
	in.Record = bytes.Clone(c.Record)
	h.put(in)
	clear(in.Record)
	h.stored(c)
	to := record(h.key)
	in = c
	handed := bytes.Clone(to)
	h.noError(h.c.ReplaceRecord(h.Context(), in, handed), "ReplaceRecord")
	clear(handed)
	c.Record = to
	h.stored(c)

	spoil := func(c store.Code) {
		clear(c.Record)
		_ = append(c.Record, 0xee)
		clear(c.Counters)
	}
	a := h.attempt(c.ID, 1, tries, store.TryTaken, 1)
	c.Guesses, c.Counters = 1, []store.TryCounter{{ID: 1, Taken: 1}}
	for range 2 {
		for _, call := range []func() (store.Code, error){
			func() (store.Code, error) { return h.c.Code(h.Context(), c.ID, codeNow) },
			func() (store.Code, error) { return h.c.ReadCode(h.Context(), c.ID, codeNow) },
		} {
			got, err := call()
			h.noError(err, "Code or ReadCode")
			h.sameCode(got, c)
			spoil(got)
		}
		for _, got := range h.scanned(h.scope) {
			spoil(got)
		}
		spoil(a.Code)
	}
	h.stored(c)
	refused := h.attempt(c.ID, 1, store.TryLimits{Tries: 1, Guesses: 10}, store.TryBlocked, 0)
	spoil(refused.Code)
	h.counters(c.ID, 1, store.TryCounter{ID: 1, Taken: 1, Blocked: true})
}

func (h *codes) invalid(err error, call string) {
	h.Helper()
	if _, ok := errors.AsType[*store.InvalidError](err); !ok {
		h.Fatalf("%s: %v, want an InvalidError", call, err)
	}
}

func codesInvalid(h *codes) {
	long := strings.Repeat("x", store.MaxName+1)
	for name, spoil := range map[string]func(c *store.Code){
		"owner":         func(c *store.Code) { c.ID.Owner = long },
		"no token":      func(c *store.Code) { c.Token = "" },
		"long token":    func(c *store.Code) { c.Token = long },
		"no record":     func(c *store.Code) { c.Record = nil },
		"a bare record": func(c *store.Code) { c.Record = []byte("a record of some length, but no stored mode") },
		"no record ID":  func(c *store.Code) { c.RecordID = envelope.RecordID{} },
		"guesses":       func(c *store.Code) { c.Guesses = 1 },
		"counters":      func(c *store.Code) { c.Counters = []store.TryCounter{{ID: 1}} },
	} {
		c := h.code("a")
		spoil(&c)
		h.invalid(h.c.PutCodes(h.Context(), []store.Code{c}), "PutCodes with "+name)
	}
	c := h.saved("a")
	for _, l := range []store.TryLimits{{}, {Tries: 1}, {Guesses: 1}} {
		_, err := h.c.Attempt(h.Context(), c.ID, 1, l, codeNow)
		h.invalid(err, "Attempt")
		a := store.Attempt{Result: store.TryTaken, Counter: 1, Number: 1, Code: c}
		h.invalid(h.c.Settle(h.Context(), c.ID, a, false, l), "Settle")
		h.invalid(h.c.ResetTries(h.Context(), c.ID, []uint16{1}, false, l, codeNow), "ResetTries")
	}
	for _, result := range []store.TryResult{0, store.TryBlocked, store.TryCapped} {
		a := store.Attempt{Result: result, Counter: 1, Code: c}
		h.invalid(h.c.Settle(h.Context(), c.ID, a, true, tries), "Settle of what was refused")
	}
	h.invalid(h.c.ReplaceRecord(h.Context(), c, []byte("no record")), "ReplaceRecord")
	h.stored(c)
	if n := len(h.scanned(store.ScopeID{})); n != 1 {
		h.Fatalf("%d codes, want 1", n)
	}
}

func codeLongestNames(h *codes) {
	c := h.code(strings.Repeat("o", store.MaxName))
	c.Token = strings.Repeat("t", store.MaxName)
	h.put(c)
	h.stored(c)
	h.attempt(c.ID, math.MaxUint16, tries, store.TryTaken, 1)
	h.noError(h.c.EraseToken(h.Context(), h.scope, c.Token), "EraseToken")
	h.absent(c.ID)
}
