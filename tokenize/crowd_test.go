package tokenize_test

import (
	"errors"
	"flag"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/tokenize"
	"github.com/cardseal/cardseal/tokenize/card"
	"github.com/cardseal/cardseal/tokenize/generate"
)

var fillLength = flag.Int("fill", 14, "length of the cards whose PRESERVE_6_4 tokens TestPreserveFillsUp takes: 14 is 9,000 tokens, 16 is 900,000")

// fillCards makes requests for the cards of one first six and last four in turn, each
// of which comes nine times until all tokens are taken.
func fillCards(t *testing.T) func() tokenize.SaveRequest {
	middle := 0
	return func() tokenize.SaveRequest {
		for {
			digits := fmt.Sprintf("400000%0*d4111", *fillLength-10, middle)
			middle++
			if len(digits) > *fillLength {
				middle = 0
			} else if card.Luhn([]byte(digits)) {
				return req(t, digits)
			}
		}
	}
}

// A space is filled to the last token, in batches and by single saves. The store is
// read whole a bounded number of times, so that a token costs about the same however
// crowded it is.
func TestPreserveFillsUp(t *testing.T) {
	for name, batch := range map[string]int{"single": 1, "batch": 1000} {
		t.Run(name, func(t *testing.T) {
			some := stores
			if batch == 1 { // thousands of transactions on a disk show nothing more
				some = func(t *testing.T, test func(*testing.T, *world)) { test(t, inMemory(t)) }
			}
			some(t, func(t *testing.T, w *world) {
				r := w.repo(tokenize.Preserve64, tokenize.UniqueToken, verifyNone)
				next := fillCards(t)
				space, err := generate.NewSpace64("400000", "4111", *fillLength)
				require.NoError(t, err)
				size := int(space.Size())
				seen := make(map[string]bool, size)
				scans := 0
				for tenth := range 10 {
					w.cards.set(nil, nil)
					begun := time.Now()
					for n := size / 10; n > 0; {
						reqs := make([]tokenize.SaveRequest, min(batch, n))
						for i := range reqs {
							reqs[i] = next()
						}
						n -= len(reqs)
						if batch == 1 {
							seen[w.save(r, reqs[0]).Token] = true
							continue
						}
						for _, res := range w.batch(r, reqs...) {
							require.Nil(t, res.Err)
							seen[res.Details.Token] = true
						}
					}
					scanned := count(w.cards.made(), "Ordered")
					scans += scanned
					t.Logf("tenth %d: %v a token, %d readings of the space", tenth+1,
						time.Since(begun)/time.Duration(size/10), scanned)
				}
				require.Len(t, seen, size, "all of them, each once")
				require.LessOrEqual(t, scans, 32, "they begin late, and each serves a 64th")
				require.Positive(t, scans)
				_, err = r.Save(t.Context(), next())
				fails(t, err, tokenize.RequestRejected, "", tokenize.ErrExhausted)
				taken, whole, err := r.Crowding(t.Context(), me, "400000", "4111", *fillLength)
				require.NoError(t, err)
				require.Equal(t, [2]uint64{space.Size(), space.Size()}, [2]uint64{taken, whole})
			})
		})
	}
}

func count(all []string, one string) (n int) {
	for _, s := range all {
		if s == one {
			n++
		}
	}
	return n
}

// Processes that draw from one space side by side get every token once, and each of
// them learns that it is full.
func TestPreserveFilledByMany(t *testing.T) {
	w := inMemory(t)
	r := w.repo(tokenize.Preserve64, tokenize.UniqueToken)
	var mu sync.Mutex
	var wg sync.WaitGroup
	seen := map[string]bool{}
	saves := 0
	for range 4 {
		o := w.other(r)
		wg.Go(func() {
			for {
				res, err := o.SaveBatch(t.Context(), slices.Repeat([]tokenize.SaveRequest{req(t, diners)}, 50))
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				full := false
				for _, one := range res {
					if one.Err != nil {
						full = errors.Is(one.Err, tokenize.ErrExhausted)
						continue
					}
					saves++
					seen[one.Details.Token] = true
				}
				mu.Unlock()
				if full {
					return
				}
			}
		})
	}
	wg.Wait()
	require.Equal(t, 9000, saves)
	require.Len(t, seen, 9000)
}

// A space that was found full is not read again for each save, but after a while: the
// store may have been put back to an earlier state.
func TestPreserveFullIsRemembered(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := inMemory(t)
		r := w.repo(tokenize.Preserve64, tokenize.UniqueToken)
		fill(w, r, 0)
		full := func() {
			_, err := r.Save(t.Context(), req(t, diners))
			fails(t, err, tokenize.RequestRejected, "", tokenize.ErrExhausted)
		}
		full()
		w.cards.set(nil, nil)
		for range 5 {
			full()
		}
		require.Zero(t, count(w.cards.made(), "Ordered"))
		require.Zero(t, count(w.cards.made(), "Get"))
		time.Sleep(time.Minute)
		full()
		require.Equal(t, 1, count(w.cards.made(), "Ordered"))
	})
}

// A write that fails takes nothing away: its token can be drawn again.
func TestPreserveLastTokenAfterAFailure(t *testing.T) {
	w := inMemory(t)
	r := w.repo(tokenize.Preserve64, tokenize.UniqueToken)
	fill(w, r, 1)
	down := errors.New("down")
	for range 3 {
		w.cards.set(func(op string, _ int) error {
			if op == "Write" {
				return down
			}
			return nil
		}, nil)
		_, err := r.Save(t.Context(), req(t, diners))
		require.ErrorIs(t, err, down)
	}
	w.cards.set(nil, nil)
	res := w.batch(r, req(t, diners), req(t, diners), req(t, diners))
	require.Nil(t, res[0].Err)
	for _, one := range res[1:] {
		require.ErrorIs(t, one.Err, tokenize.ErrExhausted)
	}
	require.LessOrEqual(t, count(w.cards.made(), "Ordered"), 4, "once a plan")
}

func TestCrowding(t *testing.T) {
	w := inMemory(t)
	r := w.repo(tokenize.Preserve64, tokenize.UniqueToken)
	for range 3 {
		require.NoError(t, r.Delete(t.Context(), me, w.save(r, req(t, diners)).Token))
		w.save(r, req(t, diners))
	}
	taken, size, err := r.Crowding(t.Context(), me, diners[:6], diners[10:], 14)
	require.NoError(t, err)
	require.EqualValues(t, 6, taken)
	require.EqualValues(t, 9000, size)
	taken, _, err = r.Crowding(t.Context(), me, diners[:6], diners[10:], 15)
	require.NoError(t, err)
	require.Zero(t, taken)

	_, _, err = r.Crowding(t.Context(), tokenize.Caller{}, diners[:6], diners[10:], 14)
	fails(t, err, tokenize.RequestRejected, "caller", tokenize.ErrPermission)
	_, _, err = r.Crowding(t.Context(), me, diners[:6], diners[10:], 13)
	fails(t, err, tokenize.InvalidRequest, "number", generate.ErrTooShort)
	other := w.repo(tokenize.UUID, tokenize.UniqueToken)
	_, _, err = other.Crowding(t.Context(), me, diners[:6], diners[10:], 14)
	fails(t, err, tokenize.InvalidRequest, "generation", nil)
}
