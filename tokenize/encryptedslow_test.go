package tokenize_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/tokenize"
	"github.com/cardseal/cardseal/tokenize/capture"
	"github.com/cardseal/cardseal/tokenize/store"
)

// A call that stands still between the opening of a message and its saving may come when
// stores forget that others saved it meanwhile: it saves nothing after half an hour.
func TestEncryptedSlow(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := capturingInMemory(t)
		r := w.repo(tokenize.MerchantProvided, tokenize.UniqueToken)
		p := w.publish(r, capture.HPKEP256)
		asking := func(token string) tokenize.SaveRequest {
			q := sent(p.message(of(visa)))
			q.Token = token
			return q
		}
		// meanwhile does something when the save reads its tokens.
		meanwhile := func(do func(), qs ...tokenize.SaveRequest) []tokenize.SaveResult {
			w.cards.set(func(op string, _ int) error {
				if op == "Get" {
					w.cards.set(nil, nil)
					do()
				}
				return nil
			}, nil)
			return w.batch(r, qs...)
		}
		stale := func(err error) {
			t.Helper()
			require.Equal(t, "STALE", fails(t, err, tokenize.RequestRejected, "encryptedCard", capture.ErrStale).SupportCode)
		}

		res := meanwhile(func() { time.Sleep(30 * time.Minute) }, asking("a"))
		require.Nil(t, res[0].Err)
		inClear, analytics := req(t, master), asking("")
		inClear.Token, analytics.Types = "c", tokenize.Analytics
		res = meanwhile(func() { time.Sleep(30*time.Minute + 1) }, asking("b"), inClear, analytics)
		stale(res[0].Err)
		require.Nil(t, res[1].Err)
		stale(res[2].Err)
		require.Zero(t, res[2].Details)
		require.Len(t, w.dump(r), 2)

		q, onceMore := asking("d"), keyed(asking("e"), "k1")
		res = meanwhile(func() {
			w.save(r, q)
			w.save(r, onceMore)
			time.Sleep(2 * time.Hour)
			now, others := time.Now().UnixMilli(), make([]store.Spend, 5000)
			for i := range others {
				others[i] = store.Spend{Digest: [32]byte{1, byte(i >> 8), byte(i)}, Now: now, Until: now + 1}
			}
			_, err := w.cards.Spend(t.Context(), w.dump(r)[0].Scope, others) // which has it forget
			require.NoError(t, err)
		}, q, onceMore)
		stale(res[0].Err)
		require.Nil(t, res[1].Err)
		require.Equal(t, tokenize.Replayed, res[1].Details.Outcome)
	})
}
