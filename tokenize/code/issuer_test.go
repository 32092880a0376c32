package code_test

import (
	"bytes"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/crypto/envelope"
	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/tokenize"
	"github.com/cardseal/cardseal/tokenize/audit"
	"github.com/cardseal/cardseal/tokenize/card"
	"github.com/cardseal/cardseal/tokenize/code"
	"github.com/cardseal/cardseal/tokenize/store"
)

// That a repository keeps codes for good has to be said when it is made, is an event
// of its own, and cannot be changed.
func TestIssuerIsSwitchedOn(t *testing.T) {
	w := newWorld(t)
	w.repo()
	require.Len(t, w.sink.take(), 1)
	w.repo(issued)
	events := w.sink.take()
	require.Len(t, events, 2)
	require.Equal(t, audit.Create, events[0].Action)
	require.Equal(t, audit.AllowIssuerCodes, events[1].Action)
	require.Equal(t, "ISSUED", events[1].Repository)
	c := tokenize.Config{ID: "SHOP", Generation: tokenize.UUID, Management: tokenize.UniqueToken, IssuerCodes: true}
	_, err := w.vault.EnsureRepository(t.Context(), c)
	require.ErrorIs(t, err, tokenize.ErrConfig)
	without := newWorld(t, func(o *tokenize.Options) { o.IssuerCodes = nil })
	_, err = without.vault.EnsureRepository(t.Context(), c)
	fails(t, err, tokenize.RequestRejected, "issuerCodes", tokenize.ErrNoCodeStore)
}

// An issuer's code stays, is read as often as is asked, and has no owner.
func TestIssuer(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w, r, s, token := bank(t, nil)
		_, err := s.Retrieve(t.Context(), me, own, token)
		unknown(t, err)
		require.NoError(t, s.Put(t.Context(), me, own, token, cvc(t, "123")))
		time.Sleep(40 * 24 * time.Hour)
		synctest.Wait()
		m := w.merchant(r, "M1")
		for range 3 {
			got, err := s.Retrieve(t.Context(), m, own, token)
			is(t, "123", got, err)
		}
		_, err = verify(s, token, "123")
		require.NoError(t, err)
		st, err := s.Status(t.Context(), m, own, token)
		require.NoError(t, err)
		require.Zero(t, st.Expires)
		require.Zero(t, st.ReadsLeft)
		_, err = s.Retrieve(t.Context(), me, code.Owner{Type: code.Site, ID: "1"}, token)
		require.Equal(t, tokenize.Unsupported, fails(t, err, tokenize.InvalidRequest, "owner", nil).Kind)
		fails(t, s.Authorized(t.Context(), me, own, token), tokenize.InvalidRequest, "policy", nil)
		require.Len(t, all(t, w.durable), 1)
		require.Empty(t, all(t, w.ephemeral))
	})
}

// A token that is deleted leaves no code behind, whoever deletes it; where the codes
// cannot be reached it is not deleted.
func TestIssuerDelete(t *testing.T) {
	w, r, s, token := bank(t, nil)
	require.NoError(t, s.Allocate(t.Context(), me, token))
	v, err := tokenize.Open(t.Context(), w.db.Cards(), w.manager(""), nil)
	require.NoError(t, err)
	blind, err := v.Repository(t.Context(), r.Config().ID)
	require.NoError(t, err)
	fails(t, blind.Delete(t.Context(), me, token), tokenize.RequestRejected, "token", tokenize.ErrNoCodeStore)
	_, err = blind.Reveal(t.Context(), me, token, "still there")
	require.NoError(t, err)
	require.Len(t, all(t, w.durable), 1)

	s.Close()
	fails(t, r.Delete(t.Context(), me, token, 99), tokenize.RequestRejected, "token", tokenize.ErrConflict)
	require.Len(t, all(t, w.durable), 1)
	require.NoError(t, r.Delete(t.Context(), me, token)) // without a service
	require.Empty(t, all(t, w.durable))
	require.NoError(t, r.Delete(t.Context(), me, token))
}

// A code that is put while its token is being deleted does not stay for good.
func TestPutWhileDeleting(t *testing.T) {
	w, r, s, token := bank(t, nil)
	w.issuer.wasPut = func(codes []store.Code) {
		w.issuer.wasPut = nil
		require.NoError(t, r.Delete(t.Context(), me, token))
		// As if it had come between the deletion and its last look for codes.
		require.NoError(t, w.durable.PutCodes(t.Context(), codes))
	}
	err := s.Put(t.Context(), me, own, token, cvc(t, "123"))
	fails(t, err, tokenize.RequestRejected, "token", tokenize.ErrTokenDeleted)
	require.Empty(t, all(t, w.durable))
}

