package plan_test

import (
	"flag"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/keys/keystest"
	"github.com/cardseal/cardseal/keys/plan"
)

var scopes = flag.Int("scopes", usual, "scopes of the simulated fleets")

// twenty is a fleet of 20 processes that do what the simulation's do.
func twenty(l keys.Layout, o keys.Options) plan.Fleet {
	rate := 20 * float64(*scopes) / step.Seconds()
	return plan.Fleet{Layout: l, Processes: 20, Scopes: *scopes, Seals: rate, Opens: rate, Options: o}
}

var layouts = []keys.Layout{keys.Shared, keys.PerScope}

// Clocks of the simulated fleets, beside the defaults.
func refreshing() keys.Options { return keys.Options{RefreshAfter: 20 * time.Minute} }
func expiring() keys.Options   { return keys.Options{} }
func graceful() keys.Options   { return keys.Options{Grace: time.Hour} }

// Calls are at most what is planned, and not far from it.
func TestFleetCalls(t *testing.T) {
	rotating := refreshing()
	rotating.RotateAge = 2 * time.Hour
	crowded := expiring()
	crowded.CacheRings = 16
	for name, o := range map[string]keys.Options{
		"refreshing": refreshing(), "expiring": expiring(), "rotating": rotating, "crowded": crowded,
	} {
		for _, l := range layouts {
			t.Run(name+"/"+l.String(), func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					f := twenty(l, o)
					// The archive's key goes on being opened however old it is.
					f.OpenAge = o.RotateAge
					c, err := f.Calls()
					require.NoError(t, err)
					w := run(t, f, random, time.Hour)
					defer w.close()
					time.Sleep(2 * time.Hour)
					const long = 6 * time.Hour
					got := w.during(long)
					want := c.PerSecond * long.Seconds()
					t.Logf("%d scopes: KMS calls %.0f of %.0f planned; %.0f of %.0f per million records; store reads %.0f of %.0f",
						f.Scopes, got.calls, want, got.calls/got.records*1e6, c.PerMillion, got.reads, c.StoreReads*long.Seconds())
					require.Zero(t, got.failed+got.sealsFailed)
					require.InEpsilon(t, (f.Seals+f.Opens)*long.Seconds(), got.records, 0.02)
					require.LessOrEqual(t, got.calls, want*1.02+c.Cold*0.05)
					require.GreaterOrEqual(t, got.calls, want*0.85)
					require.LessOrEqual(t, got.reads, c.StoreReads*long.Seconds()*1.02)
					require.GreaterOrEqual(t, got.reads, c.StoreReads*long.Seconds()*0.75)
				})
			})
		}
	}
}

// A fleet that starts at once makes its cold calls, and no more, whatever callers
// come together.
func TestFleetColdStart(t *testing.T) {
	for _, l := range layouts {
		t.Run(l.String(), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				f := twenty(l, refreshing())
				c, err := f.Calls()
				require.NoError(t, err)
				w := run(t, f, regular, 0)
				defer w.close()
				time.Sleep(2 * step)
				require.Equal(t, int(c.Cold), w.kek.Calls()-w.before)
				quiet := w.during(f.Options.RefreshAfter - 3*step)
				require.Zero(t, quiet.calls)
			})
		})
	}
}

