package code_test

import (
	"testing"

	"github.com/stretchr/testify/require"

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
