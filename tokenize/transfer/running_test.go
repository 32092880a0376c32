package transfer_test

import (
	"context"
	"iter"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/tokenize"
	"github.com/cardseal/cardseal/tokenize/card"
	"github.com/cardseal/cardseal/tokenize/transfer"
)

// As many values are opened at once as was asked for, while a batch waits, and they
// come out in order.
func TestOpenings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, f := newWorld(t), newForeign()
		r, told := w.repo(tokenize.MerchantProvided, tokenize.UniqueToken), newResults(t)
		src := &list{}
		for n := range 40 {
			src.records = append(src.records, f.record(n+1, string(counted(n+1).AppendDigits(nil))))
		}
		f.hold = make(chan struct{})
		done := make(chan error)
		go func() {
			_, err := transfer.Import(t.Context(), r, me, "job", src, &transfer.ImportOptions{Opener: f, Openings: 7, Batch: 5, Results: told.take})
			done <- err
		}()
		synctest.Wait()
		require.Equal(t, 7, f.most)
		require.Empty(t, told.order)
		close(f.hold)
		require.NoError(t, <-done)
		require.Equal(t, 7, f.most)
		require.Len(t, told.order, 40)
		for i, p := range told.order {
			require.Equal(t, string(row(i+1)), p)
			holds(t, r, told.tokens[p], counted(i+1))
		}
	})
}

// The rate is a rate over batches.
func TestRecordsPerSecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		r := w.repo(tokenize.UUID, tokenize.UniqueToken)
		src := &list{}
		for n := range 30 {
			src.records = append(src.records, transfer.Record{Position: row(n + 1), Card: card.Details{Number: counted(n)}})
		}
		began := time.Now()
		_, err := transfer.Import(t.Context(), r, me, "job", src, &transfer.ImportOptions{Batch: 10, RecordsPerSecond: 10})
		require.NoError(t, err)
		require.Equal(t, 3*time.Second, time.Since(began))
		began = time.Now()
		_, err = transfer.Export(t.Context(), r, me, "job", &kept{}, &transfer.ExportOptions{Reason: "test", Batch: 10, RecordsPerSecond: 5})
		require.NoError(t, err)
		require.Equal(t, 6*time.Second, time.Since(began))
	})
}

// A job that is told to stop does so, whatever it is at, and goes on later.
func TestImportCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, f := newWorld(t), newForeign()
		r, told := w.repo(tokenize.MerchantProvided, tokenize.UniqueToken), newResults(t)
		src := &list{}
		for n := range 20 {
			src.records = append(src.records, f.record(n+1, string(counted(n+1).AppendDigits(nil))))
		}
		o := transfer.ImportOptions{Opener: f, Batch: 3, Results: told.take}
		for range 3 { // stopped after a batch
			ctx, stop := context.WithCancel(t.Context())
			o.OnProgress = func(transfer.Report) { stop() }
			report, err := transfer.Import(ctx, r, me, "job", src, &o)
			require.ErrorIs(t, err, context.Canceled)
			require.False(t, report.Done)
		}
		o.OnProgress = nil
		f.hold = make(chan struct{}) // stopped while values are being opened
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error)
		go func() {
			_, err := transfer.Import(ctx, r, me, "job", src, &o)
			done <- err
		}()
		synctest.Wait()
		stop()
		require.ErrorIs(t, <-done, context.Canceled)
		require.Zero(t, f.now, "an opener is still at work")
		f.hold = nil
		report, err := transfer.Import(t.Context(), r, me, "job", src, &o)
		require.NoError(t, err)
		require.Equal(t, transfer.Report{Records: 20, Done: true}, report)
		require.Len(t, told.order, 20)
		require.Len(t, all(t, r), 20)
	})
}

// A source that ends because it was told to stop has not come to its end.
func TestCancelledSourceIsNotDone(t *testing.T) {
	r := newWorld(t).repo(tokenize.UUID, tokenize.UniqueToken)
	for range 200 { // which of two ends is seen first is chance
		ctx, stop := context.WithCancel(t.Context())
		src := stopping{stop}
		report, err := transfer.Import(ctx, r, me, "", src, nil)
		require.ErrorIs(t, err, context.Canceled)
		require.False(t, report.Done)
	}
}

type stopping struct{ stop func() }

func (s stopping) Records(context.Context, []byte) iter.Seq2[transfer.Record, error] {
	return func(func(transfer.Record, error) bool) { s.stop() }
}
