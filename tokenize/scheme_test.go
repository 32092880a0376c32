package tokenize_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/backends/store/memory"
	"github.com/cardseal/cardseal/crypto/envelope"
	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/tokenize"
	"github.com/cardseal/cardseal/tokenize/audit"
	"github.com/cardseal/cardseal/tokenize/card"
	"github.com/cardseal/cardseal/tokenize/seal"
	"github.com/cardseal/cardseal/tokenize/store"
)

// A network token as networks make them: it looks like a card number. par has the
// form of EMVCo's references.
const (
	netToken  = canary
	netToken2 = "2223000048400011"
	par       = "5001A1BCDEFGHIJKLMNOPQRSTUVWX"
)

var (
	requestor = tokenize.Caller{Merchant: "SHOP1", Owner: "clerk", Permissions: tokenize.MayAll}
	neighbour = tokenize.Caller{Merchant: "SHOP2", Owner: "clerk", Permissions: tokenize.MayAll}
	nobody    = tokenize.Caller{Owner: "clerk", Permissions: tokenize.MayAll}
)

func schemes(c *tokenize.Config) { c.ID, c.SchemeTokens = c.ID+"-NT", true }

func attach(t testing.TB, token, digits string) tokenize.SchemeTokenRequest {
	t.Helper()
	return tokenize.SchemeTokenRequest{
		Caller: requestor, Token: token, Number: number(t, digits), Expiry: card.Expiry{Month: 3, Year: 2031}, PAR: par,
	}
}

// set sets a scheme token and expects no error.
func (w *world) set(r *tokenize.Repository, q tokenize.SchemeTokenRequest) tokenize.SchemeToken {
	w.Helper()
	s, err := r.SetSchemeToken(w.ctx, q)
	require.NoError(w, err)
	return s
}

// network is the network token behind a token.
func (w *world) network(r *tokenize.Repository, token string) string {
	w.Helper()
	pan, err := r.RevealSchemeToken(w.ctx, requestor, token, "payment")
	require.NoError(w, err)
	return string(pan.AppendDigits(nil))
}

