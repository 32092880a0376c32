package transfer_test

import (
	"encoding/json"
	"errors"
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

// canaries are published cards, and what a mask hides of each. Six digits turn up in
// times, addresses and sealed values by chance: a find counts if it is made of each.
var canaries = []struct{ number, hidden string }{
	{canary, hidden}, {"4000056655665556", "665566"}, {"5062224607440872", "460744"}, {"2200111753579001", "175357"},
}

// What is on its way shows no card, by whatever means it is printed.
func TestNothingPrintsACard(t *testing.T) {
	finds := map[string]int{}
	for _, c := range canaries {
		for how, text := range printed(t, c.number) {
			for _, s := range []string{c.hidden, fmt.Sprintf("%x", c.hidden), fmt.Sprintf("%X", c.hidden)} {
				if strings.Contains(text, s) {
					finds[how]++
					break
				}
			}
		}
	}
	for how, n := range finds {
		require.Less(t, n, len(canaries), how)
	}
}

// printed is what there is of a card on its way, by every way of printing.
func printed(t *testing.T, digits string) map[string]string {
	w, f := newWorld(t), newForeign()
	r := w.repo(tokenize.MerchantProvided, tokenize.UniqueCard)
	src, told, k := &list{records: []transfer.Record{f.record(1, digits)}}, newResults(t), &kept{}
	_, err := transfer.Import(t.Context(), r, me, "job", src, &transfer.ImportOptions{Opener: f, Results: told.take})
	require.NoError(t, err)
	_, err = transfer.Export(t.Context(), r, me, "job", k, &transfer.ExportOptions{Reason: "test"})
	require.NoError(t, err)
	require.True(t, k.all[0].Card.Number.Equal(number(digits)))
	f.at, f.calls, f.err = 1, 0, errors.New("foreign KMS is away, it was about "+digits)
	_, failed := transfer.Import(t.Context(), r, me, "another", src, &transfer.ImportOptions{Opener: f})
	require.ErrorIs(t, failed, f.err)
	clear := transfer.Record{Position: row(1), Card: card.Details{Number: number(digits), Holder: "HOLDER"}}
	texts := map[string]string{}
	for i, v := range []any{k.all[0], &k.all[0], k.all, clear, &clear, src.records[0], failed, told.tokens, w.sink.all} {
		for _, verb := range strings.Split("v +v #v d x X s q b o", " ") {
			texts[fmt.Sprintf("value %d by %s", i, verb)] = fmt.Sprintf("%"+verb+" %"+verb, v, anything{v})
		}
		var text strings.Builder
		slog.New(slog.NewJSONHandler(&text, nil)).Info("m", "v", v)
		slog.New(slog.NewTextHandler(&text, nil)).Info("m", "v", v)
		j, err := json.Marshal(v)
		require.NoError(t, err)
		texts[fmt.Sprintf("value %d in a log", i)] = text.String() + string(j)
	}
	return texts
}
