package tokenize_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/crypto/envelope"
	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/tokenize"
	"github.com/cardseal/cardseal/tokenize/audit"
	"github.com/cardseal/cardseal/tokenize/card"
	"github.com/cardseal/cardseal/tokenize/store"
)

func TestReveal(t *testing.T) {
	stores(t, func(t *testing.T, w *world) {
		r := w.repo(tokenize.RandomWithLuhn, tokenize.UniqueCard)
		q := req(t, amex)
		q.Card.Expiry, q.Card.Holder = card.Expiry{Month: 2, Year: 2033}, "Zoë ÅNGSTRÖM"
		d := w.save(r, q)
		shop := w.merchant(r, "SHOP1")
		w.sink.take()
		full, err := r.Reveal(t.Context(), shop, d.Token, "dispute 12")
		require.NoError(t, err)
		require.Equal(t, amex, string(full.Number.AppendDigits(nil)))
		require.Equal(t, q.Card.Expiry, full.Expiry)
		require.Equal(t, q.Card.Holder, full.Holder)
		events := w.sink.take()
		require.Len(t, events, 1)
		require.False(t, events[0].Time.IsZero())
		events[0].Time = events[0].Time.Add(0)
		require.Equal(t, audit.Event{
			Time: events[0].Time, Action: audit.Reveal, Outcome: audit.Done, Repository: r.Config().ID,
			Merchant: "SHOP1", Owner: "clerk", Token: d.Token, Reason: "dispute 12",
		}, events[0])
		w.holds(w.other(r), d.Token, amex)
	})
}

// A batch of reveals: each token has its own result, in order.
func TestRevealBatch(t *testing.T) {
	w := inMemory(t)
	r := w.repo(tokenize.UUID, tokenize.UniqueCard)
	a, b := w.save(r, req(t, visa)).Token, w.save(r, req(t, amex)).Token
	gone, frozen := w.save(r, req(t, master)).Token, w.save(r, req(t, diners)).Token
	require.NoError(t, r.Delete(t.Context(), me, gone))
	w.rewrite(r, frozen, func(row *store.Row) { row.Status = store.Suspended })
	w.sink.take()
	out, err := r.RevealBatch(t.Context(), me, []string{b, visa, gone, frozen, a, b}, "settlement")
	require.NoError(t, err)
	require.Equal(t, amex, string(out[0].Card.Number.AppendDigits(nil)))
	fails(t, out[1].Err, tokenize.InvalidRequest, "token", tokenize.ErrTokenNotFound)
	fails(t, out[2].Err, tokenize.RequestRejected, "token", tokenize.ErrTokenDeleted)
	require.Equal(t, "SUSPENDED", fails(t, out[3].Err, tokenize.RequestRejected, "token", nil).SupportCode)
	require.Equal(t, visa, string(out[4].Card.Number.AppendDigits(nil)))
	require.Equal(t, amex, string(out[5].Card.Number.AppendDigits(nil)))
	for _, i := range []int{1, 2, 3} {
		require.True(t, out[i].Card.Number.IsZero())
	}
	var outcomes []audit.Outcome
	for _, e := range w.sink.take() {
		outcomes = append(outcomes, e.Outcome)
	}
	require.Equal(t, []audit.Outcome{audit.Done, audit.Refused, audit.Refused, audit.Refused, audit.Done, audit.Done}, outcomes)

	// A suspended token is told as such, and comes back.
	got, err := r.Get(t.Context(), me, frozen)
	require.NoError(t, err)
	require.Equal(t, tokenize.Suspended, got.Status)
	w.rewrite(r, frozen, func(row *store.Row) { row.Status = store.Active })
	w.holds(r, frozen, diners)
	none, err := r.RevealBatch(t.Context(), me, nil, "settlement")
	require.NoError(t, err)
	require.Empty(t, none)
}

