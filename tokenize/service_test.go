package tokenize_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/backends/store/memory"
	"github.com/cardseal/cardseal/tokenize"
	"github.com/cardseal/cardseal/tokenize/card"
)

// A verifier that does not answer is waited for so long and no longer, whether it
// heeds its context or not; one that hangs for good cannot pile up.
func TestHangingVerifier(t *testing.T) {
	bubble(t, func(t *testing.T) {
		release := make(chan struct{})
		hang := func(context.Context, tokenize.VerifyRequest) (tokenize.Verified, error) {
			<-release
			return tokenize.ExternalSuccessful, nil
		}
		a := &acquirer{answer: func(ctx context.Context, _ tokenize.VerifyRequest) (tokenize.Verified, error) {
			<-ctx.Done()
			return tokenize.ExternalSuccessful, ctx.Err()
		}}
		w := newWorld(t, memory.New(), &tokenize.Options{Verifier: a, ServiceTimeout: 5 * time.Second, ServiceCalls: 2})
		r := w.repo(tokenize.UUID, tokenize.UniqueCard, verifyAcquirer)
		busy := func(want time.Duration, qs ...tokenize.SaveRequest) {
			t.Helper()
			start := time.Now()
			for _, res := range w.batch(r, qs...) {
				require.Equal(t, tokenize.ExternalProcessingError, fails(t, res.Err, tokenize.ServerBusy, "", tokenize.ErrVerification).Verified)
			}
			require.Equal(t, want, time.Since(start))
		}
		busy(5*time.Second, req(t, visa))
		busy(10*time.Second, req(t, visa), req(t, master), req(t, amex))

		// The caller's own deadline ends the call, and nothing is said of the card.
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := r.Save(short, req(t, visa))
		require.Equal(t, "CANCELLED", fails(t, err, tokenize.ServerBusy, "", context.DeadlineExceeded).SupportCode)

		a.says(hang)
		a.take()
		busy(5*time.Second, req(t, visa), req(t, master))
		busy(5*time.Second, req(t, visa), req(t, master)) // there is no room
		require.Len(t, a.take(), 2)
		require.Empty(t, w.dump(r))
		close(release)
		require.Equal(t, tokenize.ExternalSuccessful, w.save(r, req(t, visa)).Verified)
	})
}

// A batch asks about several cards at once, never more than it may, and over all
// callers.
func TestVerifierBound(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var mu sync.Mutex
		now, most := 0, 0
		count := func(by int) {
			mu.Lock()
			defer mu.Unlock()
			now += by
			most = max(most, now)
		}
		a := &acquirer{answer: func(context.Context, tokenize.VerifyRequest) (tokenize.Verified, error) {
			count(1)
			defer count(-1)
			time.Sleep(time.Second)
			return tokenize.ExternalSuccessful, nil
		}}
		for _, c := range []struct {
			calls, want int
			took        time.Duration
		}{{0, 32, 7 * time.Second}, {7, 7, 29 * time.Second}} {
			w := newWorld(t, memory.New(), &tokenize.Options{Verifier: a, ServiceCalls: c.calls})
			r := w.repo(tokenize.UUID, tokenize.UniqueCard, verifyAcquirer)
			start := time.Now()
			most = 0
			var wg sync.WaitGroup
			for half := range 2 {
				wg.Go(func() {
					qs := make([]tokenize.SaveRequest, 100)
					for i := range qs {
						qs[i] = tokenize.SaveRequest{Caller: me, Card: card.Details{Number: counted(t, 100*half+i)}}
					}
					for _, res := range w.batch(r, qs...) {
						require.Nil(t, res.Err)
					}
				})
			}
			wg.Wait()
			require.Equal(t, c.want, most)
			require.Equal(t, c.took, time.Since(start))
			require.Len(t, w.dump(r), 200)
		}
	})
}

func TestServiceOptions(t *testing.T) {
	w := inMemory(t)
	_, err := tokenize.Open(t.Context(), w.cards, w.keys, &tokenize.Options{ServiceTimeout: -1})
	fails(t, err, tokenize.InvalidRequest, "serviceTimeout", nil)
	_, err = tokenize.Open(t.Context(), w.cards, w.keys, &tokenize.Options{ServiceCalls: -1})
	fails(t, err, tokenize.InvalidRequest, "serviceCalls", nil)
}