// In a region's outage of 30 minutes no open fails with grace, or with refreshing
// that leaves enough of the cache life, and otherwise as many as planned. Seals go on
// as opens do as long as the store is there.
func TestFleetOutage(t *testing.T) {
	late := keys.Options{RefreshAfter: 45 * time.Minute}
	short := keys.Options{Grace: 10 * time.Minute}
	const d = 30 * time.Minute
	for name, o := range map[string]keys.Options{
		"graceful": graceful(), "refreshing": refreshing(), "expiring": expiring(), "late": late, "short grace": short,
	} {
		for _, where := range []string{"kms", "kms and store", "kms hangs"} {
			if where == "kms hangs" && o.Grace != time.Hour && o.RefreshAfter != 20*time.Minute {
				continue // each failing open takes its time, so that fewer are made
			}
			for _, l := range layouts {
				t.Run(name+"/"+where+"/"+l.String(), func(t *testing.T) {
					bubble(t, func(t *testing.T) {
						f := twenty(l, o)
						out, err := f.Outage(d)
						require.NoError(t, err)
						spread := time.Hour // such that keys are of all ages
						if o.RefreshAfter > 0 {
							spread = o.RefreshAfter
						}
						w := run(t, f, regular, spread)
						defer w.close()
						time.Sleep(2 * spread)
						if w.kek.Always(keystest.Fail(keys.ErrUnavailable)); where == "kms hangs" {
							w.kek.Always(keystest.Hang())
						}
						w.store.away.Store(where == "kms and store")
						got, longest := w.during(d), w.longest()
						w.kek.Never()
						w.store.away.Store(false)
						after := w.during(2 * step)
						t.Logf("%d scopes: %.0f of %.0f opens failed, %.1f %% of %.1f %% planned; for %v of %v; %.2f KMS calls/s of %.2f",
							f.Scopes, got.failed, got.opens, 100*got.failed/got.opens, 100*out.Share, longest, out.Failing, got.calls/d.Seconds(), out.Calls)
						require.LessOrEqual(t, got.failed, got.opens*float64(out.Failing)/float64(d))
						require.LessOrEqual(t, longest, out.Failing+step)
						require.GreaterOrEqual(t, longest, out.Failing*7/10)
						require.InDelta(t, out.Share, got.failed/got.opens, 0.05)
						switch {
						case where == "kms and store":
							require.Greater(t, got.sealsFailed, got.opens/2, "sealed without a lease")
						case out.Failing == 0:
							require.Zero(t, got.sealsFailed)
						}
						require.LessOrEqual(t, got.calls/d.Seconds(), out.Calls)
						require.LessOrEqual(t, after.failed, float64(20*f.Scopes), "what was under way")
						require.Zero(t, w.during(step).failed, "all is well again")
					})
				})
			}
		}
	}
}

// A KMS that throttles every other call costs a call more for each, and no record.
func TestFleetThrottled(t *testing.T) {
	for _, l := range layouts {
		t.Run(l.String(), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				f := twenty(l, refreshing())
				c, err := f.Calls()
				require.NoError(t, err)
				w := run(t, f, random, time.Hour)
				defer w.close()
				time.Sleep(2 * time.Hour)
				w.kek.Each(func(_ keys.Op, n int) keystest.Fault {
					if n%2 == 0 {
						return keystest.Throttle()
					}
					return keystest.Fault{}
				})
				const long = 4 * time.Hour
				got := w.during(long)
				want := 2 * c.PerSecond * long.Seconds()
				t.Logf("%d scopes: KMS calls %.0f of %.0f", f.Scopes, got.calls, want)
				require.Zero(t, got.failed+got.sealsFailed)
				require.LessOrEqual(t, got.calls, want*1.05)
				require.GreaterOrEqual(t, got.calls, want*0.85)
			})
		})
	}
}

// A key that is disabled, in the store or its KMS, opens no longer than planned
// anywhere, grace or not, and in the store's case for the process that did it not
// at all.
func TestFleetDisabled(t *testing.T) {
	both := graceful()
	both.RefreshAfter = 20 * time.Minute
	for name, o := range map[string]keys.Options{"refreshing": refreshing(), "expiring": expiring(), "both": both, "graceful": graceful()} {
		for _, where := range []string{"store", "kms"} {
			for _, l := range layouts {
				t.Run(name+"/"+where+"/"+l.String(), func(t *testing.T) {
					bubble(t, func(t *testing.T) {
						f := twenty(l, o)
						ends, err := f.Ends()
						require.NoError(t, err)
						w := run(t, f, regular, time.Hour)
						defer w.close()
						time.Sleep(2 * time.Hour)
						start, bound := time.Now(), ends.OpenIdle
						if where == "store" {
							bound = ends.Open
							disableAll(t, w, f)
						} else {
							w.kek.Always(keystest.Fail(keys.ErrDisabled))
						}
						got := w.during(bound + step)
						require.Greater(t, got.opens, got.failed)
						last := w.lastOpened(start)
						t.Logf("%d scopes: opened for %v of %v", f.Scopes, last, bound)
						require.LessOrEqual(t, last, bound+step)
						require.GreaterOrEqual(t, last, bound*7/10, "the bound is far off")
						gone := w.during(2 * step)
						require.Equal(t, gone.opens, gone.failed, "it opens still")
					})
				})
			}
		}
	}
}

// disableAll rotates every ring and disables the keys of the archive, by way of
// the first process.
func disableAll(t *testing.T, w *fleet, f plan.Fleet) {
	rings := 1
	if f.Layout == keys.PerScope {
		rings = f.Scopes
	}
	for i := range rings {
		s := scope(t, w.managers[0], f.Layout, i)
		id, err := s.ActiveKey(t.Context())
		require.NoError(t, err)
		_, err = s.Rotate(t.Context())
		require.NoError(t, err)
		require.NoError(t, w.managers[0].Disable(t.Context(), id))
	}
	synctest.Wait()
}
