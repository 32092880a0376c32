package code_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/tokenize"
	"github.com/cardseal/cardseal/tokenize/audit"
	"github.com/cardseal/cardseal/tokenize/code"
)

// fixed makes errors of different calls equal.
func fixed(o *code.Options) *code.Options {
	o.CorrelationID = func(context.Context) string { return "c-1" }
	return o
}

// calls are all that name an owner's code.
func calls(s *code.Codes, c tokenize.Caller, o code.Owner, t testing.TB) map[string]func(token string) error {
	ctx := context.Background()
	return map[string]func(token string) error{
		"Put":        func(token string) error { return s.Put(ctx, c, o, token, cvc(t, "999")) },
		"Retrieve":   func(token string) error { _, err := s.Retrieve(ctx, c, o, token); return err },
		"Verify":     func(token string) error { _, err := s.Verify(ctx, c, o, token, cvc(t, "123"), code.Card); return err },
		"Status":     func(token string) error { _, err := s.Status(ctx, c, o, token); return err },
		"Unblock":    func(token string) error { return s.Unblock(ctx, c, o, token) },
		"ResetTries": func(token string) error { return s.ResetTries(ctx, c, o, token) },
		"Authorized": func(token string) error { return s.Authorized(ctx, c, o, token) },
	}
}

// Whoever may not use an owner's codes, and an owner who has none, is told of a token
// what he is told of one that does not exist, whatever state it is in, and nothing is
// counted.
func TestOtherOwner(t *testing.T) {
	w := newWorld(t)
	r := w.repo()
	s := w.codes(r, w.transient(&code.TransientOptions{MaxReads: 100}), fixed(&code.Options{}))
	token, suspended := w.save(r, visa), w.save(r, visa2)
	m1, m2 := w.merchant(r, "M1"), w.merchant(r, "M2")
	for _, token := range []string{token, suspended} {
		require.NoError(t, s.Put(t.Context(), m1, own, token, cvc(t, "123")))
	}
	before := all(t, w.ephemeral)
	_, err := r.Suspend(t.Context(), me, suspended)
	require.NoError(t, err)
	for name, c := range map[string]struct {
		caller tokenize.Caller
		owner  code.Owner
		none   bool // he may, but has no code
	}{
		"merchant on behalf of another": {m2, code.Owner{Type: code.Merchant, ID: "M1"}, false},
		"merchant for a group":          {m1, code.Owner{Type: code.MerchantGroup, ID: "G"}, false},
		"merchant without code":         {m2, own, true},
		"the service":                   {me, own, true},
		"a site of the service's":       {me, code.Owner{Type: code.Site, ID: "M1"}, true},
	} {
		for call, do := range calls(s, c.caller, c.owner, t) {
			if c.none && (call == "Put" || call == "Authorized") {
				continue
			}
			w.sink.take()
			var want, got, stopped *tokenize.Error
			require.ErrorAs(t, do("11111111-1111-4111-8111-111111111111"), &want, "%s %s", name, call)
			require.ErrorAs(t, do(token), &got, "%s %s", name, call)
			require.ErrorAs(t, do(suspended), &stopped, "%s %s", name, call)
			require.Equal(t, want, got, "%s %s", name, call)
			require.Equal(t, want, stopped, "%s %s", name, call)
			require.ErrorIs(t, got, tokenize.ErrTokenNotFound)
			events := w.sink.take()
			if call == "Status" {
				require.Empty(t, events)
				continue
			}
			require.Len(t, events, 3)
			for _, e := range events {
				require.Equal(t, audit.Refused, e.Outcome)
				require.Equal(t, "token", e.Field)
			}
			require.Empty(t, events[0].Token)
			require.NotEmpty(t, events[0].Unknown)
		}
	}
	require.ElementsMatch(t, before, all(t, w.ephemeral))
	got, err := s.Retrieve(t.Context(), me, code.Owner{Type: code.Merchant, ID: "M1"}, token)
	is(t, "123", got, err) // the service itself may
}

// Each owner has a code of his own, and none is another's.
func TestOwnersAreApart(t *testing.T) {
	w := newWorld(t)
	r := w.repo()
	s := w.codes(r, w.transient(nil), nil)
	token := w.save(r, visa)
	owners := []code.Owner{{}, {code.Referrer, "7"}, {code.MerchantGroup, "7"}, {code.Merchant, "7"}, {code.Site, "7"}, {code.Site, "71"}}
	for i, o := range owners {
		require.NoError(t, s.Put(t.Context(), me, o, token, cvc(t, "12"+string(rune('0'+i)))))
	}
	for i, o := range owners {
		got, err := s.Retrieve(t.Context(), me, o, token)
		is(t, "12"+string(rune('0'+i)), got, err)
	}
}

