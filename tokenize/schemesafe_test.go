package tokenize_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/backends/store/memory"
	"github.com/cardseal/cardseal/crypto/envelope"
	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/tokenize"
	"github.com/cardseal/cardseal/tokenize/audit"
	"github.com/cardseal/cardseal/tokenize/store"
)

// Details are the requestor's; others see the status, and can do nothing.
func TestSchemeRoles(t *testing.T) {
	service := &tokenService{}
	w := newWorld(t, memory.New(), &tokenize.Options{TokenService: service})
	r := w.schemes()
	d := w.save(r, req(t, visa))
	w.set(r, attach(t, d.Token, netToken))
	for _, c := range []tokenize.Caller{neighbour, nobody} {
		s, err := r.SchemeToken(t.Context(), c, d.Token)
		require.NoError(t, err)
		require.Equal(t, tokenize.SchemeToken{Status: tokenize.SchemeValid}, s)
		got, err := r.Get(t.Context(), c, d.Token)
		require.NoError(t, err)
		require.Equal(t, tokenize.SchemeValid, got.SchemeStatus)
		require.NotContains(t, fmt.Sprintf("%+v", got), par)
		_, err = r.RevealSchemeToken(t.Context(), c, d.Token, "payment")
		fails(t, err, tokenize.RequestRejected, "merchant", tokenize.ErrRequestor)
	}
	q := attach(t, d.Token, netToken2)
	q.Caller = neighbour
	_, err := r.SetSchemeToken(t.Context(), q)
	fails(t, err, tokenize.RequestRejected, "merchant", tokenize.ErrRequestor)
	_, err = r.ActOnSchemeToken(t.Context(), neighbour, d.Token, tokenize.DeleteScheme)
	fails(t, err, tokenize.RequestRejected, "merchant", tokenize.ErrRequestor)
	q.Caller = nobody
	_, err = r.SetSchemeToken(t.Context(), q)
	require.Equal(t, tokenize.Missing, fails(t, err, tokenize.InvalidRequest, "merchant", nil).Kind)

	without := func(p tokenize.Permission) tokenize.Caller {
		c := requestor
		c.Permissions &^= p
		return c
	}
	q.Caller = without(tokenize.MayUpdate)
	_, err = r.SetSchemeToken(t.Context(), q)
	fails(t, err, tokenize.RequestRejected, "caller", tokenize.ErrPermission)
	_, err = r.ActOnSchemeToken(t.Context(), q.Caller, d.Token, tokenize.SuspendScheme)
	fails(t, err, tokenize.RequestRejected, "caller", tokenize.ErrPermission)
	_, err = r.SchemeToken(t.Context(), without(tokenize.MayRead), d.Token)
	fails(t, err, tokenize.RequestRejected, "caller", tokenize.ErrPermission)
	_, err = r.RevealSchemeToken(t.Context(), without(tokenize.MayReveal), d.Token, "payment")
	fails(t, err, tokenize.RequestRejected, "caller", tokenize.ErrPermission)
	require.Empty(t, service.take())

	// Once it is deleted another may attach his own, and is the requestor then.
	_, err = r.ActOnSchemeToken(t.Context(), requestor, d.Token, tokenize.DeleteScheme)
	require.NoError(t, err)
	q = attach(t, d.Token, netToken2)
	q.Caller = neighbour
	w.set(r, q)
	s, err := r.SchemeToken(t.Context(), requestor, d.Token)
	require.NoError(t, err)
	require.Equal(t, tokenize.SchemeToken{Status: tokenize.SchemeValid}, s)
}

// Whoever can write to the store moves sealed values about.
func TestTamperedSchemeToken(t *testing.T) {
	stores(t, func(t *testing.T, w *world) {
		r := w.schemes()
		theirs := w.save(r, req(t, master)).Token
		w.set(r, attach(t, theirs, netToken2))
		other := w.row(r, theirs)
		ours := w.save(r, req(t, visa)).Token
		w.set(r, attach(t, ours, netToken))
		erased := w.row(r, ours).Sealed[1]
		w.set(r, tokenize.SchemeTokenRequest{Caller: requestor, Token: ours, Status: tokenize.SchemeDeleted})
		require.Len(t, w.row(r, ours).Sealed, 1)
		w.set(r, attach(t, ours, netToken))
		good := w.row(r, ours)
		for name, change := range map[string]func(row *store.Row){
			"of another row": func(row *store.Row) { row.Sealed[1] = other.Sealed[1] },
			"of another row, with its record ID": func(row *store.Row) {
				row.Sealed, row.RecordID = other.Sealed, other.RecordID
			},
			"erased before": func(row *store.Row) { row.Sealed[1].Record = erased.Record },
			"the card":      func(row *store.Row) { row.Sealed[1].Record = row.Sealed[0].Record },
			"generation":    func(row *store.Row) { row.Sealed[1].Generation++ },
			"a bit":         func(row *store.Row) { row.Sealed[1].Record[len(row.Sealed[1].Record)-1] ^= 1 },
			"gone":          func(row *store.Row) { row.Sealed = row.Sealed[:1] },
		} {
			require.Equal(t, netToken, w.network(r, ours))
			w.rewrite(r, ours, change)
			pan, err := r.RevealSchemeToken(t.Context(), requestor, ours, "payment")
			e := fails(t, err, tokenize.ServerFailed, "", nil)
			require.Contains(t, []string{"RECORD_DAMAGED", "STORE_DAMAGED"}, e.SupportCode, name)
			require.True(t, pan.IsZero())
			w.rewrite(r, ours, func(row *store.Row) { row.Sealed, row.RecordID = good.Sealed, good.RecordID })
			good = w.row(r, ours)
		}
		// A card is not given out as a network token's neighbour either.
		w.rewrite(r, ours, func(row *store.Row) { row.Sealed[0].Record = row.Sealed[1].Record })
		w.doesNotOpen(r, ours)
	})
}

