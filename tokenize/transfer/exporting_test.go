package transfer_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/tokenize"
	"github.com/cardseal/cardseal/tokenize/card"
	"github.com/cardseal/cardseal/tokenize/transfer"
)

// kept is a sink that keeps what is behind the last token it has.
type kept struct {
	all   []transfer.Exported
	calls int
	at    int // the call that fails, having kept what it was given
}

var errSink = errors.New("sink is away: " + canary)

func (k *kept) Write(_ context.Context, batch []transfer.Exported) error {
	for _, x := range batch {
		if n := len(k.all); n == 0 || x.Details.Token > k.all[n-1].Details.Token {
			k.all = append(k.all, x)
		}
	}
	if k.calls++; k.calls == k.at {
		return errSink
	}
	return nil
}

// stocked is a repository with cards 1 to n, of which 3 is suspended, 4 is past its
// last day, 5 no longer good and 6 deleted, and 7 has a last day.
func stocked(w *world, n int) *tokenize.Repository {
	r := w.repo(tokenize.MerchantProvided, tokenize.UniqueCard)
	for i := 1; i <= n; i++ {
		q := tokenize.SaveRequest{Caller: me, Token: fmt.Sprintf("t%04d", i), Card: card.Details{Number: counted(i), Holder: "HOLDER"}}
		switch i {
		case 3:
			q.Suspended = true
		case 4:
			q.TokenExpiry = tokenize.Date{Year: 2020, Month: 1, Day: 1}
		case 5:
			q.Invalid = true
		case 7:
			q.TokenExpiry = tokenize.Date{Year: 2090, Month: 12, Day: 31}
		}
		_, err := r.Save(w.Context(), q)
		require.NoError(w, err)
	}
	require.NoError(w, r.Delete(w.Context(), me, "t0006"))
	return r
}

var unrevealed = map[string]error{
	"t0003": tokenize.ErrTokenSuspended, "t0004": tokenize.ErrTokenExpired, "t0005": tokenize.ErrTokenInvalid,
}

// exportedWhole demands that the cards of stocked are there.
func exportedWhole(t *testing.T, k *kept, n int) {
	t.Helper()
	require.Len(t, k.all, n-1)
	for _, x := range k.all {
		var i int
		_, err := fmt.Sscanf(x.Details.Token, "t%d", &i)
		require.NoError(t, err)
		if is := unrevealed[x.Details.Token]; is != nil {
			require.ErrorIs(t, x.Err, is)
			require.True(t, x.Card.Number.IsZero())
			continue
		}
		require.Nil(t, x.Err)
		require.True(t, x.Card.Number.Equal(counted(i)))
		require.Equal(t, "HOLDER", x.Card.Holder)
	}
}

func TestExport(t *testing.T) {
	const n = 12
	for _, batch := range []int{1, 2, 4, 11, 0} {
		w := newWorld(t)
		r, k := stocked(w, n), &kept{}
		w.sink.all = nil
		o := &transfer.ExportOptions{Reason: "archive", Batch: batch}
		report, err := transfer.Export(t.Context(), r, me, "job", k, o)
		require.NoError(t, err)
		require.Equal(t, transfer.Report{Records: n - 1, Refused: 3, Done: true}, report)
		exportedWhole(t, k, n)
		require.Len(t, w.sink.all, n-1)
		for _, e := range w.sink.all {
			require.Equal(t, "archive", e.Reason)
		}
		again := &kept{}
		report, err = transfer.Export(t.Context(), r, me, "job", again, o)
		require.NoError(t, err)
		require.Equal(t, int64(n-1), report.Records)
		require.Empty(t, again.all)
		require.NoError(t, transfer.Forget(t.Context(), r, me, "job"))
		_, err = transfer.Export(t.Context(), r, me, "job", again, o)
		require.NoError(t, err)
		exportedWhole(t, again, n)
	}
}