// The embedding service is asked about owners that only it knows.
func TestOwns(t *testing.T) {
	w := newWorld(t)
	r := w.repo()
	site, group := code.Owner{Type: code.Site, ID: "S"}, code.Owner{Type: code.MerchantGroup, ID: "G"}
	token := w.save(r, visa)
	var asked []code.Owner
	down := errors.New("down")
	s := w.codes(r, w.transient(nil), &code.Options{Owns: func(_ context.Context, c tokenize.Caller, o code.Owner, named string) (bool, error) {
		require.Equal(t, token, named, "only tokens that are there")
		asked = append(asked, o)
		if o == group {
			return false, down
		}
		return c.Merchant == "M1" && o == site, nil
	}})
	m1, m2 := w.merchant(r, "M1"), w.merchant(r, "M2")
	require.NoError(t, s.Put(t.Context(), m1, site, token, cvc(t, "123")))
	unknown(t, s.Put(t.Context(), m2, site, token, cvc(t, "123")))
	unknown(t, s.Put(t.Context(), me, site, token, cvc(t, "123")))
	require.Equal(t, []code.Owner{site, site, site}, asked)
	asked = nil
	unknown(t, s.Put(t.Context(), m2, code.Owner{Type: code.Merchant, ID: "M1"}, token, cvc(t, "123")))
	require.NoError(t, s.Put(t.Context(), m2, code.Owner{Type: code.Merchant, ID: "M2"}, token, cvc(t, "123")))
	unknown(t, s.Put(t.Context(), m1, site, "0", cvc(t, "123")))
	require.Empty(t, asked)
	fails(t, s.Put(t.Context(), m1, group, token, cvc(t, "123")), tokenize.ServerFailed, "", down)
}

// An owner that cannot be one is refused by name, and not written down.
func TestOwnerMalformed(t *testing.T) {
	w, _, s, token := shop(t, nil)
	for _, c := range []struct {
		owner code.Owner
		field string
	}{
		{code.Owner{ID: "1"}, "ownerType"}, {code.Owner{Type: 5, ID: "1"}, "ownerType"}, {code.Owner{Type: code.Site}, "ownerID"},
		{code.Owner{Type: code.Site, ID: strings.Repeat("x", 65)}, "ownerID"}, {code.Owner{Type: code.Site, ID: "a b"}, "ownerID"},
		{code.Owner{Type: code.Site, ID: visa}, "ownerID"}, {code.Owner{Type: code.Site, ID: "é"}, "ownerID"},
	} {
		w.sink.take()
		fails(t, s.Put(t.Context(), me, c.owner, token, cvc(t, "123")), tokenize.InvalidRequest, c.field, nil)
		require.Empty(t, w.sink.take()[0].Reason)
	}
	for _, ok := range []code.OwnerType{code.Referrer, code.MerchantGroup, code.Merchant, code.Site} {
		got, err := code.ParseOwnerType(ok.String())
		require.NoError(t, err)
		require.Equal(t, ok, got)
	}
	_, err := code.ParseOwnerType("merchant")
	fails(t, err, tokenize.InvalidRequest, "ownerType", nil)
	require.Equal(t, "Invalid", code.OwnerType(0).String())
}

// Every call needs its permission, and without it nothing is done and that recorded.
func TestPermissions(t *testing.T) {
	w, _, s, token := shop(t, nil)
	require.NoError(t, s.Put(t.Context(), me, own, token, cvc(t, "123")))
	before := all(t, w.ephemeral)
	for name, p := range map[string]tokenize.Permission{
		"Put": tokenize.MaySaveCode, "Authorized": tokenize.MaySaveCode, "Retrieve": tokenize.MayRevealCode,
		"Verify": tokenize.MayVerifyCode, "Status": tokenize.MayVerifyCode,
		"Unblock": tokenize.MayUnblockCode, "ResetTries": tokenize.MayUnblockCode,
	} {
		w.sink.take()
		c := me
		c.Permissions &^= p
		fails(t, calls(s, c, own, t)[name](token), tokenize.RequestRejected, "caller", tokenize.ErrPermission)
		if name != "Status" {
			require.Equal(t, audit.Refused, w.sink.take()[0].Outcome, name)
		}
	}
	require.Equal(t, before, all(t, w.ephemeral))
	for name, p := range map[string]tokenize.Permission{
		"Put": tokenize.MaySaveCode, "Status": tokenize.MayVerifyCode, "Verify": tokenize.MayVerifyCode, "Unblock": tokenize.MayUnblockCode,
	} {
		err := calls(s, tokenize.Caller{Permissions: p}, own, t)[name](token)
		require.NotErrorIs(t, err, tokenize.ErrPermission, name)
	}
	fails(t, calls(s, tokenize.Caller{Merchant: "M9", Permissions: tokenize.MayAll}, own, t)["Put"](token),
		tokenize.RequestRejected, "merchant", tokenize.ErrMerchant)
}
