package transfer_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/internal/fipstest"
	"github.com/cardseal/cardseal/tokenize"
	"github.com/cardseal/cardseal/tokenize/audit"
	"github.com/cardseal/cardseal/tokenize/card"
	"github.com/cardseal/cardseal/tokenize/transfer"
)

func TestUnderFIPSOnly(t *testing.T) { fipstest.Run(t) }

// oldVault is a foreign vault with all that a vault may have in it.
func oldVault(f *foreign) []transfer.Record {
	broken := f.record(2, visa)
	broken.Sealed[len(broken.Sealed)-1] ^= 1
	moved := f.record(3, visa)
	moved.Bound = []byte("another")
	looks := f.record(6, visa)
	looks.Token = "4242424242424242"
	return []transfer.Record{
		f.record(1, visa),
		broken,
		moved,
		{Position: row(4), Sealed: f.aead.Seal(nil, nil, []byte(canary), nil), Token: "old4"}, // no card of that format
		f.record(5, "not a number"),
		looks,
		f.record(7, "4111111111111112"), // fails Luhn
		{Position: row(8), Token: "old1", Card: card.Details{Number: counted(8)}}, // a token that was there
		f.record(9, visa), // a card that was there
		{Position: row(10), Err: errors.New("row is torn: " + canary)}, // the source cannot read it
		{Position: row(11), Token: "old11"},                            // neither card nor sealed
		{Position: row(12), Token: "old12", Sealed: f.seal("", visa), Card: card.Details{Number: counted(12)}},
		{Position: row(13), Token: "old13", Sealed: make([]byte, transfer.MaxSealed+1)},
		{Position: row(14), Token: canary, Card: card.Details{Number: counted(14)}},
		{Position: row(15), Token: "old15", Card: card.Details{Number: counted(15)}, Suspended: true},
		{Position: row(16), Token: "old16", Card: card.Details{Number: counted(16)}, Invalid: true, TokenExpiry: tokenize.Date{Year: 2040, Month: 2, Day: 29}},
		{Position: row(17), Token: "old17", Card: card.Details{Number: counted(17)}, TokenExpiry: tokenize.Date{Year: 2041, Month: 2, Day: 29}},
		f.record(18, master),
	}
}

// refusedFields is what is at fault in oldVault, by position.
func refusedFields(m tokenize.Management) map[string]string {
	fields := map[string]string{
		"2": "sealed", "3": "sealed", "4": "sealed", "5": "number", "6": "token", "7": "number", "8": "token",
		"10": "record", "11": "number", "12": "number", "13": "sealed", "14": "token", "17": "tokenExpiry",
	}
	if m == tokenize.UniqueCard {
		fields["9"] = "number"
	}
	return fields
}

func TestImportForeignVault(t *testing.T) {
	for _, m := range []tokenize.Management{tokenize.UniqueCard, tokenize.UniqueToken} {
		for _, batch := range []int{1, 2, 5, 0} {
			w, f := newWorld(t), newForeign()
			r, told := w.repo(tokenize.MerchantProvided, m), newResults(t)
			records := oldVault(f)
			report, err := transfer.Import(t.Context(), r, me, "old", &list{records: records},
				&transfer.ImportOptions{Opener: f, Batch: batch, Results: told.take})
			require.NoError(t, err)
			want := refusedFields(m)
			require.Equal(t, transfer.Report{Records: int64(len(records)), Refused: int64(len(want)), Done: true}, report)
			got := map[string]string{}
			for i, p := range told.order {
				require.Equal(t, string(row(i+1)), p, "out of order")
				if e := told.errs[p]; e != nil {
					got[p] = e.Field
				} else {
					require.Equal(t, "old"+p, told.tokens[p], "the token is not kept")
				}
			}
			require.Equal(t, want, got)
			holds(t, r, "old1", number(visa))
			holds(t, r, "old18", number(master))
			for token, is := range map[string]error{"old15": tokenize.ErrTokenSuspended, "old16": tokenize.ErrTokenInvalid} {
				_, err := r.Reveal(t.Context(), me, token, "test")
				require.ErrorIs(t, err, is)
			}
			d, err := r.Get(t.Context(), me, "old16")
			require.NoError(t, err)
			require.Equal(t, "2040-02-29", d.TokenExpiry.String())
			_, holder, err := r.GetWithHolder(t.Context(), me, "old18")
			require.NoError(t, err)
			require.Equal(t, "HOLDER", holder)
			require.Len(t, all(t, r), len(records)-len(want))
			states := map[audit.Action]string{}
			for i, e := range w.sink.all {
				if e.Outcome == audit.Done {
					states[e.Action] += e.Token
				}
				require.Regexp(t, `^([0-9a-f]{32})?$`, e.Unknown)
				w.sink.all[i].Time, w.sink.all[i].Unknown = time.Time{}, "" // which may hold any digits
			}
			require.Equal(t, "old15", states[audit.Suspend])
			require.Equal(t, "old16", states[audit.Validity])
			require.NotContains(t, fmt.Sprintf("%+v", w.sink.all), hidden)
		}
	}
}