// Details alone need neither leave to reveal nor a KMS, and are no reveal.
func TestExportDetailsOnly(t *testing.T) {
	w := newWorld(t)
	r := stocked(w, 8)
	r = w.repo(r.Config().Generation, r.Config().Management) // a process with nothing cached
	w.sink.all = nil
	w.kek.SetError(keys.ErrDenied)
	reader := tokenize.Caller{Permissions: tokenize.MayRead}
	k := &kept{}
	report, err := transfer.Export(t.Context(), r, reader, "", k, &transfer.ExportOptions{DetailsOnly: true, Batch: 3})
	require.NoError(t, err)
	require.Equal(t, transfer.Report{Records: 7, Done: true}, report)
	for _, x := range k.all {
		require.Nil(t, x.Err)
		require.True(t, x.Card.Number.IsZero())
		require.Equal(t, "400000", x.Details.Masked[:6])
	}
	require.Empty(t, w.sink.all)
}

func TestExportRefusesToBegin(t *testing.T) {
	w := newWorld(t)
	r := stocked(w, 8)
	reader := tokenize.Caller{Permissions: tokenize.MayRead}
	for name, c := range map[string]struct {
		caller tokenize.Caller
		name   string
		o      transfer.ExportOptions
		field  string
	}{
		"no reason":  {me, "job", transfer.ExportOptions{}, "reason"},
		"both":       {me, "job", transfer.ExportOptions{Reason: "r", DetailsOnly: true}, "reason"},
		"bad reason": {me, "job", transfer.ExportOptions{Reason: "asked for " + visa}, "reason"},
		"reveal":     {reader, "", transfer.ExportOptions{Reason: "r"}, "caller"},
		"job":        {reader, "job", transfer.ExportOptions{DetailsOnly: true}, "caller"},
		"batch":      {me, "job", transfer.ExportOptions{Reason: "r", Batch: -1}, "batch"},
	} {
		k := &kept{}
		_, err := transfer.Export(t.Context(), r, c.caller, c.name, k, &c.o)
		e, ok := errors.AsType[*tokenize.Error](err)
		require.True(t, ok, "%s: %v", name, err)
		require.Equal(t, c.field, e.Field, name)
		require.NotContains(t, err.Error(), visa)
		require.Empty(t, k.all)
	}
	_, err := transfer.Export(t.Context(), r, me, "job", nil, &transfer.ExportOptions{Reason: "r"})
	require.Error(t, err)
}

// A move to another repository, with the tokens kept and with new ones. What is not
// revealed is told of.
func TestMove(t *testing.T) {
	const n = 600 // more than a page
	there, here := newWorld(t), newWorld(t)
	src := transfer.From(stocked(there, n), me, "move")
	for _, g := range []tokenize.Generation{tokenize.MerchantProvided, tokenize.Preserve64} {
		to, told := here.repo(g, tokenize.UniqueCard), newResults(t)
		o := &transfer.ImportOptions{NewTokens: g == tokenize.Preserve64, Batch: 250, Results: told.take}
		report, err := transfer.Import(t.Context(), to, me, "move", src, o)
		require.NoError(t, err)
		require.Equal(t, transfer.Report{Records: n - 1, Refused: 3, Done: true}, report)
		require.Len(t, all(t, to), n-4)
		for i := 1; i <= n; i++ {
			p := fmt.Sprintf("t%04d", i)
			if unrevealed[p] != nil {
				require.Equal(t, "token", told.errs[p].Field)
			} else if i != 6 {
				require.Equal(t, g == tokenize.MerchantProvided, told.tokens[p] == p)
				holds(t, to, told.tokens[p], counted(i))
			}
		}
		d, holder, err := to.GetWithHolder(t.Context(), me, told.tokens["t0007"])
		require.NoError(t, err)
		require.Equal(t, "2090-12-31", d.TokenExpiry.String())
		require.Equal(t, "HOLDER", holder)
	}
	_, err := transfer.Import(t.Context(), here.repo(tokenize.UUID, tokenize.UniqueCard), me, "move", transfer.From(stocked(newWorld(t), 6), me, ""), nil)
	require.Error(t, err)
}
