package plan

import "time"

// Outage is what an outage of store or KMS does to opens with keys that were in
// memory when it began. Others fail as long as it lasts. Seals fare as opens do while
// the store can be reached; where it cannot, they end with the seal lease.
type Outage struct {
	// Failing is how long, at most, one process cannot open with such a key. Zero
	// means that nobody notices.
	Failing time.Duration
	// Share of the fleet's opens that are expected to fail while the outage lasts,
	// where processes did not all load their keys at the same time.
	Share float64
	// Calls per second to the KMS, at most, all tries included, on average over the
	// outage.
	Calls float64
}

// Outage plans for one that lasts d, of ErrUnavailable or ErrThrottled. A key
// serves until it is CacheLife + Grace − T old. When the outage begins it is up to
// A old, and any age is as likely: A is RefreshAfter + T with refreshing, for a key
// in use at all times, CacheLife without. So
//
//	Failing = max(0, d − max(0, CacheLife + Grace − T − A))
//	Share   = mean of max(0, d − max(0, CacheLife + Grace − T − a)) / d over a from 0 to A
//	Calls   = Tries · (N·E/T + 2·N·E/d + lost)
//
// since a key in memory is asked for again once a tick, and by whoever uses it first
// when its time to refresh and its life are over; one that is not in memory is asked
// for at each use. Those are lost: (s+o)·(1−h) where Failing is zero, s+o where not.
//
// Its error is a [keys.OptionError].
func (f Fleet) Outage(d time.Duration) (Outage, error) {
	s, err := f.shape()
	if err != nil || d <= 0 {
		return Outage{}, err
	}
	serves, age := s.o.CacheLife+s.o.Grace-s.tick, s.o.CacheLife
	if s.o.RefreshAfter > 0 {
		age = min(age, s.o.RefreshAfter+s.tick)
	}
	out := Outage{Failing: max(0, d-max(0, serves-age))}
	// Keys older than from fail; those older than full fail for all of d.
	from, full := (serves - d).Seconds(), min(serves, age).Seconds()
	if lower := max(0, from); lower < full {
		rising := (full - from + lower - from) / 2 * (full - lower)
		all := d.Seconds() * (age.Seconds() - full)
		out.Share = (rising + all) / (d.Seconds() * age.Seconds())
	}
	lost := s.records
	if out.Failing == 0 {
		lost *= 1 - s.hit
	}
	held := float64(s.Processes) * s.hit * s.rings * s.inUse
	out.Calls = float64(s.o.Tries) * (held/s.tick.Seconds() + 2*held/d.Seconds() + lost)
	return out, nil
}

// Ends are how long after a key is taken out of use it works, at most, in any
// process, store and KMS being reachable. Add the time between two of the
// process's own uses, as the use that finds a key's time over may be served yet.
type Ends struct {
	// Seal: disabled or retired in the key store, it seals no more. The seal lease.
	Seal time.Duration
	// Open: disabled or destroyed in the key store, it opens no more in a process
	// that seals in the ring at all times. Elsewhere OpenIdle.
	Open time.Duration
	// OpenIdle: the same in a process that only opens, and everywhere if it is the
	// KEK, or each of several, that was disabled in its KMS. RefreshAfter + T, or
	// CacheLife.
	OpenIdle time.Duration
	// OpenAway: the same in a process that can reach neither. CacheLife + Grace.
	OpenAway time.Duration
}

// Ends plans how soon a key that is taken out of use stops working. Its error is a
// [keys.OptionError].
func (f Fleet) Ends() (Ends, error) {
	s, err := f.shape()
	if err != nil {
		return Ends{}, err
	}
	e := Ends{Seal: s.o.SealLease, OpenIdle: s.o.CacheLife, OpenAway: s.o.CacheLife + s.o.Grace}
	if s.o.RefreshAfter > 0 {
		e.OpenIdle = min(s.o.CacheLife, s.o.RefreshAfter+s.tick)
	}
	e.Open = min(e.Seal, e.OpenIdle)
	return e, nil
}
