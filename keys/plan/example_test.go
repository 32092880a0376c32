package plan_test

import (
	"fmt"
	"time"

	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/keys/plan"
)

// A fleet with a ring for each of 200 merchants, before it is built.
func ExampleFleet_Calls() {
	f := plan.Fleet{
		Layout: keys.PerScope, Processes: 20, Scopes: 200, Seals: 300, Opens: 700,
		Options: keys.Options{RefreshAfter: 20 * time.Minute, Grace: time.Hour},
		Quota:   plan.GoogleHSM, Price: plan.AWSPrice,
	}
	c, err := f.Calls()
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%.0f KMS calls a month, %.2f\n", c.PerMonth, c.Price)
	fmt.Printf("worst second %.0f, %.0f %% of the quota; cold start %v\n", c.Peak, 100*c.PeakQuota, c.ColdStart)
	// Output:
	// 8638775 KMS calls a month, 25.92
	// worst second 1000, 200 % of the quota; cold start 8s
}

func ExampleFleet_Outage() {
	f := plan.Fleet{Layout: keys.Shared, Processes: 20, Scopes: 200, Opens: 700}
	for _, grace := range []time.Duration{0, 10 * time.Minute, time.Hour} {
		f.Options.Grace = grace
		out, err := f.Outage(30 * time.Minute)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Printf("grace %v: no opens for up to %v, %.0f %% of all\n", grace, out.Failing, 100*out.Share)
	}
	// Output:
	// grace 0s: no opens for up to 30m0s, 25 % of all
	// grace 10m0s: no opens for up to 20m15s, 11 % of all
	// grace 1h0m0s: no opens for up to 0s, 0 % of all
}

func ExampleFleet_Ends() {
	f := plan.Fleet{
		Layout: keys.Shared, Processes: 20, Scopes: 1,
		Options: keys.Options{RefreshAfter: 20 * time.Minute, Grace: time.Hour},
	}
	e, err := f.Ends()
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("disabled in the key store, seals for", e.Seal, "and opens for", e.Open)
	fmt.Println("disabled in the KMS, opens for", e.OpenIdle, "or, if that is away,", e.OpenAway)
	// Output:
	// disabled in the key store, seals for 5m0s and opens for 5m0s
	// disabled in the KMS, opens for 20m15s or, if that is away, 2h0m0s
}