// Issuer codes count in the census of their data key, and are brought under another.
func TestIssuerKeys(t *testing.T) {
	w, r, s, token := bank(t, nil)
	second := w.save(r, amex)
	require.NoError(t, s.Allocate(t.Context(), me, token))
	require.NoError(t, s.Put(t.Context(), me, own, second, cvc(t, "1234")))
	_, err := verify(s, token, "1234")
	require.ErrorIs(t, err, code.ErrWrong)
	first := keyOf(t, all(t, w.durable)[0])
	in := func(v *tokenize.Vault) uint64 {
		n, err := v.KeyInUse(t.Context(), first)
		require.NoError(t, err)
		return n
	}
	require.EqualValues(t, 2, in(w.vault))
	blind, err := tokenize.Open(t.Context(), w.db.Cards(), w.manager(""), nil)
	require.NoError(t, err)
	_, err = blind.KeyInUse(t.Context(), first)
	fails(t, err, tokenize.RequestRejected, "key", tokenize.ErrNoCodeStore)

	n, err := s.Reseal(t.Context(), me)
	require.NoError(t, err)
	require.Zero(t, n)
	before, err := s.Retrieve(t.Context(), me, own, token)
	require.NoError(t, err)
	_, err = w.manager("").Rotate(t.Context(), keys.CVC)
	require.NoError(t, err)
	n, err = s.Reseal(t.Context(), me)
	require.NoError(t, err)
	require.Equal(t, 2, n)
	require.Zero(t, in(w.vault))
	after, err := s.Retrieve(t.Context(), me, own, token)
	require.NoError(t, err)
	require.True(t, before.Equal(after))
	st, err := s.Status(t.Context(), me, own, token)
	require.NoError(t, err)
	require.Equal(t, 14, st.GuessesLeft)

	require.NoError(t, w.vault.CloseFence(t.Context(), first))
	c := all(t, w.durable)[0]
	under := bytes.Clone(c.Record)
	copy(under[2:], first[:]) // sealed, as far as a store can tell, under the first key
	require.ErrorIs(t, w.durable.ReplaceRecord(t.Context(), c, under), store.ErrFenced)

	for _, c := range all(t, w.durable) {
		if c.Token == token {
			c.Guesses, c.Counters = 0, nil
			c.Record[len(c.Record)-1] ^= 1
			require.NoError(t, w.durable.PutCodes(t.Context(), []store.Code{c}))
		}
	}
	_, err = w.manager("").Rotate(t.Context(), keys.CVC)
	require.NoError(t, err)
	n, err = s.Reseal(t.Context(), me)
	require.Equal(t, 1, n)
	fails(t, err, tokenize.RequestRejected, "", tokenize.ErrUnsealed)
	_, _, transient, _ := shop(t, nil)
	_, err = transient.Reseal(t.Context(), me)
	fails(t, err, tokenize.InvalidRequest, "policy", nil)
}

// A drawn code has the length that the brand demands, and is never the one before.
func TestAllocate(t *testing.T) {
	w, r, s, _ := bank(t, nil)
	for number, digits := range map[string]int{visa: 3, amex: 4} {
		token := w.save(r, number)
		require.NoError(t, s.Allocate(t.Context(), me, token))
		last, err := s.Retrieve(t.Context(), me, own, token)
		require.NoError(t, err)
		require.Equal(t, digits, last.Len())
		for range 2000 {
			require.NoError(t, s.Allocate(t.Context(), me, token))
			next, err := s.Retrieve(t.Context(), me, own, token)
			require.NoError(t, err)
			require.False(t, last.Equal(next))
			last = next
		}
	}
	require.Equal(t, tokenize.Unsupported, fails(t, s.Allocate(t.Context(), me, w.save(r, uatp)), tokenize.InvalidRequest, card.FieldCode, nil).Kind)
	unknown(t, s.Allocate(t.Context(), me, "0"))
	gone := w.save(r, visa2)
	require.NoError(t, r.Delete(t.Context(), me, gone))
	fails(t, s.Allocate(t.Context(), me, gone), tokenize.RequestRejected, "token", tokenize.ErrTokenDeleted)
	c := me
	c.Permissions &^= tokenize.MaySaveCode
	fails(t, s.Allocate(t.Context(), c, gone), tokenize.RequestRejected, "caller", tokenize.ErrPermission)
	_, _, transient, token := shop(t, nil)
	fails(t, transient.Allocate(t.Context(), me, token), tokenize.InvalidRequest, "policy", nil)

	w.sink.take()
	require.NoError(t, s.Allocate(t.Context(), me, w.save(r, visa)))
	events := w.sink.take()
	require.Equal(t, audit.AllocateCode, events[1].Action)
	require.Equal(t, audit.Done, events[1].Outcome)
}

// What takes the place of a code that nobody can read any more is drawn from all; while
// the code may yet be read it stays.
func TestAllocateInPlaceOfLost(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w, _, s, token := bank(t, nil)
		require.NoError(t, s.Allocate(t.Context(), me, token))
		before := all(t, w.durable)
		first, m := keyOf(t, before[0]), w.manager("")
		_, err := m.Rotate(t.Context(), keys.CVC)
		require.NoError(t, err)
		require.NoError(t, m.Disable(t.Context(), first))
		time.Sleep(time.Hour) // no process has the key in memory
		fails(t, s.Allocate(t.Context(), me, token), tokenize.ServerFailed, "", keys.ErrDisabled)
		require.Equal(t, before, all(t, w.durable))
		_, err = m.Destroy(t.Context(), first, keys.DestroyOptions{CloseFence: w.vault.CloseFence, Census: w.vault.KeyInUse, Shred: true})
		require.NoError(t, err)
		_, err = s.Retrieve(t.Context(), me, own, token)
		fails(t, err, tokenize.ServerFailed, "", keys.ErrDisabled)
		works := func() {
			t.Helper()
			require.NoError(t, s.Allocate(t.Context(), me, token))
			_, err = s.Retrieve(t.Context(), me, own, token)
			require.NoError(t, err)
		}
		works()

		c := all(t, w.durable)[0]
		c.Record[len(c.Record)-1] ^= 1
		require.NoError(t, w.durable.PutCodes(t.Context(), []store.Code{c}))
		works()
		c = all(t, w.durable)[0]
		unknown := envelope.NewKeyID() // as after the key store alone was restored
		copy(c.Record[2:], unknown[:])
		require.NoError(t, w.durable.OpenFence(t.Context(), unknown))
		require.NoError(t, w.durable.PutCodes(t.Context(), []store.Code{c}))
		fails(t, s.Allocate(t.Context(), me, token), tokenize.ServerFailed, "", envelope.ErrUnknownKey)
	})
}
