package code_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/tokenize"
	"github.com/cardseal/cardseal/tokenize/code"
)

// What is wrong with a call is told before anything of the token is.
func TestUnknownCounterTellsNothing(t *testing.T) {
	w := newWorld(t)
	r := w.repo()
	s := w.codes(r, w.transient(nil), fixed(&code.Options{}))
	token := w.save(r, visa)
	m1, m2 := w.merchant(r, "M1"), w.merchant(r, "M2")
	require.NoError(t, s.Put(t.Context(), m1, own, token, cvc(t, "123")))
	for _, do := range []func(c tokenize.Caller, token string) error{
		func(c tokenize.Caller, token string) error { return s.Unblock(t.Context(), c, own, token, 5) },
		func(c tokenize.Caller, token string) error { return s.ResetTries(t.Context(), c, own, token, 5) },
		func(c tokenize.Caller, token string) error {
			_, err := s.Verify(t.Context(), c, own, token, cvc(t, "123"), 5)
			return err
		},
	} {
		want := fails(t, do(m2, "11111111-1111-4111-8111-111111111111"), tokenize.InvalidRequest, "counter", nil)
		require.Equal(t, want, do(m2, token))
		require.Equal(t, want, do(m1, token))
	}
}

// Who may not use an owner's codes is told the same of a token whose card cannot be
// opened.
func TestOtherOwnerWithoutKMS(t *testing.T) {
	w := newWorld(t)
	token, none := w.save(w.repo(), visa), "11111111-1111-4111-8111-111111111111"
	v, err := tokenize.Open(t.Context(), w.db.Cards(), w.manager(""), nil) // which has no key in memory
	require.NoError(t, err)
	r, err := v.Repository(t.Context(), "SHOP")
	require.NoError(t, err)
	s := w.codes(r, w.transient(nil), fixed(&code.Options{}))
	m := w.merchant(r, "M1")
	for call, do := range calls(s, m, code.Owner{Type: code.Site, ID: "7"}, t) {
		w.kek.SetError(nil)
		var want *tokenize.Error
		require.ErrorAs(t, do(none), &want, call) // and the keys but the card's are there
		w.kek.SetError(keys.ErrUnavailable)
		require.Equal(t, want, do(token), call)
		err := calls(s, m, own, t)[call](token)
		require.ErrorIs(t, err, keys.ErrUnavailable, call)
	}
}

// The store of codes is asked as often whatever the reason is that there is no code.
func TestNoCodeTakesItsTime(t *testing.T) {
	w, r, s, token := shop(t, nil)
	gone := w.save(r, visa2)
	require.NoError(t, r.Delete(t.Context(), me, gone))
	m := w.merchant(r, "M1")
	site := code.Owner{Type: code.Site, ID: "7"}
	asked := 0
	w.eph.looked = func() { asked++ }
	for _, call := range []string{"Retrieve", "Verify", "Status", "Unblock", "ResetTries"} {
		for name, do := range map[string]func() error{
			"no code":      func() error { return calls(s, m, own, t)[call](token) },
			"no token":     func() error { return calls(s, m, own, t)[call]("11111111-1111-4111-8111-111111111111") },
			"deleted":      func() error { return calls(s, m, own, t)[call](gone) },
			"not his":      func() error { return calls(s, m, site, t)[call](token) },
			"not a token":  func() error { return calls(s, m, own, t)[call]("0") },
			"nor is he it": func() error { return calls(s, m, site, t)[call]("0") },
		} {
			asked = 0
			unknown(t, do())
			require.Equal(t, 1, asked, "%s, %s", call, name)
		}
	}
}
