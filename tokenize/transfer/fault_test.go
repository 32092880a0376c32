package transfer_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/tokenize"
	"github.com/cardseal/cardseal/tokenize/store"
	"github.com/cardseal/cardseal/tokenize/transfer"
)

// run is one import into a repository, with everything that may fail in it.
type run struct {
	w    *world
	f    *foreign
	src  *list
	told *results
	m    tokenize.Management
	r    *tokenize.Repository
}

const faultRecords = 17

func newRun(t *testing.T, m tokenize.Management) *run {
	x := &run{w: newWorld(t), f: newForeign(), src: &list{}, told: newResults(t), m: m}
	for n := 1; n <= faultRecords; n++ {
		x.src.records = append(x.src.records, x.f.record(n, string(counted(n).AppendDigits(nil))))
	}
	x.src.records[4].Sealed[3] ^= 1
	x.src.records[9].Err = errors.New("torn: " + canary)
	x.src.records[10] = x.f.record(11, "4111111111111112")
	x.r = x.w.repo(tokenize.UUID, m)
	return x
}

// import1 is the import by a process that has just started, unless it is the first.
func (x *run) import1() (transfer.Report, error) {
	return transfer.Import(x.w.Context(), x.r, me, "job", x.src, &transfer.ImportOptions{
		Opener: x.f, Openings: 3, NewTokens: true, Batch: 4, Results: x.told.take})
}

// whole lets the import go on, and demands every record once.
func (x *run) whole(what string, first error) {
	t := x.w.TB
	t.Helper()
	if first != nil {
		require.NotContains(t, first.Error(), hidden, what)
	}
	x.w.cards.set(0, false)
	x.w.kek.SetError(nil)
	x.w.sink.err = nil
	x.f.at, x.src.at, x.told.at = 0, 0, 0
	x.r = x.w.repo(tokenize.UUID, x.m)
	report, err := x.import1()
	require.NoError(t, err, what)
	require.Equal(t, transfer.Report{Records: faultRecords, Refused: 3, Done: true}, report, what)
	require.Len(t, x.told.order, faultRecords, what)
	tokens := map[string]bool{}
	for i, p := range x.told.order {
		require.Equal(t, string(row(i+1)), p, what)
		if i == 4 || i == 9 || i == 10 {
			require.NotNil(t, x.told.errs[p], what)
			continue
		}
		require.Nil(t, x.told.errs[p], what)
		tokens[x.told.tokens[p]] = true
		holds(t, x.r, x.told.tokens[p], counted(i+1))
	}
	require.Len(t, tokens, faultRecords-3, what)
	require.Len(t, all(t, x.r), faultRecords-3, what)
}

// Everything that an import calls fails at its first, second, third … call. Each time
// the same import, by another process, then has every record once.
func TestImportFaults(t *testing.T) {
	for name, fault := range map[string]struct {
		is    error
		least int // calls there are at least
		set   func(x *run, at int)
		spent func(x *run, at int) bool
	}{
		"store before": {store.ErrUnavailable, 6, func(x *run, at int) { x.w.cards.set(at, false) }, func(x *run, _ int) bool { return x.w.cards.spent() }},
		"store after":  {tokenize.ErrOutcomeUnknown, 6, func(x *run, at int) { x.w.cards.set(at, true) }, func(x *run, _ int) bool { return x.w.cards.spent() }},
		"opener":       {errForeignKMS, 12, func(x *run, at int) { x.f.at = at }, func(x *run, at int) bool { return x.f.calls >= at }},
		"source":       {errSource, 12, func(x *run, at int) { x.src.at = at }, func(x *run, at int) bool { return x.src.yields >= at }},
		"results":      {errResults, 5, func(x *run, at int) { x.told.at = at }, func(x *run, at int) bool { return x.told.calls >= at }},
	} {
		for _, m := range []tokenize.Management{tokenize.UniqueCard, tokenize.UniqueToken} {
			t.Run(fmt.Sprintf("%s/%v", name, m), func(t *testing.T) {
				for at := 1; ; at++ {
					x := newRun(t, m)
					fault.set(x, at)
					_, err := x.import1()
					spent := fault.spent(x, at)
					what := fmt.Sprintf("call %d", at)
					if spent {
						// A scan has no answer to lose.
						require.True(t, errors.Is(err, fault.is) || errors.Is(err, store.ErrUnavailable), "%s: %v", what, err)
					} else {
						require.NoError(t, err)
					}
					x.whole(what, err)
					if !spent {
						require.Greater(t, at, fault.least, "the sweep has lost its teeth")
						return
					}
				}
			})
		}
	}
}

