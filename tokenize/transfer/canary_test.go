package transfer_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/tokenize"
	"github.com/cardseal/cardseal/tokenize/card"
	"github.com/cardseal/cardseal/tokenize/transfer"
)

// anything hides values in a caller's unexported fields.
type anything struct{ v any }

// What is on its way shows no card, by whatever means it is printed.
func TestNothingPrintsACard(t *testing.T) {
	w, f := newWorld(t), newForeign()
	r := w.repo(tokenize.MerchantProvided, tokenize.UniqueCard)
	src, told, k := &list{records: []transfer.Record{f.record(1, canary)}}, newResults(t), &kept{}
	_, err := transfer.Import(t.Context(), r, me, "job", src, &transfer.ImportOptions{Opener: f, Results: told.take})
	require.NoError(t, err)
	_, err = transfer.Export(t.Context(), r, me, "job", k, &transfer.ExportOptions{Reason: "test"})
	require.NoError(t, err)
	require.True(t, k.all[0].Card.Number.Equal(number(canary)))
	f.at, f.calls = 1, 0
	_, failed := transfer.Import(t.Context(), r, me, "another", src, &transfer.ImportOptions{Opener: f})
	require.ErrorIs(t, failed, errForeignKMS)
	clear := transfer.Record{Position: row(1), Card: card.Details{Number: number(canary), Holder: "HOLDER"}}
	for _, v := range []any{k.all[0], &k.all[0], k.all, clear, &clear, src.records[0], failed, told.tokens, w.sink.all} {
		for _, verb := range strings.Split("v +v #v d x X s q b o", " ") {
			text := fmt.Sprintf("%"+verb+" %"+verb, v, anything{v})
			require.NotContains(t, text, hidden, verb)
			require.NotContains(t, text, fmt.Sprintf("%x", hidden), verb)
			require.NotContains(t, text, fmt.Sprintf("%X", hidden), verb)
		}
		var text strings.Builder
		slog.New(slog.NewJSONHandler(&text, nil)).Info("m", "v", v)
		slog.New(slog.NewTextHandler(&text, nil)).Info("m", "v", v)
		j, err := json.Marshal(v)
		require.NoError(t, err)
		require.NotContains(t, text.String()+string(j), hidden)
	}
}
