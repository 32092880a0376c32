package bulk

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/tokenize"
)

func TestWholeRun(t *testing.T) {
	for _, lines := range []int{351, 999, 1000, 1001, 3500} {
		b := newBench(t, tokenize.UniqueToken, lines)
		res, err := b.run(t.Context(), nil)
		require.NoError(t, err)
		require.Equal(t, int64(lines), res.Rows)
		require.Equal(t, int64((lines+349)/700), res.Refused)
		b.check()
	}
}

// The run is killed at its first, second, third … call of the store, before and
// after the call took effect; what the files aside hold beyond what was made
// durable is lost or garbage. Each time the same command finishes the work.
func TestKilledAnywhere(t *testing.T) {
	for _, m := range []tokenize.Management{tokenize.UniqueCard, tokenize.UniqueToken} {
		for _, after := range []bool{false, true} {
			for _, tail := range []string{"nothing", "garbage", "power"} {
				t.Run(fmt.Sprintf("%v/after=%v/%v", m, after, tail), func(t *testing.T) {
					for at := 1; ; at++ {
						b := newBench(t, m, 3500)
						b.store.at, b.store.after = b.store.call+at, after
						_, err := b.run(t.Context(), nil)
						if err == nil {
							require.Greater(t, at, 5, "the run has so many calls at least")
							return
						}
						require.ErrorContains(t, err, "unexpected failure")
						switch tail {
						case "power":
							b.powerFailure()
						case "garbage":
							b.appendGarbage("out.part")
							b.appendGarbage("rejects.part")
						}
						b.store.at = 0
						res, err := b.run(t.Context(), nil)
						if _, gone := errors.AsType[*ExistsError](err); gone && after && at > 5 {
							// EndJob took effect: nothing was left to do.
							b.check()
							continue
						}
						require.NoError(t, err, "call %d", at)
						require.Equal(t, int64(3500), res.Rows)
						require.Equal(t, int64(5), res.Refused)
						b.check()
					}
				})
			}
		}
	}
}

// appendGarbage adds what was written but never recorded, more than the whole
// output has.
func (b *bench) appendGarbage(name string) {
	f, err := os.OpenFile(b.path(name), os.O_WRONLY|os.O_APPEND, 0)
	if errors.Is(err, os.ErrNotExist) {
		return
	}
	require.NoError(b.t, err)
	info, err := f.Stat()
	require.NoError(b.t, err)
	if info.Size() > 0 && !b.whole() {
		_, err = f.WriteString(strings.Repeat("half a line", 50_000))
		require.NoError(b.t, err)
	}
	require.NoError(b.t, f.Close())
}

// whole reports that the run was about to give the files their names: from then
// on nothing is written to them.
func (b *bench) whole() bool {
	return strings.HasSuffix(b.read("out.part"), fmt.Sprintf(",%d\n", b.lines-1))
}

// stopAfter is a progress that stops the run after some batches.
type stopAfter struct {
	left int
	stop context.CancelFunc
}

func (s *stopAfter) Update(int64, int64) {
	if s.left--; s.left == 0 {
		s.stop()
	}
}

func TestInterruptedAndGoesOn(t *testing.T) {
	b := newBench(t, tokenize.UniqueToken, 3500)
	for i := range 3 {
		ctx, stop := context.WithCancel(t.Context())
		res, err := b.run(ctx, func(r *Run) { r.Progress = &stopAfter{1 + min(i, 1), stop} })
		require.ErrorIs(t, err, ErrInterrupted)
		require.Equal(t, int64(1000*(i+1)), res.Rows)
		_, err = os.Lstat(b.path("out"))
		require.ErrorIs(t, err, os.ErrNotExist)
	}
	var notes []string
	_, err := b.run(t.Context(), func(r *Run) { r.Note = func(s string) { notes = append(notes, s) } })
	require.NoError(t, err)
	require.Len(t, notes, 1)
	b.check()
}

// interrupted stops a run after its first batch.
func (b *bench) interrupted() {
	b.t.Helper()
	ctx, stop := context.WithCancel(b.t.Context())
	_, err := b.run(ctx, func(r *Run) { r.Progress = &stopAfter{1, stop} })
	require.ErrorIs(b.t, err, ErrInterrupted)
}

func TestFileAsideIsGone(t *testing.T) {
	for name, damage := range map[string]func(*bench) error{
		"removed":   func(b *bench) error { return os.Remove(b.path("out.part")) },
		"shortened": func(b *bench) error { return os.Truncate(b.path("out.part"), 20) },
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, tokenize.UniqueCard, 2000)
			b.interrupted()
			b.interrupted() // the record stands behind the first batch now
			require.NoError(t, damage(b))
			_, err := b.run(t.Context(), nil)
			_, gone := errors.AsType[*GoneError](err)
			require.True(t, gone, "%v", err)
			_, err = b.run(t.Context(), func(r *Run) { r.Restart = true })
			require.NoError(t, err)
			b.check()
		})
	}
}

// Another input, or other settings, is another run: it does not take over what
// the first left.
func TestOtherRunDoesNotTakeOver(t *testing.T) {
	for name, change := range map[string]func(*bench) func(*Run){
		"input": func(b *bench) func(*Run) { b.lines = 2001; b.writeInput(); return nil },
		"name":  func(*bench) func(*Run) { return func(r *Run) { r.Name = "other" } },
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, tokenize.UniqueToken, 2000)
			b.interrupted()
			before := b.read("out.part")
			_, err := b.run(t.Context(), change(b))
			e, ok := errors.AsType[*ExistsError](err)
			require.True(t, ok, "%v", err)
			require.True(t, e.Part)
			require.Equal(t, before, b.read("out.part"))
		})
	}
}

// An output that another program made meanwhile is not written over.
func TestOutputAppearsMeanwhile(t *testing.T) {
	b := newBench(t, tokenize.UniqueToken, 2000)
	_, err := b.run(t.Context(), func(r *Run) {
		r.Progress = &atFirst{func() { require.NoError(t, os.WriteFile(b.path("out"), []byte("other"), 0o600)) }}
	})
	_, exists := errors.AsType[*ExistsError](err)
	require.True(t, exists, "%v", err)
	require.Equal(t, "other", b.read("out"))
	require.NoError(t, os.Remove(b.path("out")))
	_, err = b.run(t.Context(), nil)
	require.NoError(t, err)
	b.check()
}

type atFirst struct{ do func() }

func (a *atFirst) Update(int64, int64) {
	if a.do != nil {
		a.do()
		a.do = nil
	}
}

// Killed between the file's second name and the removal of its first.
func TestHalfPublished(t *testing.T) {
	b := newBench(t, tokenize.UniqueToken, 1500)
	b.store.at = 0
	_, err := b.run(t.Context(), func(r *Run) { b.store.at = b.store.call + 5 }) // EndJob
	require.Error(t, err)
	b.store.at = 0
	require.NoError(t, os.Link(b.path("out"), b.path("out.part")))
	_, err = b.run(t.Context(), nil)
	require.NoError(t, err)
	b.check()
}