// The KMS fails from its first, second … call on, in an import that has begun and
// goes on in a new process.
func TestImportWithoutKMS(t *testing.T) {
	for at := 1; ; at++ {
		x := newRun(t, tokenize.UniqueToken)
		x.told.at = 2
		_, err := x.import1()
		require.ErrorIs(t, err, errResults)
		x.told.at = 0
		x.r = x.w.repo(tokenize.UUID, x.m)
		var calls atomic.Int64
		x.w.kek.Before(func(context.Context, string, int) error {
			if calls.Add(1) >= int64(at) {
				return fmt.Errorf("asked for %s: %w", canary, keys.ErrDenied)
			}
			return nil
		})
		_, err = x.import1()
		spent := calls.Load() >= int64(at)
		if spent {
			require.ErrorIs(t, err, keys.ErrDenied)
		}
		x.whole(fmt.Sprintf("call %d", at), err)
		if !spent {
			require.NoError(t, err)
			require.Greater(t, at, 2, "the sweep has lost its teeth")
			return
		}
	}
}

// What was saved but not recorded is told of again, and not saved again.
func TestImportWithoutAudit(t *testing.T) {
	x := newRun(t, tokenize.UniqueToken)
	x.w.sink.err = errors.New("sink: " + canary)
	_, err := x.import1()
	require.ErrorIs(t, err, tokenize.ErrAudit)
	require.Len(t, all(t, x.r), 4)
	require.Empty(t, x.told.order)
	x.whole("audit", err)
}

// A source that yields other records than before is not gone on with.
func TestSourceChanged(t *testing.T) {
	for name, change := range map[string]func(x *run){
		"shorter": func(x *run) { x.src.records = x.src.records[:3] },
		"other":   func(x *run) { x.src.records[3].Position = row(99) },
	} {
		x := newRun(t, tokenize.UniqueToken)
		x.told.at = 1
		_, err := x.import1()
		require.ErrorIs(t, err, errResults)
		change(x)
		_, err = x.import1()
		require.ErrorIs(t, err, transfer.ErrSourceChanged, name)
	}
}

// Everything that an export calls fails in turn; the sink has every token once then.
func TestExportFaults(t *testing.T) {
	for name, fault := range map[string]struct {
		is    error
		least int
		set   func(w *world, k *kept, at int)
		spent func(w *world, k *kept, at int) bool
	}{
		"store before": {store.ErrUnavailable, 8, func(w *world, _ *kept, at int) { w.cards.set(at, false) }, func(w *world, _ *kept, _ int) bool { return w.cards.spent() }},
		"store after":  {tokenize.ErrOutcomeUnknown, 8, func(w *world, _ *kept, at int) { w.cards.set(at, true) }, func(w *world, _ *kept, _ int) bool { return w.cards.spent() }},
		"sink":         {errSink, 3, func(_ *world, k *kept, at int) { k.at = at }, func(_ *world, k *kept, at int) bool { return k.calls >= at }},
	} {
		t.Run(name, func(t *testing.T) {
			const n = 11
			noticed := 0
			for at := 1; ; at++ {
				w, k := newWorld(t), &kept{}
				r := stocked(w, n)
				fault.set(w, k, at)
				o := &transfer.ExportOptions{Reason: "archive", Batch: 3}
				_, err := transfer.Export(t.Context(), r, me, "job", k, o)
				spent := fault.spent(w, k, at)
				w.cards.set(0, false)
				k.at = 0
				if err != nil { // a time of last use that is not written down fails nothing
					noticed++
					require.True(t, errors.Is(err, fault.is) || errors.Is(err, store.ErrUnavailable), "%v", err)
					require.NotContains(t, err.Error(), hidden)
				}
				report, err := transfer.Export(t.Context(), w.repo(tokenize.MerchantProvided, tokenize.UniqueCard), me, "job", k, o)
				require.NoError(t, err)
				require.Equal(t, transfer.Report{Records: n - 1, Refused: 3, Done: true}, report)
				exportedWhole(t, k, n)
				if !spent {
					require.Greater(t, noticed, fault.least, "the sweep has lost its teeth")
					return
				}
			}
		})
	}
}

// A KMS that is away from its first, second … call on ends an export, and refuses no
// token.
func TestExportWithoutKMS(t *testing.T) {
	for at := 1; ; at++ {
		w, k := newWorld(t), &kept{}
		stocked(w, 9)
		r := w.repo(tokenize.MerchantProvided, tokenize.UniqueCard)
		var calls atomic.Int64
		w.kek.Before(func(context.Context, string, int) error {
			if calls.Add(1) >= int64(at) {
				return fmt.Errorf("asked for %s: %w", canary, keys.ErrDenied)
			}
			return nil
		})
		o := &transfer.ExportOptions{Reason: "archive", Batch: 4}
		_, err := transfer.Export(t.Context(), r, me, "job", k, o)
		spent := calls.Load() >= int64(at)
		if spent {
			require.ErrorIs(t, err, keys.ErrDenied)
			require.NotContains(t, err.Error(), hidden)
			require.Empty(t, k.all)
		} else {
			require.NoError(t, err)
		}
		w.kek.SetError(nil)
		_, err = transfer.Export(t.Context(), w.repo(tokenize.MerchantProvided, tokenize.UniqueCard), me, "job", k, o)
		require.NoError(t, err)
		exportedWhole(t, k, 9)
		if !spent {
			require.Greater(t, at, 2, "the sweep has lost its teeth")
			return
		}
	}
}
