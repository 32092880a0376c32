package plan_test

import (
	"fmt"
	"time"

	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/keys/plan"
)

// What README.md scales on paper: 5,000 seals and 15,000 opens per second.
func Example_scaling() {
	refresh := keys.Options{RefreshAfter: 20 * time.Minute, Grace: time.Hour}
	long := keys.Options{CacheLife: 24 * time.Hour, RefreshAfter: 12 * time.Hour, Grace: 12 * time.Hour, SealLease: time.Hour}
	longer := long
	longer.CacheRings = 100_000
	for _, row := range []struct {
		clocks            string
		layout            keys.Layout
		processes, scopes int
		o                 keys.Options
	}{
		{"20m", keys.Shared, 20, 1000, refresh},
		{"20m", keys.Shared, 1000, 100_000, refresh},
		{"20m", keys.PerScope, 20, 1000, refresh},
		{"20m", keys.PerScope, 20, 100_000, refresh},
		{"20m", keys.PerScope, 1000, 1000, refresh},
		{"20m", keys.PerScope, 1000, 100_000, refresh},
		{"12h", keys.PerScope, 1000, 100_000, long},
		{"12h, 100,000 rings", keys.PerScope, 1000, 100_000, longer},
	} {
		c, err := plan.Fleet{
			Layout: row.layout, Processes: row.processes, Scopes: row.scopes, Seals: 5000, Opens: 15_000,
			Options: row.o, Quota: plan.AWSSmallest, Price: plan.AWSPrice,
		}.Calls()
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Printf("| %v | %s | %d | %d | %s | %s | %s | %.0f %% | %v | %.2f | %s |\n",
			row.layout, row.clocks, row.processes, row.scopes, figure(c.PerSecond), figure(c.PerMillion), figure(c.Cold),
			100*c.PeakQuota, c.ColdStart.Round(time.Second), c.Price, figure(c.StoreReads))
	}
	// Output:
	// | shared | 20m | 20 | 1000 | 0.0167 | 0.833 | 20 | 0 % | 0s | 0.13 | 0.0868 |
	// | shared | 20m | 1000 | 100000 | 0.833 | 41.7 | 1000 | 10 % | 0s | 6.48 | 4.34 |
	// | per scope | 20m | 20 | 1000 | 16.7 | 833 | 20000 | 200 % | 2s | 129.60 | 85.9 |
	// | per scope | 20m | 20 | 100000 | 18159 | 907955 | 200000 | 200 % | 20s | 141205.09 | 18807 |
	// | per scope | 20m | 1000 | 1000 | 820 | 40984 | 1000000 | 200 % | 1m40s | 6373.77 | 2882 |
	// | per scope | 20m | 1000 | 100000 | 19632 | 981618 | 10000000 | 200 % | 16m40s | 152661.21 | 20481 |
	// | per scope | 12h | 1000 | 100000 | 18211 | 910540 | 10000000 | 200 % | 16m40s | 141607.22 | 18993 |
	// | per scope | 12h, 100,000 rings | 1000 | 100000 | 2108 | 105402 | 100000000 | 200 % | 2h46m40s | 16392.17 | 6378 |
}

// figure has three digits at least.
func figure(x float64) string {
	if x >= 100 {
		return fmt.Sprintf("%.0f", x)
	}
	return fmt.Sprintf("%.3g", x)
}
