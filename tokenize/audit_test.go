package tokenize_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/backends/store/memory"
	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/keys/keystest"
	"github.com/cardseal/cardseal/tokenize"
	"github.com/cardseal/cardseal/tokenize/audit"
	"github.com/cardseal/cardseal/tokenize/card"
)

// What is recorded of saves.
func TestSaveEvents(t *testing.T) {
	w := inMemory(t)
	r := w.repo(tokenize.UUID, tokenize.UniqueCard)
	shop := w.merchant(r, "SHOP1")
	w.sink.take()
	q := req(t, visa)
	q.Caller, q.CorrelationID = shop, "c-1"
	d := w.save(r, q)
	w.save(r, req(t, visa))
	w.save(r, tokenize.SaveRequest{Caller: me, Token: d.Token, Card: card.Details{Holder: "H"}})
	_, err := r.Save(t.Context(), req(t, "4111111111111112"))
	require.Error(t, err)
	_, err = r.Save(t.Context(), with(t, unknownToken(tokenize.UUID), amex))
	require.Error(t, err)
	events := w.sink.take()
	require.Len(t, events, 5)
	for i, want := range []struct {
		outcome audit.Outcome
		token   string
		field   string
	}{
		{audit.Created, d.Token, ""}, {audit.Existing, d.Token, ""}, {audit.Updated, d.Token, ""},
		{audit.Refused, "", card.FieldNumber}, {audit.Refused, "", "token"},
	} {
		e := events[i]
		require.Equal(t, audit.Save, e.Action)
		require.Equal(t, want.outcome, e.Outcome, i)
		require.Equal(t, want.token, e.Token, i)
		require.Equal(t, want.field, e.Field, i)
		require.Equal(t, "clerk", e.Owner)
		require.Equal(t, r.Config().ID, e.Repository)
		require.False(t, e.Time.IsZero())
	}
	require.Equal(t, "c-1", events[0].Correlation)
	require.Equal(t, "SHOP1", events[0].Merchant)
	require.Regexp(t, `^[0-9a-f]{32}$`, events[4].Unknown)
}

// A malformed caller or correlation ID goes neither into the record nor into the
// answer.
func TestMalformedIsNotWrittenDown(t *testing.T) {
	w := inMemory(t)
	r := w.repo(tokenize.UUID, tokenize.UniqueCard)
	for name, change := range map[string]func(q *tokenize.SaveRequest){
		"merchant":      func(q *tokenize.SaveRequest) { q.Caller.Merchant = "bad\nmerchant" },
		"owner":         func(q *tokenize.SaveRequest) { q.Caller.Owner = "bad\nowner" },
		"long owner":    func(q *tokenize.SaveRequest) { q.Caller.Owner = strings.Repeat("bad", 86) },
		"correlation":   func(q *tokenize.SaveRequest) { q.CorrelationID = "bad\ncorrelation" },
		"long":          func(q *tokenize.SaveRequest) { q.CorrelationID = strings.Repeat("bad", 86) },
		"both":          func(q *tokenize.SaveRequest) { q.Caller.Owner, q.CorrelationID = "bad\n", "bad\n" },
		"no permission": func(q *tokenize.SaveRequest) { q.Caller.Permissions, q.Caller.Owner = 0, "bad\x7f" },
	} {
		w.sink.take()
		q := req(t, visa)
		change(&q)
		_, err := r.Save(t.Context(), q)
		var e *tokenize.Error
		require.ErrorAs(t, err, &e, name)
		require.NotContains(t, address.ReplaceAllString(fmt.Sprintf("%+v %s", *e, e), "${1}"), "bad", name)
		events := w.sink.take()
		require.Len(t, events, 1, name)
		require.Equal(t, audit.Refused, events[0].Outcome)
		require.NotContains(t, fmt.Sprintf("%+v", events), "bad", name)
	}
}