func TestSchemeToken(t *testing.T) {
	stores(t, func(t *testing.T, w *world) {
		r := w.repo(tokenize.UUID, tokenize.UniqueCard, schemes)
		d := w.save(r, req(t, visa))
		require.Zero(t, d.SchemeStatus)
		_, err := r.SchemeToken(t.Context(), requestor, d.Token)
		fails(t, err, tokenize.InvalidRequest, "schemeToken", tokenize.ErrSchemeNotFound)

		want := tokenize.SchemeToken{Status: tokenize.SchemeValid, Expiry: card.Expiry{Month: 3, Year: 2031}, PAR: par}
		require.Equal(t, want, w.set(r, attach(t, d.Token, netToken)))
		require.Equal(t, netToken, w.network(r, d.Token))
		row := w.row(r, d.Token)
		require.Len(t, row.Sealed[1].Record, seal.PANSize)
		require.Equal(t, byte(seal.NetworkToken), row.Sealed[1].Field)

		// One detail at a time; what is not given stays.
		want.Status = tokenize.SchemeActive
		require.Equal(t, want, w.set(r, tokenize.SchemeTokenRequest{Caller: requestor, Token: d.Token, Status: tokenize.SchemeActive}))
		want.Expiry.Year = 2032
		require.Equal(t, want, w.set(r, tokenize.SchemeTokenRequest{Caller: requestor, Token: d.Token, Expiry: want.Expiry}))
		want.PAR = strings.Repeat("P", 50)
		require.Equal(t, want, w.set(r, tokenize.SchemeTokenRequest{Caller: requestor, Token: d.Token, PAR: want.PAR}))
		require.Equal(t, netToken, w.network(r, d.Token))
		require.Equal(t, want, w.set(r, tokenize.SchemeTokenRequest{Caller: requestor, Token: d.Token, Number: number(t, "222300004840")}))
		require.Equal(t, "222300004840", w.network(r, d.Token))

		// Reading needs no KMS, and the card is untouched by it all.
		cold, unwraps := w.other(r), w.kek.Unwraps()
		got, err := cold.SchemeToken(t.Context(), requestor, d.Token)
		require.NoError(t, err)
		require.Equal(t, want, got)
		require.Equal(t, unwraps, w.kek.Unwraps())
		w.holds(r, d.Token, visa)
		row = w.row(r, d.Token)
		require.Equal(t, uint64(6), row.Version)

		q := attach(t, d.Token, netToken)
		q.ExpectVersion = 5
		_, err = r.SetSchemeToken(t.Context(), q)
		fails(t, err, tokenize.RequestRejected, "token", tokenize.ErrConflict)
		q.ExpectVersion = 6
		w.set(r, q)

		// A save of details leaves it, a new number takes it away.
		w.save(r, tokenize.SaveRequest{Caller: me, Token: d.Token, Card: card.Details{Holder: "H"}})
		require.Equal(t, netToken, w.network(r, d.Token))
		require.Equal(t, tokenize.SchemeActive, w.save(r, req(t, visa)).SchemeStatus)
		require.Zero(t, w.save(r, with(t, d.Token, master)).SchemeStatus)
		row = w.row(r, d.Token)
		require.Zero(t, row.Scheme)
		require.Len(t, row.Sealed, 2)

		// A tombstone has nothing of it.
		w.set(r, attach(t, d.Token, netToken))
		require.NoError(t, r.Delete(t.Context(), me, d.Token))
		row = w.row(r, d.Token)
		require.Zero(t, row.Scheme)
		require.Empty(t, row.Sealed)
		_, err = r.SchemeToken(t.Context(), requestor, d.Token)
		fails(t, err, tokenize.RequestRejected, "token", tokenize.ErrTokenDeleted)
		_, err = r.RevealSchemeToken(t.Context(), requestor, d.Token, "payment")
		fails(t, err, tokenize.RequestRejected, "token", tokenize.ErrTokenDeleted)
		_, err = r.SetSchemeToken(t.Context(), attach(t, d.Token, netToken))
		fails(t, err, tokenize.RequestRejected, "token", tokenize.ErrTokenDeleted)
	})
}