// A job that ran through finds nothing to do, then what is new in its source; one
// that was forgotten begins anew.
func TestImportAgain(t *testing.T) {
	w := newWorld(t)
	r := w.repo(tokenize.UUID, tokenize.UniqueToken)
	src := &list{}
	run := func(name string) (transfer.Report, []string) {
		told := newResults(t)
		report, err := transfer.Import(t.Context(), w.repo(tokenize.UUID, tokenize.UniqueToken), me, name, src, &transfer.ImportOptions{Batch: 2, Results: told.take})
		require.NoError(t, err)
		return report, told.order
	}
	for n := 1; n <= 5; n++ {
		src.records = append(src.records, transfer.Record{Position: row(n), Card: card.Details{Number: counted(n)}})
		report, told := run("job")
		require.Equal(t, transfer.Report{Records: int64(n), Done: true}, report)
		require.Equal(t, []string{string(row(n))}, told)
		_, told = run("job")
		require.Empty(t, told)
	}
	require.Len(t, all(t, r), 5)
	run("another job")
	require.Len(t, all(t, r), 10)
	require.NoError(t, transfer.Forget(t.Context(), r, me, "job"))
	run("job")
	require.Len(t, all(t, r), 15)
	run("") // without a name nothing is remembered
	run("")
	require.Len(t, all(t, r), 25)
	require.NoError(t, transfer.Forget(t.Context(), r, me, "never heard of"))
}

// What would concern every record ends the import before it passes over any.
func TestImportRefusesToBegin(t *testing.T) {
	w, f := newWorld(t), newForeign()
	made, kept := w.repo(tokenize.UUID, tokenize.UniqueToken), w.repo(tokenize.MerchantProvided, tokenize.UniqueToken)
	reader, saver := me, me
	reader.Permissions, saver.Permissions = tokenize.MayRead|tokenize.MayReveal, tokenize.MaySave
	stranger := me
	stranger.Merchant = "SHOP9"
	clear := card.Details{Number: counted(1)}
	one := transfer.Record{Position: row(1), Token: "old1", Card: clear}
	at := func(p string) transfer.Record {
		return transfer.Record{Position: []byte(p), Token: "old1", Card: clear}
	}
	for name, c := range map[string]struct {
		r       *tokenize.Repository
		caller  tokenize.Caller
		o       transfer.ImportOptions
		records []transfer.Record
		is      error
		field   string
	}{
		"permission":      {r: kept, caller: reader, is: tokenize.ErrPermission, field: "caller"},
		"merchant":        {r: kept, caller: stranger, is: tokenize.ErrMerchant, field: "merchant"},
		"suspend":         {r: kept, caller: saver, records: []transfer.Record{{Position: row(1), Token: "old1", Card: clear, Suspended: true}}, is: tokenize.ErrPermission, field: "caller"},
		"invalid":         {r: kept, caller: saver, records: []transfer.Record{{Position: row(1), Token: "old1", Card: clear, Invalid: true}}, is: tokenize.ErrPermission, field: "caller"},
		"tokens lost":     {r: made, caller: me, records: []transfer.Record{one}, field: "token"},
		"tokens not made": {r: kept, caller: me, o: transfer.ImportOptions{NewTokens: true}, field: "newTokens"},
		"replace":         {r: made, caller: me, o: transfer.ImportOptions{Replace: true}, field: "replace"},
		"batch":           {r: made, caller: me, o: transfer.ImportOptions{Batch: tokenize.MaxBatch + 1}, field: "batch"},
		"pace":            {r: made, caller: me, o: transfer.ImportOptions{RecordsPerSecond: -1}, field: "recordsPerSecond"},
		"openings":        {r: made, caller: me, o: transfer.ImportOptions{Openings: -1}, field: "openings"},
		"no opener":       {r: kept, caller: me, records: []transfer.Record{f.record(1, visa)}, is: transfer.ErrNoOpener},
		"no position":     {r: kept, caller: me, records: []transfer.Record{at("")}, is: transfer.ErrPosition},
		"long position":   {r: kept, caller: me, records: []transfer.Record{at(strings.Repeat("p", transfer.MaxPosition+1))}, is: transfer.ErrPosition},
		"same position":   {r: kept, caller: me, records: []transfer.Record{one, one}, is: transfer.ErrPosition},
		"card position":   {r: kept, caller: me, records: []transfer.Record{at("cards/" + canary + "/1")}, is: transfer.ErrPosition},
	} {
		t.Run(name, func(t *testing.T) {
			report, err := transfer.Import(t.Context(), c.r, c.caller, "job", &list{records: c.records}, &c.o)
			require.Error(t, err)
			require.NotContains(t, err.Error(), hidden)
			require.Equal(t, transfer.Report{}, report)
			if c.is != nil {
				require.ErrorIs(t, err, c.is)
			}
			if e, ok := errors.AsType[*tokenize.Error](err); c.field != "" {
				require.True(t, ok, "%v", err)
				require.Equal(t, c.field, e.Field)
			}
			require.Empty(t, all(t, c.r))
		})
	}
	_, err := transfer.Import(t.Context(), nil, me, "job", &list{}, nil)
	require.Error(t, err)
	_, err = transfer.Import(t.Context(), made, me, "job", nil, nil)
	require.Error(t, err)
}

// A token that is there already is replaced where that was asked for, and a token
// that is new comes beside the old one where the repository makes it.
func TestImportReplacesAndRemakes(t *testing.T) {
	w := newWorld(t)
	kept := w.repo(tokenize.MerchantProvided, tokenize.UniqueToken)
	src := func(n int) *list {
		return &list{records: []transfer.Record{{Position: row(n), Token: "old", Card: card.Details{Number: counted(n)}}}}
	}
	for n := 1; n <= 3; n++ {
		report, err := transfer.Import(t.Context(), kept, me, fmt.Sprint(n), src(n), &transfer.ImportOptions{Replace: n == 3})
		require.NoError(t, err)
		require.Equal(t, int64(n%3/2), report.Refused)
	}
	holds(t, kept, "old", counted(3))
	made, told := w.repo(tokenize.RandomWithLuhn, tokenize.UniqueCard), newResults(t)
	_, err := transfer.Import(t.Context(), made, me, "job", src(1), &transfer.ImportOptions{NewTokens: true, Results: told.take})
	require.NoError(t, err)
	require.NotEqual(t, "old", told.tokens["1"])
	holds(t, made, told.tokens["1"], counted(1))
}