// A card number that stands where a token belongs is in no error, event or log; a
// keyed digest stands for it, the same each time and another in each repository.
func TestNumberInPlaceOfToken(t *testing.T) {
	var log bytes.Buffer
	ctx, d := t.Context(), memory.New()
	m, err := keys.Open(ctx, d.Keys(), keystest.NewKEK("test"), nil)
	require.NoError(t, err)
	defer m.Close()
	v, err := tokenize.Open(ctx, d.Cards(), m, &tokenize.Options{
		Audit: audit.NewLog(slog.New(slog.NewJSONHandler(&log, noTime))),
	})
	require.NoError(t, err)
	digests := map[string]bool{}
	for _, g := range generations {
		for _, man := range managements {
			r, err := v.EnsureRepository(ctx, tokenize.Config{ID: fmt.Sprintf("R-%d-%d", g, man), Generation: g, Management: man})
			require.NoError(t, err)
			log.Reset()
			calls := 0
			for _, token := range []string{canary, "x" + canary, canary + " ", "6011-0009-9013-9424"} {
				_, get := r.Get(ctx, me, token)
				_, reveal := r.Reveal(ctx, me, token, "settlement")
				_, save := r.Save(ctx, with(t, token, canary))
				_, partial := r.Save(ctx, tokenize.SaveRequest{Caller: me, Token: token, Card: card.Details{Holder: "H"}})
				_, update := r.Update(ctx, tokenize.UpdateRequest{Caller: me, Token: token, Card: card.Details{Number: number(t, canary)}})
				del := r.Delete(ctx, me, token)
				for i, err := range []error{get, reveal, save, partial, update, del} {
					var e *tokenize.Error
					require.ErrorAs(t, err, &e, "call %d", i)
					require.Equal(t, "token", fieldOrToken(e), "call %d", i)
					noDigits(t, fmt.Sprintf("%v %+v %#v %+v", err, err, err, *e))
					for u := err; u != nil; u = unwrap(u) {
						noDigits(t, u.Error())
					}
				}
				calls += 5 // a Get is not recorded
			}
			lines := strings.Split(strings.TrimSpace(log.String()), "\n")
			require.Len(t, lines, calls)
			first := ""
			for i, line := range lines {
				_, rest, ok := strings.Cut(line, `"unknownToken":"`)
				require.True(t, ok, "event %d has no digest", i)
				require.Regexp(t, `^[0-9a-f]{32}"`, rest)
				noDigits(t, strings.Replace(line, rest[:32], "", 1)) // which has any digits
				if i < 5 {
					require.True(t, first == "" || first == rest[:32])
					first = rest[:32]
				}
			}
			require.False(t, digests[first], "the digest is not keyed by repository")
			digests[first] = true
		}
	}
}

// fieldOrToken lets a partial save of an unknown merchant token name the number
// that is missing.
func fieldOrToken(e *tokenize.Error) string {
	if e.Field == card.FieldNumber && e.Kind == tokenize.Missing {
		return "token"
	}
	return e.Field
}

func unwrap(err error) error {
	u, ok := err.(interface{ Unwrap() error })
	if !ok {
		return nil
	}
	return u.Unwrap()
}

// What a caller writes into free text goes to the audit log: a card number there
// is refused and not written down. Other long numbers are.
func TestFreeTextNamesNoCard(t *testing.T) {
	w := inMemory(t)
	r := w.repo(tokenize.UUID, tokenize.UniqueCard)
	d := w.save(r, req(t, visa))
	w.sink.take()

	q := req(t, visa)
	q.CorrelationID = "order for " + amex + " of today"
	_, err := r.Save(t.Context(), q)
	fails(t, err, tokenize.InvalidRequest, "correlationID", nil)
	q = req(t, visa)
	q.Caller.Owner = amex
	_, err = r.Save(t.Context(), q)
	fails(t, err, tokenize.InvalidRequest, "owner", nil)
	_, err = r.Reveal(t.Context(), me, d.Token, "asked for "+visa)
	fails(t, err, tokenize.InvalidRequest, "reason", nil)
	text := fmt.Sprintf("%+v", w.sink.take())
	require.NotContains(t, text, visa)
	require.NotContains(t, text, amex)

	q = req(t, visa)
	q.CorrelationID = "1764000000123 4111111111111112" // a time, and digits that fail Luhn
	require.Equal(t, q.CorrelationID, w.save(r, q).CorrelationID)
}

// A job's last step tells tokens: not everybody may ask.
func TestJobsNeedPermission(t *testing.T) {
	w := inMemory(t)
	r := w.repo(tokenize.UUID, tokenize.UniqueCard)
	reader := tokenize.Caller{Owner: "clerk", Permissions: tokenize.MayRead}
	_, err := r.JobOf(t.Context(), reader, "import", strings.NewReader("file"))
	fails(t, err, tokenize.RequestRejected, "caller", tokenize.ErrPermission)
	_, _, err = r.LastStep(t.Context(), reader, tokenize.Job{})
	fails(t, err, tokenize.RequestRejected, "caller", tokenize.ErrPermission)
	fails(t, r.EndJob(t.Context(), reader, tokenize.Job{}), tokenize.RequestRejected, "caller", tokenize.ErrPermission)
}