// Details are the requestor's; others see the status, and can do nothing.
func TestSchemeRoles(t *testing.T) {
	service := &tokenService{}
	w := newWorld(t, memory.New(), &tokenize.Options{TokenService: service})
	r := w.repo(tokenize.UUID, tokenize.UniqueCard, schemes)
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

func TestSchemeRefused(t *testing.T) {
	w := newWorld(t, memory.New(), &tokenize.Options{TokenService: &tokenService{}})
	r := w.repo(tokenize.UUID, tokenize.UniqueCard, schemes)
	d := w.save(r, req(t, visa))
	before := w.dump(r)
	for name, c := range map[string]struct {
		change func(*tokenize.SchemeTokenRequest)
		field  string
		kind   tokenize.FieldKind
	}{
		"17 digits":            {func(q *tokenize.SchemeTokenRequest) { q.Number = number(t, "41111111111111111") }, "networkToken", tokenize.Invalid},
		"the card itself":      {func(q *tokenize.SchemeTokenRequest) { q.Number = number(t, visa) }, "networkToken", tokenize.Invalid},
		"none":                 {func(q *tokenize.SchemeTokenRequest) { q.Number = card.PAN{} }, "networkToken", tokenize.Missing},
		"PAR of 51":            {func(q *tokenize.SchemeTokenRequest) { q.PAR = strings.Repeat("P", 51) }, "PAR", tokenize.Invalid},
		"PAR with hyphen":      {func(q *tokenize.SchemeTokenRequest) { q.PAR = "5001-A" }, "PAR", tokenize.Invalid},
		"PAR not ASCII":        {func(q *tokenize.SchemeTokenRequest) { q.PAR = "É" }, "PAR", tokenize.Invalid},
		"PAR is a card":        {func(q *tokenize.SchemeTokenRequest) { q.PAR = canary }, "PAR", tokenize.Invalid},
		"PAR holds a card":     {func(q *tokenize.SchemeTokenRequest) { q.PAR = "A" + canary + "B" }, "PAR", tokenize.Invalid},
		"month":                {func(q *tokenize.SchemeTokenRequest) { q.Expiry.Month = 13 }, card.FieldExpiry, tokenize.Invalid},
		"year":                 {func(q *tokenize.SchemeTokenRequest) { q.Expiry.Year = 1999 }, card.FieldExpiry, tokenize.Invalid},
		"status":               {func(q *tokenize.SchemeTokenRequest) { q.Status = 5 }, "schemeStatus", tokenize.Invalid},
		"deletion of none":     {func(q *tokenize.SchemeTokenRequest) { q.Status = tokenize.SchemeDeleted }, "schemeToken", tokenize.Invalid},
		"unknown token":        {func(q *tokenize.SchemeTokenRequest) { q.Token = unknownToken(tokenize.UUID) }, "token", tokenize.Invalid},
		"a card for the token": {func(q *tokenize.SchemeTokenRequest) { q.Token = canary }, "token", tokenize.Invalid},
		"merchant":             {func(q *tokenize.SchemeTokenRequest) { q.Caller.Merchant = canary + " " }, "merchant", tokenize.Invalid},
	} {
		w.sink.take()
		q := attach(t, d.Token, netToken)
		c.change(&q)
		_, err := r.SetSchemeToken(t.Context(), q)
		e := fails(t, err, tokenize.InvalidRequest, c.field, nil)
		require.Equal(t, c.kind, e.Kind, name)
		noDigits(t, fmt.Sprintf("%v %+v %#v %+v", err, *e, e, w.sink.take()))
	}
	require.Equal(t, before, w.dump(r))
	_, err := r.ActOnSchemeToken(t.Context(), requestor, d.Token, tokenize.SuspendScheme)
	fails(t, err, tokenize.InvalidRequest, "schemeToken", tokenize.ErrSchemeNotFound)
	for _, a := range []tokenize.SchemeAction{0, 4, 255} {
		_, err := r.ActOnSchemeToken(t.Context(), requestor, d.Token, a)
		fails(t, err, tokenize.InvalidRequest, "schemeAction", nil)
	}
	_, err = r.RevealSchemeToken(t.Context(), requestor, d.Token, "")
	fails(t, err, tokenize.InvalidRequest, "reason", nil)
	_, err = r.RevealSchemeToken(t.Context(), requestor, d.Token, canary)
	fails(t, err, tokenize.InvalidRequest, "reason", nil)

	// A repository that does not allow them.
	plain := w.repo(tokenize.UUID, tokenize.UniqueCard)
	d = w.save(plain, req(t, visa))
	_, err = plain.SetSchemeToken(t.Context(), attach(t, d.Token, netToken))
	require.Equal(t, tokenize.Unsupported, fails(t, err, tokenize.InvalidRequest, "schemeToken", nil).Kind)
	_, err = plain.ActOnSchemeToken(t.Context(), requestor, d.Token, tokenize.DeleteScheme)
	require.Equal(t, tokenize.Unsupported, fails(t, err, tokenize.InvalidRequest, "schemeToken", nil).Kind)
}

// Whoever can write to the store moves sealed values about.
func TestTamperedSchemeToken(t *testing.T) {
	stores(t, func(t *testing.T, w *world) {
		r := w.repo(tokenize.UUID, tokenize.UniqueCard, schemes)
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
	r := w.repo(tokenize.UUID, tokenize.UniqueCard, schemes)
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
	noDigits(t, fmt.Sprintf("%+v", events))

	w.set(r, attach(t, d.Token, netToken))
	w.sink.fail(errInjected)
	pan, err := r.RevealSchemeToken(t.Context(), requestor, d.Token, "payment")
	fails(t, err, tokenize.ServerFailed, "", tokenize.ErrAudit)
	require.True(t, pan.IsZero())
	s, err := r.SetSchemeToken(t.Context(), attach(t, d.Token, netToken2))
	fails(t, err, tokenize.ServerFailed, "", tokenize.ErrAudit)
	require.Equal(t, tokenize.SchemeValid, s.Status, "it was done")
}

// Names of the published interfaces, both ways, and what is stored of a status.
func TestSchemeNames(t *testing.T) {
	for i, name := range []string{"VALID", "ACTIVE", "SUSPENDED", "DELETED"} {
		var s tokenize.SchemeStatus
		require.NoError(t, s.UnmarshalText([]byte(name)))
		require.Equal(t, tokenize.SchemeStatus(i+1), s)
		text, err := s.MarshalText()
		require.NoError(t, err)
		require.Equal(t, name, string(text))
	}
	for i, name := range []string{"ACTIVATE", "SUSPEND", "DELETE"} {
		var a tokenize.SchemeAction
		require.NoError(t, a.UnmarshalText([]byte(name)))
		require.Equal(t, tokenize.SchemeAction(i+1), a)
		text, err := a.MarshalText()
		require.NoError(t, err)
		require.Equal(t, name, string(text))
	}
	var s tokenize.SchemeStatus
	fails(t, s.UnmarshalText([]byte("valid")), tokenize.InvalidRequest, "schemeStatus", nil)
	var a tokenize.SchemeAction
	fails(t, a.UnmarshalText([]byte("")), tokenize.InvalidRequest, "schemeAction", nil)
	require.Equal(t, "INVALID", tokenize.SchemeAction(9).String())
}

// A repository that an earlier version made is the one of the same configuration.
func TestConfigOfEarlierVersions(t *testing.T) {
	stores(t, func(t *testing.T, w *world) {
		const stored = `{"id":"OLD","generation":"UUID","management":"UNIQUE_CARD","verification":"BASIC","masking":"6.4","requireExpiry":false}`
		_, err := w.db.Cards().CreateRepository(t.Context(), store.Repository{
			Scope: store.ScopeID{1}, Name: "OLD", Config: []byte(stored)})
		require.NoError(t, err)
		c := tokenize.Config{ID: "OLD", Generation: tokenize.UUID, Management: tokenize.UniqueCard}
		r, err := w.vault.EnsureRepository(t.Context(), c)
		require.NoError(t, err)
		require.False(t, r.Config().SchemeTokens)
		c.SchemeTokens = true
		_, err = w.vault.EnsureRepository(t.Context(), c)
		fails(t, err, tokenize.RequestRejected, "repository", tokenize.ErrConfig)
		c.ID = "NEW"
		r, err = w.vault.EnsureRepository(t.Context(), c)
		require.NoError(t, err)
		require.True(t, w.other(r).Config().SchemeTokens)
	})
}

func TestExternalTypes(t *testing.T) {
	w := inMemory(t)
	r := w.repo(tokenize.UUID, tokenize.UniqueCard)
	for _, name := range []string{"INTERNAL", "CHASE", "TAVE"} {
		q := req(t, visa)
		require.NoError(t, q.External.UnmarshalText([]byte(name)))
		require.Equal(t, name, q.External.String())
		_, err := r.Save(t.Context(), q)
		if name == "INTERNAL" {
			require.NoError(t, err)
			continue
		}
		require.Equal(t, tokenize.Unsupported, fails(t, err, tokenize.InvalidRequest, "externalType", nil).Kind)
	}
	var e tokenize.ExternalType
	fails(t, e.UnmarshalText([]byte("OTHER")), tokenize.InvalidRequest, "externalType", nil)
	require.Len(t, w.dump(r), 1)
}

// A closed data key seals no scheme token either; its successor does.
func TestSchemeTokenBehindAFence(t *testing.T) {
	stores(t, func(t *testing.T, w *world) {
		r := w.repo(tokenize.UUID, tokenize.UniqueCard, schemes)
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