func TestRevealRefused(t *testing.T) {
	w := inMemory(t)
	r := w.repo(tokenize.UUID, tokenize.UniqueCard)
	d := w.save(r, req(t, visa))
	reader, odd := me, me
	reader.Permissions &^= tokenize.MayReveal
	odd.Owner = "new\nline"
	for name, c := range map[string]struct {
		caller tokenize.Caller
		reason string
		cause  tokenize.Cause
		field  string
		kind   tokenize.FieldKind
	}{
		"permission":         {reader, "settlement", tokenize.RequestRejected, "caller", tokenize.Invalid},
		"nobody":             {tokenize.Caller{}, "settlement", tokenize.RequestRejected, "caller", tokenize.Invalid},
		"malformed caller":   {odd, "settlement", tokenize.InvalidRequest, "owner", tokenize.Invalid},
		"no reason":          {me, "", tokenize.InvalidRequest, "reason", tokenize.Missing},
		"long reason":        {me, strings.Repeat("x", 256), tokenize.InvalidRequest, "reason", tokenize.Invalid},
		"unprintable reason": {me, "a\x1b[2J", tokenize.InvalidRequest, "reason", tokenize.Invalid},
	} {
		t.Run(name, func(t *testing.T) {
			w.sink.take()
			w.cards.set(nil, nil)
			full, err := r.Reveal(t.Context(), c.caller, d.Token, c.reason)
			require.Equal(t, c.kind, fails(t, err, c.cause, c.field, nil).Kind)
			require.True(t, full.Number.IsZero())
			require.Empty(t, w.cards.made(), "the store was asked")
			events := w.sink.take()
			require.Len(t, events, 1)
			require.Equal(t, audit.Refused, events[0].Outcome)
			require.Equal(t, c.field, events[0].Field)
			require.NotContains(t, events[0].Owner+events[0].Reason, "\n")
			require.NotContains(t, events[0].Reason, "\x1b")
		})
	}
}

// Without a record of it nothing is given out.
func TestRevealNeedsItsRecord(t *testing.T) {
	w := inMemory(t)
	r := w.repo(tokenize.UUID, tokenize.UniqueCard)
	d := w.save(r, req(t, visa))
	broken := errors.New("disk full")
	w.sink.fail(broken)
	full, err := r.Reveal(t.Context(), me, d.Token, "settlement")
	e := fails(t, err, tokenize.ServerFailed, "", tokenize.ErrAudit)
	require.Equal(t, "AUDIT", e.SupportCode)
	require.ErrorIs(t, err, broken)
	require.True(t, full.Number.IsZero())
	out, err := r.RevealBatch(t.Context(), me, []string{d.Token}, "settlement")
	require.ErrorIs(t, err, tokenize.ErrAudit)
	require.Nil(t, out)

	// What was done is done, and the caller is told both.
	d, err = r.Save(t.Context(), req(t, amex))
	fails(t, err, tokenize.ServerFailed, "", tokenize.ErrAudit)
	require.NotEmpty(t, d.Token)
	res, err := r.SaveBatch(t.Context(), []tokenize.SaveRequest{req(t, master)})
	require.ErrorIs(t, err, tokenize.ErrAudit)
	require.NotEmpty(t, res[0].Details.Token)
	require.ErrorIs(t, r.Delete(t.Context(), me, d.Token), tokenize.ErrAudit)
	w.sink.fail(nil)
	_, err = r.Reveal(t.Context(), me, d.Token, "settlement")
	require.ErrorIs(t, err, tokenize.ErrTokenDeleted)
	w.holds(r, res[0].Details.Token, master)
}

