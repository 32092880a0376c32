package otelobserve_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"
	sdk "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/cardseal/cardseal/backends/observe/otelobserve"
	"github.com/cardseal/cardseal/backends/store/memory"
	"github.com/cardseal/cardseal/crypto/envelope"
	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/keys/keystest"
)

func open(t *testing.T) (keys.Observer, *sdk.ManualReader) {
	t.Helper()
	r := sdk.NewManualReader()
	o, err := otelobserve.New(sdk.NewMeterProvider(sdk.WithReader(r)))
	require.NoError(t, err)
	return o, r
}

// points are the collected points as text: name, unit, attributes in order, and how
// many events each counted, with the seconds of histograms.
func points(t *testing.T, r *sdk.ManualReader) (all []string) {
	t.Helper()
	var got metricdata.ResourceMetrics
	require.NoError(t, r.Collect(t.Context(), &got))
	for _, s := range got.ScopeMetrics {
		for _, m := range s.Metrics {
			require.NotEmpty(t, m.Description)
			name := strings.TrimPrefix(m.Name, "cardseal.") + " " + m.Unit
			switch d := m.Data.(type) {
			case metricdata.Sum[int64]:
				require.True(t, d.IsMonotonic)
				for _, p := range d.DataPoints {
					all = append(all, fmt.Sprint(name, " ", p.Attributes.Encoded(encoder{}), " ", p.Value))
				}
			case metricdata.Histogram[float64]:
				for _, p := range d.DataPoints {
					all = append(all, fmt.Sprint(name, " ", p.Attributes.Encoded(encoder{}), " ", p.Count, " in ", p.Sum))
				}
			}
		}
	}
	slices.Sort(all)
	return all
}

func TestEvents(t *testing.T) {
	o, r := open(t)
	ring := keys.RingID{Environment: "test", Purpose: keys.PAN, Scope: "a-scope"}
	failed := errors.Join(keys.ErrThrottled, errors.New("a vendor's words"))
	for _, e := range []keys.Event{
		{Kind: keys.KMSCall, KEK: "kek-1", Op: keys.OpWrap, Took: 2 * time.Second},
		{Kind: keys.KMSCall, KEK: "kek-1", Op: keys.OpWrap, Took: time.Second},
		{Kind: keys.KMSCall, KEK: "kek-2", Op: keys.OpUnwrap, Took: time.Second, Err: failed},
		{Kind: keys.CacheHit}, {Kind: keys.CacheMiss}, {Kind: keys.CacheHit},
		{Kind: keys.Grace, Err: failed}, {Kind: keys.Ended}, {Kind: keys.Rotated}, {Kind: keys.Rotated, Err: failed},
		{Kind: keys.Refreshed, Took: time.Second}, {Kind: keys.RingRead, Took: time.Millisecond},
		{Kind: keys.UnderReplicated, Err: failed}, {Kind: keys.StateChanged, State: keys.Disabled}, {Kind: keys.Rewrapped},
	} {
		e.Ring, e.Key = ring, envelope.NewKeyID()
		o.Observe(t.Context(), e)
	}
	o.Observe(t.Context(), keys.Event{Kind: 200}) // of a later version
	require.Equal(t, []string{
		"key.changes {key} environment=test purpose=pan state=disabled 1",
		"key.ends {key} environment=test outcome=ok purpose=pan 1",
		"key.graces {key} environment=test outcome=throttled purpose=pan 1",
		"key.lookups {lookup} environment=test purpose=pan result=hit 2",
		"key.lookups {lookup} environment=test purpose=pan result=miss 1",
		"key.refresh.duration s environment=test outcome=ok purpose=pan 1 in 1",
		"key.rewraps {key} environment=test outcome=ok purpose=pan 1",
		"key.rotations {key} environment=test outcome=ok purpose=pan 1",
		"key.rotations {key} environment=test outcome=throttled purpose=pan 1",
		"key.underreplications {key} environment=test outcome=throttled purpose=pan 1",
		"kms.call.duration s environment=test kek=kek-1 op=wrap outcome=ok purpose=pan 2 in 3",
		"kms.call.duration s environment=test kek=kek-2 op=unwrap outcome=throttled purpose=pan 1 in 1",
		"ring.read.duration s environment=test outcome=ok purpose=pan 1 in 0.001",
	}, points(t, r))
}

// Every kind of event that a manager tells of has a metric.
func TestNoKindIsLeftOut(t *testing.T) {
	for kind := keys.EventKind(1); kind.String() != "invalid"; kind++ {
		o, r := open(t)
		o.Observe(t.Context(), keys.Event{Kind: kind})
		require.Len(t, points(t, r), 1, kind.String())
	}
}

// What managers do at once is counted in full, for the race detector too.
func TestManagers(t *testing.T) {
	o, r := open(t)
	kek := keystest.NewKEK("kek-1")
	var all sync.WaitGroup
	for range 8 {
		m, err := keys.Open(t.Context(), memory.New().Keys(), kek, &keys.Options{Observer: o})
		require.NoError(t, err)
		defer m.Close()
		all.Go(func() {
			for range 5 {
				if _, err := m.Rotate(t.Context(), keys.PAN); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	got := strings.Join(points(t, r), "\n")
	require.Contains(t, got, "key.rotations {key} environment=production outcome=ok purpose=pan 32")
	require.Contains(t, got, "kms.call.duration s environment=production kek=kek-1 op=wrap outcome=ok purpose=pan 40 in ")
}

// A provider that makes no instruments is reported.
func TestRefused(t *testing.T) {
	for _, p := range []metric.MeterProvider{refusing{counters: true}, refusing{}} {
		_, err := otelobserve.New(p)
		require.ErrorIs(t, err, errRefused)
	}
}

var errRefused = errors.New("refused")

type refusing struct {
	noop.MeterProvider
	counters bool
}

func (r refusing) Meter(string, ...metric.MeterOption) metric.Meter {
	return refusingMeter{counters: r.counters}
}

type refusingMeter struct {
	noop.Meter
	counters bool
}

func (m refusingMeter) Int64Counter(string, ...metric.Int64CounterOption) (metric.Int64Counter, error) {
	return nil, errRefused
}

func (m refusingMeter) Float64Histogram(string, ...metric.Float64HistogramOption) (metric.Float64Histogram, error) {
	if m.counters {
		return noop.Float64Histogram{}, nil
	}
	return nil, errRefused
}
