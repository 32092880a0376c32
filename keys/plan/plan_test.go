package plan_test

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/keys/keystest"
	"github.com/cardseal/cardseal/keys/plan"
)

// Figures worked out by hand from the formulas of the package comment.
func TestCalls(t *testing.T) {
	hourly := keys.Options{CacheLife: 20 * time.Hour, SealLease: time.Hour, RenewAge: time.Hour} // T = 3 minutes
	busy := plan.Fleet{Layout: keys.Shared, Processes: 10, Scopes: 500, Seals: 6000, Opens: 4000, Options: hourly}
	shared, err := busy.Calls()
	require.NoError(t, err)
	require.Equal(t, 1.0, shared.Rings)
	require.Equal(t, 10.0, shared.Cold)
	require.Equal(t, 10.0, shared.Peak)
	// 10 processes, each after 19:57 h and a thousandth of a second.
	require.InDelta(t, 10/71820.001, shared.PerSecond, 1e-12)
	require.InDelta(t, 10/71820.001*2_592_000, shared.PerMonth, 1e-6)
	require.InDelta(t, 10/71820.001*100, shared.PerMillion, 1e-9)
	require.InDelta(t, shared.PerSecond+10/(57*60+10.0/6000), shared.StoreReads, 1e-12)

	own := busy
	own.Layout, own.Purposes, own.Quota, own.Price = keys.PerScope, 2, 500, 0.03
	c, err := own.Calls()
	require.NoError(t, err)
	require.Equal(t, 1000.0, c.Rings)
	require.Equal(t, 10_000.0, c.Cold)
	require.Equal(t, 10_000.0, c.Peak)
	require.Equal(t, 20.0, c.PeakQuota)
	require.Equal(t, 20*time.Second, c.ColdStart)
	require.InDelta(t, 10_000/71821.0, c.PerSecond, 1e-9)
	require.InDelta(t, c.PerMonth/10_000*0.03, c.Price, 1e-9)

	own.Seals, own.Opens = 30, 20 // so few that the worst second is theirs
	c, err = own.Calls()
	require.NoError(t, err)
	require.Equal(t, 50.0, c.Peak)
	require.Zero(t, c.ColdStart)

	// Half of the rings find no room, and half of the keys none in those.
	own.Options.CacheRings, own.Options.RotateAge, own.OpenAge = 500, 24*time.Hour, 15*24*time.Hour
	c, err = own.Calls()
	require.NoError(t, err)
	require.Equal(t, 16.0, c.KeysInUse)
	require.Equal(t, 0.25, c.HitRate)
	require.Equal(t, 4000.0, c.Held)
	use := 50.0 / (10 * 1000 * 16)
	warm := 40_000 / (71820 + 1/use)
	made := 1000 * (1 + 9*1.0) / (86400 + 1000/30.0)
	require.InDelta(t, warm+50*0.75+made, c.PerSecond, 1e-9)

	idle := plan.Fleet{Layout: keys.Shared, Processes: 3, Scopes: 1}
	c, err = idle.Calls()
	require.NoError(t, err)
	require.Zero(t, c.PerSecond)
	require.Zero(t, c.PerMillion)
	require.False(t, math.IsNaN(c.Price))
}

// Each KEK wraps a new data key; one unwraps it.
func TestKEKs(t *testing.T) {
	f := plan.Fleet{Layout: keys.Shared, Processes: 1, Scopes: 1, Seals: 1e6, Options: keys.Options{RotateAge: time.Hour}}
	one, err := f.Calls()
	require.NoError(t, err)
	f.Options.KEKs = []keys.KEK{keystest.NewKEK("b"), keystest.NewKEK("c")}
	three, err := f.Calls()
	require.NoError(t, err)
	require.InDelta(t, 2.0/3600, three.PerSecond-one.PerSecond, 1e-9)
	f.KEKs = 1
	again, err := f.Calls()
	require.NoError(t, err)
	require.Equal(t, one, again)
}

func TestOutageAndEnds(t *testing.T) {
	const d = 30 * time.Minute
	cases := map[string]struct {
		o       keys.Options
		failing time.Duration
		share   float64
		open    time.Duration // after the KEK was disabled
		away    time.Duration
	}{ // T is 15 seconds
		"defaults":      {keys.Options{}, d, 0.25 + 0.25/60, time.Hour, time.Hour},
		"grace":         {keys.Options{Grace: time.Hour}, 0, 0, time.Hour, 2 * time.Hour},
		"refresh":       {keys.Options{RefreshAfter: 20 * time.Minute}, 0, 0, 20*time.Minute + 15*time.Second, time.Hour},
		"late refresh":  {keys.Options{RefreshAfter: 59*time.Minute + 30*time.Second}, d, 15 / 59.75, time.Hour - 15*time.Second, time.Hour},
		"grace too low": {keys.Options{Grace: 10 * time.Minute}, 20*time.Minute + 15*time.Second, 20.25 * 20.25 / 2 / 60 / 30, time.Hour, 70 * time.Minute},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			f := plan.Fleet{Layout: keys.Shared, Processes: 4, Scopes: 1, Opens: 100, Options: c.o}
			out, err := f.Outage(d)
			require.NoError(t, err)
			require.Equal(t, c.failing, out.Failing)
			require.InDelta(t, c.share, out.Share, 0.0001)
			want := 4 * 4 * (1/15.0 + 2/1800.0) // tries, processes
			if c.failing > 0 {
				want += 4 * 100
			}
			require.InDelta(t, want, out.Calls, 1e-9)
			ends, err := f.Ends()
			require.NoError(t, err)
			require.Equal(t, plan.Ends{Seal: 5 * time.Minute, Open: 5 * time.Minute, OpenIdle: c.open, OpenAway: c.away}, ends)
		})
	}
	out, err := plan.Fleet{Layout: keys.Shared, Processes: 1, Scopes: 1}.Outage(0)
	require.NoError(t, err)
	require.Zero(t, out)
}

func TestRefused(t *testing.T) {
	good := plan.Fleet{Layout: keys.Shared, Processes: 1, Scopes: 1, Seals: 1}
	for field, spoil := range map[string]func(f *plan.Fleet){
		"Layout":    func(f *plan.Fleet) { f.Layout = 0 },
		"Processes": func(f *plan.Fleet) { f.Processes = 0 },
		"Scopes":    func(f *plan.Fleet) { f.Scopes = -1 },
		"Purposes":  func(f *plan.Fleet) { f.Purposes = -1 },
		"KEKs":      func(f *plan.Fleet) { f.KEKs = -1 },
		"Seals":     func(f *plan.Fleet) { f.Seals = math.NaN() },
		"Opens":     func(f *plan.Fleet) { f.Opens = math.Inf(1) },
		"Quota":     func(f *plan.Fleet) { f.Quota = -1 },
		"Price":     func(f *plan.Fleet) { f.Price = -1 },
		"OpenAge":   func(f *plan.Fleet) { f.OpenAge = -1 },
		"CacheLife": func(f *plan.Fleet) { f.Options.CacheLife = 25 * time.Hour },
	} {
		f := good
		spoil(&f)
		_, calls := f.Calls()
		_, outage := f.Outage(time.Minute)
		_, ends := f.Ends()
		for _, err := range []error{calls, outage, ends} {
			var o *keys.OptionError
			require.ErrorAs(t, err, &o)
			require.Equal(t, field, o.Field)
		}
	}
}
