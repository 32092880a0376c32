//go:build linux

package forgets

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/tokenize"
	"github.com/cardseal/cardseal/tokenize/code"
)

// shop is a shop whose codes are put and forgotten without a pause.
type shop struct {
	*testing.T
	*witness
	vault  *vault
	tokens []string
	codes  *code.Codes
	tr     *code.Transient
	swept  chan struct{} // a sweep has ended since somebody looked
	failed atomic.Pointer[error]
	away   atomic.Bool // its store is: sweeps fail
	last   time.Time   // when a round began
	given  int         // batches that were

	// The control: codes of an issuer's, which are durable.
	issued []string
	kept   *search
}

// cards is how many there are, with a code each in every round.
const cards = 30

// openShop makes a shop on stores; keys are split over a second one where it is given.
func openShop(t *testing.T, d db, e code.EphemeralStore, kekPath string, ttl time.Duration, second ...code.EphemeralKeys) *shop {
	t.Helper()
	s := &shop{T: t, witness: &witness{EphemeralStore: e}, vault: openVault(t, d, kekPath), swept: make(chan struct{}, 1)}
	s.tokens, s.issued = s.vault.save(s.vault.shop, cards), s.vault.save(s.vault.issued, 10)
	o := short
	o.TTL = ttl
	if len(second) > 0 {
		o.Second = second[0]
	}
	o.Swept = func(_ code.Sweep, err error) {
		if err != nil && !s.away.Load() {
			s.failed.CompareAndSwap(nil, &err)
		}
		select { // nobody need look: to wait here would hold up Close
		case s.swept <- struct{}{}:
		default:
		}
	}
	var err error
	s.tr, err = code.OpenTransient(t.Context(), s.witness, kek(t, kekPath), &o)
	require.NoError(t, err)
	t.Cleanup(func() { s.tr.Close() })
	s.codes = serve(t, s.vault.shop, s.tr)

	bank := serve(t, s.vault.issued, code.Issuer{})
	for i, token := range s.issued {
		require.NoError(t, bank.Put(t.Context(), me, own, token, number(t, i)))
	}
	s.kept = &search{}
	for c, err := range d.Codes().ScanCodes(t.Context(), [16]byte{}) {
		require.NoError(t, err)
		s.kept.addCode("an issuer's code", &c)
	}
	records, err := s.vault.keys.Records(t.Context(), keys.CVC)
	require.NoError(t, err)
	for i := range records {
		s.kept.addKey("an issuer's key", &records[i])
	}
	return s
}

// round puts a code for every card. A third are read as often as may be, a third are
// authorized, a third are left for their time to pass.
func (s *shop) round() {
	s.Helper()
	third := cards / 3
	s.last = time.Now()
	s.put()
	for range short.MaxReads {
		got, err := s.codes.RetrieveBatch(s.Context(), me, refs(s.tokens[:third]))
		require.NoError(s, err)
		if time.Since(s.last) < short.TTL-time.Millisecond { // a machine may be too slow for it, and a code has whole milliseconds
			gives(s, got)
			s.given++
		}
	}
	s.authorized(s.tokens[third : 2*third])
	s.gone(s.tokens[third : 2*third])
	s.gone(s.tokens[:third])
}

// put puts a code for every card.
func (s *shop) put() {
	s.Helper()
	var puts []code.Put
	for i, ref := range refs(s.tokens) {
		puts = append(puts, code.Put{Ref: ref, Code: number(s, i)})
	}
	errs, err := s.codes.PutBatch(s.Context(), me, puts)
	none(s, errs, err)
}

func (s *shop) authorized(tokens []string) {
	s.Helper()
	errs, err := s.codes.AuthorizedBatch(s.Context(), me, refs(tokens))
	none(s, errs, err)
}

// gone demands that no call gives the codes, or says that there were any.
func (s *shop) gone(tokens []string) {
	s.Helper()
	refs := refs(tokens)
	var candidates []code.Candidate
	for i := range refs {
		candidates = append(candidates, code.Candidate{Ref: refs[i], Code: number(s, i), Counter: code.Card})
	}
	got, err := s.codes.RetrieveBatch(s.Context(), me, refs)
	require.NoError(s, err)
	nothing(s, got)
	verified, err := s.codes.VerifyBatch(s.Context(), me, candidates)
	require.NoError(s, err)
	status, err := s.codes.StatusBatch(s.Context(), me, refs)
	require.NoError(s, err)
	for i := range tokens {
		require.ErrorIs(s, verified[i].Err, tokenize.ErrTokenNotFound)
		require.ErrorIs(s, status[i].Err, tokenize.ErrTokenNotFound)
	}
	err = s.codes.Unblock(s.Context(), me, own, tokens[0])
	require.ErrorIs(s, err, tokenize.ErrTokenNotFound)
}

// during makes rounds while f runs, and for some epochs at least and until some codes
// were read in time.
func (s *shop) during(f func() error) {
	s.Helper()
	done := make(chan error, 1)
	go func() { done <- f() }()
	for running := true; running || s.epochs() < 3 || s.given == 0; {
		s.round()
		select {
		case err := <-done:
			require.NoError(s, err)
			running = false
		default:
		}
	}
}

// forgotten waits until every epoch is destroyed and no code is left.
func (s *shop) forgotten() {
	s.Helper()
	eventually(s.T, func() bool {
		<-s.swept
		if err := s.failed.Load(); err != nil {
			require.NoError(s, *err)
		}
		epochs, err := s.tr.Erasures(s.Context())
		require.NoError(s, err)
		for _, e := range epochs {
			if e.State != keys.Destroyed {
				return false
			}
			require.Zero(s, e.Codes)
		}
		return true
	})
	for _, err := range s.ScanCodes(s.Context(), [16]byte{}) {
		require.NoError(s, err)
		s.Fatal("a code is there")
	}
	records, _, err := s.Keys().List(s.Context(), keys.RingID{Environment: "production", Purpose: keys.CVC})
	require.NoError(s, err)
	require.NotEmpty(s, records)
	for i := range records {
		require.Empty(s, records[i].Wrapped)
	}
	s.gone(s.tokens)
	s.Logf("forgotten %v after the last codes were put; Forgets is %v", time.Since(s.last).Round(time.Millisecond), s.tr.Forgets())
}