// A key that is missing, disabled or out of reach is told as what it is, never as a
// token that does not exist.
func TestMissingKeyIsNoMissingToken(t *testing.T) {
	w := inMemory(t)
	r := w.repo(tokenize.UUID, tokenize.UniqueCard)
	d := w.save(r, req(t, visa))
	for name, c := range map[string]struct {
		get   func(keys.Record, error) (keys.Record, error)
		kms   error
		cause tokenize.Cause
		code  string
		is    error
	}{
		"missing":  {func(keys.Record, error) (keys.Record, error) { return keys.Record{}, keys.ErrNotFound }, nil, tokenize.ServerFailed, "KEY_MISSING", envelope.ErrUnknownKey},
		"disabled": {func(k keys.Record, err error) (keys.Record, error) { k.State = keys.Disabled; return k, err }, nil, tokenize.ServerFailed, "KEY_DISABLED", keys.ErrDisabled},
		"store away": {func(keys.Record, error) (keys.Record, error) { return keys.Record{}, keys.ErrUnavailable }, nil,
			tokenize.ServerBusy, "KMS_UNAVAILABLE", keys.ErrUnavailable},
		"denied":    {nil, keys.ErrDenied, tokenize.ServerFailed, "KMS_DENIED", keys.ErrDenied},
		"away":      {nil, keys.ErrUnavailable, tokenize.ServerBusy, "KMS_UNAVAILABLE", keys.ErrUnavailable},
		"throttled": {nil, keys.ErrThrottled, tokenize.ServerBusy, "KMS_THROTTLED", keys.ErrThrottled},
		"damaged":   {nil, keys.ErrCorrupt, tokenize.ServerFailed, "KEY_DAMAGED", keys.ErrCorrupt},
		"too slow":  {nil, errors.Join(keys.ErrUnavailable, context.DeadlineExceeded), tokenize.ServerBusy, "KMS_UNAVAILABLE", keys.ErrUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			m, err := keys.Open(t.Context(), &otherKeys{w.db.Keys(), c.get}, w.kek, nil)
			require.NoError(t, err)
			defer m.Close()
			v, err := tokenize.Open(t.Context(), w.db.Cards(), m, nil)
			require.NoError(t, err)
			r, err := v.Repository(t.Context(), r.Config().ID)
			require.NoError(t, err)
			w.kek.SetError(c.kms)
			defer w.kek.SetError(nil)
			for range 2 {
				_, err = r.Reveal(t.Context(), me, d.Token, "settlement")
				e := fails(t, err, c.cause, "", c.is)
				require.Equal(t, c.code, e.SupportCode)
				require.NotErrorIs(t, err, tokenize.ErrTokenNotFound)
			}
			if c.kms != nil {
				_, err = r.Save(t.Context(), req(t, visa))
				fails(t, err, c.cause, "", c.is)
				_, err = r.SaveBatch(t.Context(), []tokenize.SaveRequest{req(t, visa)})
				fails(t, err, c.cause, "", c.is)
			}
			got, err := r.Get(t.Context(), me, d.Token)
			require.NoError(t, err, "a Get needs no key")
			require.Equal(t, d.Token, got.Token)
		})
	}
}

// otherKeys is a key store whose Get says something else.
type otherKeys struct {
	keys.Store
	get func(keys.Record, error) (keys.Record, error)
}

func (o *otherKeys) Get(ctx context.Context, id keys.KeyID) (keys.Record, error) {
	k, err := o.Store.Get(ctx, id)
	if o.get != nil {
		return o.get(k, err)
	}
	return k, err
}

// A reveal that failed on our side is recorded as failed, not as refused.
func TestFailedRevealIsRecorded(t *testing.T) {
	w := inMemory(t)
	r := w.repo(tokenize.UUID, tokenize.UniqueCard)
	d := w.save(r, req(t, visa))
	w.rewrite(r, d.Token, func(row *store.Row) { row.Sealed = nil })
	w.sink.take()
	_, err := r.Reveal(t.Context(), me, d.Token, "settlement")
	fails(t, err, tokenize.ServerFailed, "", store.ErrCorrupt)
	events := w.sink.take()
	require.Len(t, events, 1)
	require.Equal(t, audit.Failed, events[0].Outcome)
}

// Who gives up is told so, and nothing is written.
func TestCancelled(t *testing.T) {
	stores(t, func(t *testing.T, w *world) {
		r := w.repo(tokenize.UUID, tokenize.UniqueCard)
		d := w.save(r, req(t, visa))
		before := w.dump(r)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		for name, call := range map[string]func() error{
			"Save":      func() error { _, err := r.Save(ctx, req(t, amex)); return err },
			"SaveBatch": func() error { _, err := r.SaveBatch(ctx, []tokenize.SaveRequest{req(t, amex)}); return err },
			"Get":       func() error { _, err := r.Get(ctx, me, d.Token); return err },
			"Reveal":    func() error { _, err := r.Reveal(ctx, me, d.Token, "settlement"); return err },
			"Delete":    func() error { return r.Delete(ctx, me, d.Token) },
		} {
			e := fails(t, call(), tokenize.ServerBusy, "", context.Canceled)
			require.Equal(t, "CANCELLED", e.SupportCode, name)
		}
		require.Equal(t, before, w.dump(r))
	})
}
