package keys_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/keys"
)

// hangs is a call that is never answered.
func hangs(ctx context.Context, _ string, _ int) error {
	<-ctx.Done()
	return ctx.Err()
}

// A KMS or store that does not answer cannot be reached: keys serve by their grace, for
// whoever waits until that is known.
func TestGraceWhereNothingAnswers(t *testing.T) {
	for _, c := range []struct{ mode, where string }{{"stored", "kms"}, {"stored", "store"}, {"inline", "kms"}} {
		for _, refresh := range []time.Duration{0, 20 * time.Minute} {
			t.Run(c.mode+"/"+c.where+"/"+refresh.String(), func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					w := worlds()[c.mode]
					h := &hookStore{}
					if c.mode == "stored" {
						h = w.hooked()
					}
					o, seen := clocks(), &events{}
					o.RefreshAfter, o.Observer = refresh, seen
					s := pan(t, w.manager(t, o))
					record := seal(t, s)
					if c.where == "kms" {
						w.kek.Before(hangs)
					} else {
						h.hooks(hangs, nil)
					}
					start := time.Now()
					end := o.CacheLife + o.Grace
					for time.Since(start) < end-time.Minute {
						opens(t, s, record)
						if c.mode == "inline" {
							require.Equal(t, keyOf(t, record), keyOf(t, seal(t, s)))
						}
						sleep(t, "20s")
					}
					require.NotEmpty(t, seen.of(keys.Grace))
					sleep(t, "2m")
					refuses(t, s, record, additional(), keys.ErrUnavailable)
				})
			})
		}
	}
}

// A key that is too old seals on where the KMS does not answer a new one's wrapping.
func TestRotateAgeWhereNothingAnswers(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld()
		o := clocks()
		o.RotateAge = 30 * time.Minute
		s := pan(t, w.manager(t, o))
		record := seal(t, s)
		w.kek.Before(hangs)
		for range 120 {
			sleep(t, "1m")
			require.Equal(t, keyOf(t, record), keyOf(t, seal(t, s)))
		}
		w.kek.Before(nil)
		sleep(t, "6m")
		require.NotEqual(t, keyOf(t, record), keyOf(t, seal(t, s)))
	})
}
