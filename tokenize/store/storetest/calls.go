package storetest

import (
	"context"
	"errors"
	"testing"

	"github.com/cardseal/cardseal/crypto/envelope"
	"github.com/cardseal/cardseal/tokenize/store"
)

// calls makes every call of a store once, and returns each one's error by name.
func calls(ctx context.Context, h *harness) map[string]error {
	errs := map[string]error{}
	_, errs["Write"] = h.c.Write(ctx, writes(h.row("new")), &store.Job{ID: store.JobID{1}})
	_, errs["Spend"] = h.c.Spend(ctx, h.scope, []store.Spend{{Digest: [32]byte{1}, Until: 1}})
	_, errs["Get"] = h.c.Get(ctx, h.scope, []string{"t"})
	_, errs["ByIndex"] = h.c.ByIndex(ctx, h.scope, []store.IndexValue{{Key: h.index}})
	for _, err := range h.c.Ordered(ctx, h.scope, "") {
		errs["Ordered"] = err
	}
	for _, err := range h.c.Scan(ctx, h.scope, "") {
		errs["Scan"] = err
	}
	_, errs["CountByKey"] = h.c.CountByKey(ctx, h.key)
	errs["OpenFence"] = h.c.OpenFence(ctx, envelope.NewKeyID())
	errs["CloseFence"] = h.c.CloseFence(ctx, h.key)
	_, errs["CreateRepository"] = h.c.CreateRepository(ctx, store.Repository{Scope: newScope(), Name: "SHOP"})
	_, errs["Repositories"] = h.c.Repositories(ctx)
	errs["AssignMerchant"] = h.c.AssignMerchant(ctx, "m", h.scope)
	_, errs["MerchantScope"] = h.c.MerchantScope(ctx, "m")
	_, errs["Job"] = h.c.Job(ctx, store.JobID{1})
	errs["EndJob"] = h.c.EndJob(ctx, store.JobID{1})
	return errs
}

const callCount = 15

// each expects every call to fail with an error.
func each(t *testing.T, errs map[string]error, want error) {
	t.Helper()
	for name, err := range errs {
		if !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", name, err, want)
		}
	}
	if len(errs) != callCount {
		t.Errorf("%d calls answered, want %d", len(errs), callCount)
	}
}

// cancelled: a caller who has gone gets its own error and changes nothing.
func cancelled(h *harness) {
	h.save(h.row("t"))
	ctx, cancel := context.WithCancel(h.Context())
	cancel()
	each(h.T, calls(ctx, h), context.Canceled)
	h.absent("new")
	h.save(h.row("u")) // the fence is open still
	h.noJob(store.JobID{1})
	h.spendAlone([]store.Spend{{Digest: [32]byte{1}, Until: 1}}, false)
	h.merchant("m", nil)

	// One who goes in the middle of a scan is told so there.
	h.fill(2200)
	ctx, cancel = context.WithCancel(h.Context())
	defer cancel()
	n := 0
	var last error
	for _, err := range h.c.Scan(ctx, h.scope, "") {
		if last = err; err != nil {
			break
		}
		n++
		cancel()
	}
	if !errors.Is(last, context.Canceled) {
		h.Fatalf("scan of a caller who left went on for %d rows and ended with %v", n, last)
	}
}

// RunClosed tries a store that was closed: every call answers
// [store.ErrClosed].
func RunClosed(t *testing.T, closed store.Cards) {
	h := &harness{T: t, c: closed, scope: newScope(), key: envelope.NewKeyID(), index: envelope.NewKeyID()}
	each(t, calls(t.Context(), h), store.ErrClosed)
}
