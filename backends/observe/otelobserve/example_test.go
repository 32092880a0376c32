package otelobserve_test

import (
	"context"
	"fmt"

	sdk "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/cardseal/cardseal/backends/observe/otelobserve"
	"github.com/cardseal/cardseal/backends/store/memory"
	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/keys/keystest"
)

func ExampleNew() {
	ctx := context.Background()
	reader := sdk.NewManualReader() // in production one that exports
	o, err := otelobserve.New(sdk.NewMeterProvider(sdk.WithReader(reader)))
	if err != nil {
		fmt.Println(err)
		return
	}
	m, err := keys.Open(ctx, memory.New().Keys(), keystest.NewKEK("example"), &keys.Options{Observer: o})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer m.Close()
	if _, err := m.Rotate(ctx, keys.PAN); err != nil {
		fmt.Println(err)
		return
	}
	var got metricdata.ResourceMetrics
	if err := reader.Collect(ctx, &got); err != nil {
		fmt.Println(err)
		return
	}
	for _, m := range got.ScopeMetrics[0].Metrics {
		fmt.Println(m.Name)
	}
	// Unordered output:
	// cardseal.kms.call.duration
	// cardseal.ring.read.duration
}
