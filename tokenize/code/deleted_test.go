package code_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/tokenize"
	"github.com/cardseal/cardseal/tokenize/card"
	"github.com/cardseal/cardseal/tokenize/code"
	"github.com/cardseal/cardseal/tokenize/store"
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

// A code ends with the number of the token that it was put through: it does not stay
// where no token leads to it, to come back with the old number.
func TestNumberChanges(t *testing.T) {
	for name, place := range map[string]func(testing.TB, *code.Options) (*world, *tokenize.Repository, *code.Codes, string){
		"transient": shop, "issuer": bank,
	} {
		t.Run(name, func(t *testing.T) {
			w, r, s, token := place(t, nil)
			kept, hook := w.ephemeral, w.eph
			if r.Config().IssuerCodes {
				kept, hook = w.durable, w.issuer
			}
			other := w.save(r, visa)
			change := func(digits, code string) error {
				q := tokenize.UpdateRequest{Caller: me, Token: token, Card: card.Details{Number: number(t, digits)}}
				if code != "" {
					q.Card.Code = cvc(t, code)
				}
				_, err := r.Update(t.Context(), q)
				return err
			}
			require.NoError(t, s.Put(t.Context(), me, own, token, cvc(t, "123")))
			require.NoError(t, change(visa, ""), "the same number")
			require.Len(t, all(t, kept), 1)
			hook.erase = func() error { return store.ErrUnavailable }
			fails(t, change(visa2, ""), tokenize.ServerBusy, "", store.ErrUnavailable)
			hook.erase = nil
			got, err := s.Retrieve(t.Context(), me, own, token)
			is(t, "123", got, err) // under the number that it has still

			require.NoError(t, change(visa2, ""))
			require.Empty(t, all(t, kept))
			_, err = s.Retrieve(t.Context(), me, own, other)
			unknown(t, err)
			require.NoError(t, change(visa, "456"))
			got, err = s.Retrieve(t.Context(), me, own, token)
			is(t, "456", got, err) // that came with the number
			require.NoError(t, s.Put(t.Context(), me, own, other, cvc(t, "789")))
			require.NoError(t, change(visa2, ""))
			got, err = s.Retrieve(t.Context(), me, own, other)
			is(t, "789", got, err) // put through another token

			if r.Config().IssuerCodes {
				v, err := tokenize.Open(t.Context(), w.db.Cards(), w.manager(""), nil)
				require.NoError(t, err)
				r, err = v.Repository(t.Context(), r.Config().ID)
				require.NoError(t, err)
				fails(t, change(visa, ""), tokenize.RequestRejected, "token", tokenize.ErrNoCodeStore)
			}
		})
	}
}