// What is recorded, and that nothing is given out without.
func TestSchemeEvents(t *testing.T) {
	w := newWorld(t, memory.New(), &tokenize.Options{TokenService: &tokenService{}})
	r := w.schemes()
	d := w.save(r, req(t, visa))
	w.sink.take()
	w.set(r, attach(t, d.Token, netToken))
	w.network(r, d.Token)
	for _, a := range []tokenize.SchemeAction{tokenize.SuspendScheme, tokenize.ActivateScheme, tokenize.DeleteScheme} {
		_, err := r.ActOnSchemeToken(t.Context(), requestor, d.Token, a)
		require.NoError(t, err)
	}
	_, err := r.RevealSchemeToken(t.Context(), requestor, d.Token, "payment")
	fails(t, err, tokenize.RequestRejected, "schemeToken", tokenize.ErrSchemeDeleted)
	_, err = r.SetSchemeToken(t.Context(), attach(t, canary, netToken))
	require.Error(t, err)
	events := w.sink.take()
	require.Len(t, events, 7)
	for i, want := range []struct {
		action  audit.Action
		outcome audit.Outcome
		reason  string
	}{
		{audit.SetScheme, audit.Done, ""}, {audit.RevealScheme, audit.Done, "payment"}, {audit.SuspendScheme, audit.Done, ""},
		{audit.ActivateScheme, audit.Done, ""}, {audit.DeleteScheme, audit.Done, ""},
		{audit.RevealScheme, audit.Refused, "payment"}, {audit.SetScheme, audit.Refused, ""},
	} {
		e := events[i]
		require.Equal(t, want.action, e.Action)
		require.Equal(t, want.outcome, e.Outcome)
		require.Equal(t, want.reason, e.Reason)
		require.Equal(t, want.outcome == audit.Done, e.Token == d.Token)
		require.Equal(t, want.outcome == audit.Refused, e.Unknown != "")
		require.Equal(t, []string{"SHOP1", "clerk", r.Config().ID}, []string{e.Merchant, e.Owner, e.Repository})
	}
	noDigits(t, told(t, events))

	w.set(r, attach(t, d.Token, netToken))
	w.sink.fail(errInjected)
	pan, err := r.RevealSchemeToken(t.Context(), requestor, d.Token, "payment")
	fails(t, err, tokenize.ServerFailed, "", tokenize.ErrAudit)
	require.True(t, pan.IsZero())
	s, err := r.SetSchemeToken(t.Context(), attach(t, d.Token, netToken2))
	fails(t, err, tokenize.ServerFailed, "", tokenize.ErrAudit)
	require.Equal(t, tokenize.SchemeValid, s.Status, "it was done")
}

// A closed data key seals no scheme token either; its successor does.
func TestSchemeTokenBehindAFence(t *testing.T) {
	stores(t, func(t *testing.T, w *world) {
		r := w.schemes()
		old := w.save(r, req(t, visa)).Token
		key, ok := envelope.StoredKeyID(w.row(r, old).Sealed[0].Record)
		require.True(t, ok)
		_, err := w.manager().Rotate(t.Context(), keys.PAN)
		require.NoError(t, err)
		r = w.other(r)
		fresh := w.save(r, req(t, master)).Token
		w.set(r, attach(t, fresh, netToken))
		require.NoError(t, w.db.Cards().CloseFence(t.Context(), key))
		before := w.row(r, old)
		_, err = r.SetSchemeToken(t.Context(), attach(t, old, netToken))
		require.Equal(t, "KEY_FENCED", fails(t, err, tokenize.ServerFailed, "", keys.ErrDisabled).SupportCode)
		require.Equal(t, before, w.row(r, old))

		require.Equal(t, netToken, w.network(r, fresh))
	})
}
