package tokenize_test

import (
	"errors"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/tokenize"
	"github.com/cardseal/cardseal/tokenize/card"
	"github.com/cardseal/cardseal/tokenize/store"
)

func TestJobOf(t *testing.T) {
	w := inMemory(t)
	r := w.repo(tokenize.UUID, tokenize.UniqueToken)
	two := w.repo(tokenize.UUID, tokenize.UniqueCard)
	of := func(r *tokenize.Repository, name, input string) tokenize.Job {
		j, err := r.JobOf(t.Context(), me, name, strings.NewReader(input))
		require.NoError(t, err)
		return j
	}
	j := of(r, "import a.csv", "x,y")
	require.Equal(t, j, of(w.other(r), "import a.csv", "x,y"), "another process finds the job")
	for _, other := range []tokenize.Job{of(two, "import a.csv", "x,y"), of(r, "import b.csv", "x,y"), of(r, "import a.csv", "x,z"), of(r, "import a.csvx", ",y")} {
		require.NotEqual(t, j, other)
	}
	broken := errors.New("read error")
	_, err := r.JobOf(t.Context(), me, "import", iotest.ErrReader(broken))
	require.ErrorIs(t, err, broken)
}

// A job that dies at any point goes on from its last step, and in a repository
// where every save makes a new token no card is saved twice.
func TestJobResumes(t *testing.T) {
	stores(t, func(t *testing.T, w *world) {
		const rows, size = 9, 2
		r := w.repo(tokenize.UUID, tokenize.UniqueToken)
		j, err := r.JobOf(t.Context(), me, "import", strings.NewReader("the file"))
		require.NoError(t, err)
		_, ok, err := r.LastStep(t.Context(), me, j)
		require.NoError(t, err)
		require.False(t, ok)

		killed := errors.New("killed")
		out := make([]string, rows)
		// run is a process that dies before or after its n-th step was written.
		run := func(dies int, after bool) error {
			at := 0
			last, ok, err := r.LastStep(t.Context(), me, j)
			require.NoError(t, err)
			if ok {
				at = int(last.Cursor[0])
				for i, row := range last.Rows {
					out[at+i] = row.Token
				}
				at += len(last.Rows)
			}
			for step := 1; at < rows; step++ {
				if step == dies && !after {
					return killed
				}
				var qs []tokenize.SaveRequest
				for i := at; i < min(at+size, rows); i++ {
					qs = append(qs, tokenize.SaveRequest{Caller: me, Card: card.Details{Number: counted(t, i)}})
				}
				res, err := r.SaveStep(t.Context(), j, []byte{byte(at)}, qs)
				require.NoError(t, err)
				if step == dies {
					return killed // the answer is lost with the process
				}
				for i := range res {
					out[at+i] = res[i].Details.Token
				}
				at += len(res)
			}
			return nil
		}
		require.ErrorIs(t, run(1, false), killed)
		require.ErrorIs(t, run(1, true), killed)
		require.ErrorIs(t, run(2, true), killed)
		require.ErrorIs(t, run(2, false), killed)
		require.NoError(t, run(99, false))
		require.Len(t, w.all(r), rows)
		for i, token := range out {
			require.True(t, w.reveal(r, token).Number.Equal(counted(t, i)), "row %d", i)
		}
		require.NoError(t, r.EndJob(t.Context(), me, j))
		_, ok, err = r.LastStep(t.Context(), me, j)
		require.NoError(t, err)
		require.False(t, ok)
		require.NoError(t, r.EndJob(t.Context(), me, j), "ending twice is fine")
	})
}

// A step remembers why rows were refused, also where all of them were.
func TestStepRemembersRefusals(t *testing.T) {
	stores(t, func(t *testing.T, w *world) {
		r := w.repo(tokenize.UUID, tokenize.UniqueCard)
		j, err := r.JobOf(t.Context(), me, "import", strings.NewReader("the file"))
		require.NoError(t, err)
		for _, qs := range [][]tokenize.SaveRequest{
			{req(t, visa), req(t, "4111111111111112"), {Caller: tokenize.Caller{}}},
			{req(t, "4111111111111112")},
			{req(t, visa)}, // nothing to write but the step
			{},
		} {
			res, err := r.SaveStep(t.Context(), j, []byte("here"), qs)
			require.NoError(t, err)
			last, ok, err := r.LastStep(t.Context(), me, j)
			require.NoError(t, err)
			require.True(t, ok)
			require.Equal(t, "here", string(last.Cursor))
			require.Len(t, last.Rows, len(qs))
			for i, row := range last.Rows {
				require.Equal(t, res[i].Details.Token, row.Token)
				if res[i].Err == nil {
					require.Nil(t, row.Err)
					continue
				}
				require.Equal(t, res[i].Err.Error(), row.Err.Error())
				require.Equal(t, res[i].Err.SupportCode, row.Err.SupportCode)
			}
		}
	})
}

// A step is written with its rows or not at all.
func TestStepFailsWhole(t *testing.T) {
	w := inMemory(t)
	r := w.repo(tokenize.UUID, tokenize.UniqueToken)
	j, err := r.JobOf(t.Context(), me, "import", strings.NewReader("the file"))
	require.NoError(t, err)
	sweep(t, w, r, func() error {
		_, err := r.SaveStep(t.Context(), j, []byte{1}, []tokenize.SaveRequest{req(t, visa)})
		if err != nil {
			w.cards.set(nil, nil)
			_, ok, err := r.LastStep(t.Context(), me, j)
			require.NoError(t, err)
			require.False(t, ok)
		}
		return err
	}, store.ErrUnavailable, tokenize.ServerBusy)
	_, ok, err := r.LastStep(t.Context(), me, j)
	require.NoError(t, err)
	require.True(t, ok)
}
