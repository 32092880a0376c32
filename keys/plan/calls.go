package plan

import (
	"math"
	"time"
)

// month is 30 days.
const month = 30 * 24 * time.Hour

// Calls are the KMS calls of a fleet. The package comment has the formulas.
type Calls struct {
	Rings      float64 // of the environment
	KeysInUse  float64 // data keys of a ring that seal or open
	Held       float64 // data keys in a process's memory
	HitRate    float64 // of look-ups: 1 where memory has room for all
	PerSecond  float64 // on average
	PerMonth   float64 // of 30 days
	PerMillion float64 // records sealed or opened
	Price      float64 // of a month, in the currency of Fleet.Price

	Cold      float64       // until a fleet started all at once is warm
	Peak      float64       // in the worst second
	PeakQuota float64       // Peak as a share of the quota; 0 without one
	ColdStart time.Duration // Cold at the quota's rate; 0 without one or where the peak is within it

	StoreReads float64 // reads of the key store per second
}

// Calls plans the KMS calls. Its error is a [keys.OptionError].
func (f Fleet) Calls() (Calls, error) {
	s, err := f.shape()
	if err != nil {
		return Calls{}, err
	}
	n := float64(s.Processes)
	c := Calls{Rings: s.rings, KeysInUse: s.inUse, Held: s.hit * s.rings * s.inUse, HitRate: s.hit}
	if s.records == 0 {
		return c, nil
	}
	missed := s.records * (1 - s.hit)
	c.PerSecond = s.warm(n*c.Held) + missed + s.made(n)
	c.PerMonth = c.PerSecond * month.Seconds()
	c.PerMillion = c.PerSecond / s.records * 1e6
	c.Price = c.PerMonth / 10_000 * s.Fleet.Price

	c.Cold = n * c.Held
	c.Peak = max(c.PerSecond, min(c.Cold, s.records))
	if s.Quota > 0 {
		c.PeakQuota = c.Peak / s.Quota
		if c.PeakQuota > 1 {
			c.ColdStart = seconds(c.Cold / s.Quota)
		}
	}
	c.StoreReads = c.PerSecond
	if s.Seals > 0 {
		c.StoreReads += n * s.hit * s.rings / ((s.o.SealLease - s.tick).Seconds() + n*s.rings/s.Seals)
	}
	if missed > 0 {
		// A ring that an open brought back has no lease. Of look-ups of other rings it
		// outlives -ln(1-h) for each ring, by Che's approximation.
		seals := s.Seals / s.records
		c.StoreReads += missed * (1 - seals) * min(1, -math.Log1p(-s.hit)*seals)
	}
	return c, nil
}

// period is how long the KMS is not asked for a key it gave out.
func (s *shape) period() time.Duration {
	if s.o.RefreshAfter > 0 {
		return s.o.RefreshAfter
	}
	return s.o.CacheLife - s.tick
}

// use is how often one data key is used in one process.
func (s *shape) use() float64 { return s.records / (float64(s.Processes) * s.rings * s.inUse) }

// warm is the calls for keys in memory whose period is over: at their next use, or
// at once where they are refreshed and the process has a lease to seal under them.
func (s *shape) warm(held float64) float64 {
	wait := 1 / s.use()
	if s.o.RefreshAfter > 0 && s.Seals > 0 {
		idle := float64(s.Processes) * s.rings / s.Seals // between two seals in a ring
		wait *= idle / (s.o.SealLease.Seconds() + idle)
	}
	return held / (s.period().Seconds() + wait)
}

// made is the calls for keys that rotation makes: whoever seals first after
// RotateAge wraps, every other process unwraps.
func (s *shape) made(n float64) float64 {
	if s.o.RotateAge == 0 || s.Seals == 0 {
		return 0
	}
	age := s.o.RotateAge.Seconds()
	others := (n - 1) * min(1, s.use()*age)
	return s.rings * (float64(s.KEKs) + others) / (age + s.rings/s.Seals)
}

func seconds(s float64) time.Duration {
	return time.Duration(min(s*float64(time.Second), math.MaxInt64/2))
}
