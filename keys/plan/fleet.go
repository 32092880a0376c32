package plan

import (
	"math"
	"time"

	"github.com/cardseal/cardseal/keys"
)

// Fleet is what is planned: the processes that serve one environment.
type Fleet struct {
	// Layout is of all purposes. Plan each layout apart where both are in use.
	Layout keys.Layout
	// Processes that each have a manager, at least 1.
	Processes int
	// Scopes in use, at least 1. In the Shared layout they cost nothing.
	Scopes int
	// Purposes in use, each with rings of its own, all taken to be rotated by
	// Options.RotateAge, which exempts some. Default 1.
	Purposes int
	// KEKs that wrap a new data key. Default: that of Open and those of Options.KEKs.
	KEKs int
	// Seals and Opens are records per second of the whole fleet, spread evenly over
	// processes, scopes and purposes.
	Seals, Opens float64
	// OpenAge is how old the records are that are opened as a matter of course. It
	// counts with Options.RotateAge alone. Default: only what the active key sealed.
	OpenAge time.Duration
	// Options are those the managers are opened with. For security codes ([keys.CVC])
	// set Grace to zero, since they have none.
	Options keys.Options
	// Quota is how many calls per second the KMS answers this fleet, of what may be
	// shared with others: see [AWSSmallest]. Default none, which leaves out what is
	// compared with it.
	Quota float64
	// Price of 10,000 calls, in any currency. What a KMS charges for its keys comes
	// on top.
	Price float64
}

// Quotas of KMSs in symmetric operations per second, as published in 2026. A
// vendor changes them: look up your account's own. AWS's are per account and
// region and shared with all else that uses KMS there; Google's are per project.
const (
	AWSLargest     = 100_000 // us-east-1, us-west-2, eu-west-1
	AWSMiddle      = 20_000  // us-east-2, eu-central-1, eu-west-2 and some in Asia
	AWSSmallest    = 10_000  // elsewhere
	AWSCustomStore = 1_800   // CloudHSM and external key stores
	GoogleSoftware = 1_000   // 60,000 a minute
	GoogleHSM      = 500     // 30,000 a minute
)

// AWSPrice is AWS's list price of 10,000 symmetric calls in US dollars, 2026.
const AWSPrice = 0.03

// maxScopeKeys is how many data keys a ring of one scope holds at most
// ([keys.Options.CacheKeys]).
const maxScopeKeys = 8

// shape is a fleet with defaults filled in, and what follows from it.
type shape struct {
	Fleet
	o       keys.Options
	tick    time.Duration
	rings   float64 // R
	inUse   float64 // K
	hit     float64 // h
	records float64 // s+o
}

func (f Fleet) shape() (shape, error) {
	s := shape{Fleet: f}
	var err error
	if s.o, err = f.Options.WithDefaults(); err != nil {
		return s, err
	}
	if s.Purposes == 0 {
		s.Purposes = 1
	}
	if s.KEKs == 0 {
		s.KEKs = 1 + len(f.Options.KEKs)
	}
	for _, n := range []struct {
		field string
		value int
	}{{"Processes", s.Processes}, {"Scopes", s.Scopes}, {"Purposes", s.Purposes}, {"KEKs", s.KEKs}} {
		if n.value < 1 {
			return s, &keys.OptionError{Field: n.field, Reason: "must be at least 1"}
		}
	}
	for _, x := range []struct {
		field string
		value float64
	}{{"Seals", f.Seals}, {"Opens", f.Opens}, {"Quota", f.Quota}, {"Price", f.Price}} {
		if !(x.value >= 0) || math.IsInf(x.value, 1) {
			return s, &keys.OptionError{Field: x.field, Reason: "must be a number, not below zero"}
		}
	}
	if f.OpenAge < 0 {
		return s, &keys.OptionError{Field: "OpenAge", Reason: "must not be below zero"}
	}
	s.records = f.Seals + f.Opens
	s.rings, s.hit = float64(s.Purposes), 1
	room := s.o.CacheKeys
	switch f.Layout {
	case keys.Shared:
	case keys.PerScope:
		s.rings *= float64(f.Scopes)
		s.hit = min(1, float64(s.o.CacheRings)/s.rings)
		room = min(room, maxScopeKeys)
	default:
		return s, &keys.OptionError{Field: "Layout", Reason: "is neither Shared nor PerScope"}
	}
	s.inUse = 1
	if s.o.RotateAge > 0 {
		s.inUse += math.Ceil(float64(f.OpenAge) / float64(s.o.RotateAge))
	}
	s.hit *= min(1, float64(room)/s.inUse)
	s.tick = tick(&s.o)
	return s, nil
}

// tick is how often a manager looks at its clocks.
func tick(o *keys.Options) time.Duration {
	shortest := min(o.SealLease, o.CacheLife, o.RenewAge)
	if o.RefreshAfter > 0 {
		shortest = min(shortest, o.RefreshAfter)
	}
	return shortest / 20
}
