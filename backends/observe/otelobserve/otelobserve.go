// Package otelobserve counts and times what a keys.Manager does with OpenTelemetry
// metrics: pass [New]'s result as keys.Options.Observer.
//
//	cardseal.kms.call.duration      s         tries of KMS calls: purpose, kek, op, outcome
//	cardseal.key.lookups            {lookup}  look-ups beside the warm path: purpose, result (hit, miss)
//	cardseal.key.graces             {key}     data keys that serve past their life, as the KMS is away: purpose, outcome
//	cardseal.key.refresh.duration   s         renewals of a data key in use: purpose, outcome
//	cardseal.key.ends               {key}     data keys given up since disabled, denied or lost: purpose, outcome
//	cardseal.key.rotations          {key}     data keys made in place of others: purpose, outcome
//	cardseal.key.underreplications  {key}     data keys that fewer than all KEKs wrapped: purpose, outcome
//	cardseal.key.changes            {key}     changes of state by this process: purpose, state
//	cardseal.key.rewraps            {key}     data keys whose wrappings were moved: purpose, outcome
//	cardseal.ring.read.duration     s         reads of a ring from the key store: purpose, outcome
//
// Every point also has the environment. An outcome is "ok" or the kind of failure,
// "throttled" or "denied". Scopes and key IDs are left out: a fleet has too many for
// a time series each. No point holds a key or a vendor's words. A warm seal or open
// is not counted, since the manager tells its observer nothing of it.
//
// The observer is safe for concurrent use. It needs the API of OpenTelemetry alone;
// exporting is the MeterProvider's business. Names and attributes above stay: a
// change is a line in the CHANGELOG. Not for single events: package slogobserve tells
// those.
package otelobserve

import (
	"context"
	"fmt"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/cardseal/cardseal/backends/observe/internal/outcome"
	"github.com/cardseal/cardseal/keys"
)

// scope is the instrumentation scope.
const scope = "github.com/cardseal/cardseal/backends/observe/otelobserve"

// bounds of the histograms' buckets in seconds: a KMS nearby answers in some
// milliseconds, and gives up after keys.Options.Timeout.
var bounds = []float64{.001, .002, .005, .01, .02, .05, .1, .2, .5, 1, 2, 5, 10, 30}

// observer has one instrument for each kind of event.
type observer struct {
	counters  map[keys.EventKind]metric.Int64Counter
	durations map[keys.EventKind]metric.Float64Histogram
}

// New returns an observer with instruments of p, which must not be nil. It fails
// where p does not make them.
func New(p metric.MeterProvider) (keys.Observer, error) {
	o := &observer{map[keys.EventKind]metric.Int64Counter{}, map[keys.EventKind]metric.Float64Histogram{}}
	meter := p.Meter(scope)
	for _, d := range []struct {
		kind       keys.EventKind
		name, what string
	}{
		{keys.KMSCall, "kms.call", "Tries of calls to a KMS."},
		{keys.Refreshed, "key.refresh", "Renewals of data keys in use."},
		{keys.RingRead, "ring.read", "Reads of a ring from the key store."},
	} {
		h, err := meter.Float64Histogram("cardseal."+d.name+".duration", metric.WithUnit("s"),
			metric.WithDescription(d.what), metric.WithExplicitBucketBoundaries(bounds...))
		if err != nil {
			return nil, fmt.Errorf("otelobserve: %w", err)
		}
		o.durations[d.kind] = h
	}
	for _, c := range []struct {
		kinds            []keys.EventKind
		name, unit, what string
	}{
		{[]keys.EventKind{keys.CacheHit, keys.CacheMiss}, "lookups", "{lookup}", "Look-ups of data keys beside the warm path."},
		{[]keys.EventKind{keys.Grace}, "graces", "{key}", "Data keys that serve past their life, as the KMS is away."},
		{[]keys.EventKind{keys.Ended}, "ends", "{key}", "Data keys given up since disabled, denied or lost."},
		{[]keys.EventKind{keys.Rotated}, "rotations", "{key}", "Data keys made in place of others."},
		{[]keys.EventKind{keys.UnderReplicated}, "underreplications", "{key}", "Data keys that fewer than all KEKs wrapped."},
		{[]keys.EventKind{keys.StateChanged}, "changes", "{key}", "Changes of data keys' states by this process."},
		{[]keys.EventKind{keys.Rewrapped}, "rewraps", "{key}", "Data keys whose wrappings were moved."},
	} {
		n, err := meter.Int64Counter("cardseal.key."+c.name, metric.WithUnit(c.unit), metric.WithDescription(c.what))
		if err != nil {
			return nil, fmt.Errorf("otelobserve: %w", err)
		}
		for _, kind := range c.kinds {
			o.counters[kind] = n
		}
	}
	return o, nil
}

// Observe implements keys.Observer.
func (o *observer) Observe(ctx context.Context, e keys.Event) {
	with := metric.WithAttributeSet(attributes(e))
	if h := o.durations[e.Kind]; h != nil {
		h.Record(ctx, e.Took.Seconds(), with)
	} else if n := o.counters[e.Kind]; n != nil {
		n.Add(ctx, 1, with)
	}
}

func attributes(e keys.Event) attribute.Set {
	all := make([]attribute.KeyValue, 0, 5)
	all = append(all, attribute.String("environment", e.Ring.Environment), attribute.String("purpose", string(e.Ring.Purpose)))
	switch e.Kind {
	case keys.CacheHit:
		return attribute.NewSet(append(all, attribute.String("result", "hit"))...)
	case keys.CacheMiss:
		return attribute.NewSet(append(all, attribute.String("result", "miss"))...)
	case keys.StateChanged:
		return attribute.NewSet(append(all, attribute.String("state", e.State.String()))...)
	case keys.KMSCall:
		all = append(all, attribute.String("kek", e.KEK), attribute.String("op", string(e.Op)))
	}
	return attribute.NewSet(append(all, attribute.String("outcome", outcome.Of(e.Err)))...)
}
