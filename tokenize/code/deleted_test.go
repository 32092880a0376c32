package code_test

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// A code ends with the token that it was put through, also where that was deleted by a
// process that does not serve codes: the card's other tokens do not give it out.
func TestDeletedElsewhere(t *testing.T) {
	w, r, s, token := shop(t, nil)
	other := w.save(r, visa)
	put := func(token string) {
		t.Helper()
		require.NoError(t, s.Put(t.Context(), me, own, token, cvc(t, "123")))
	}
	put(token)
	s.Close() // as in a process without it
	require.NoError(t, r.Delete(t.Context(), me, token))
	require.Len(t, all(t, w.ephemeral), 1)
	for call, do := range calls(s, me, own, t) {
		if call != "Put" && call != "Authorized" {
			unknown(t, do(other))
		}
	}
	st, err := s.Status(t.Context(), me, own, other)
	unknown(t, err)
	require.Zero(t, st)
	put(other)
	got, err := s.Retrieve(t.Context(), me, own, other)
	is(t, "123", got, err)
}

// What is authorized is erased, though the token was deleted meanwhile.
func TestAuthorizedAfterDelete(t *testing.T) {
	w, r, s, token := shop(t, nil)
	require.NoError(t, s.Put(t.Context(), me, own, token, cvc(t, "123")))
	s.Close()
	require.NoError(t, r.Delete(t.Context(), me, token))
	require.NoError(t, s.Authorized(t.Context(), me, own, token))
	require.Empty(t, all(t, w.ephemeral))
}
