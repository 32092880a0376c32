// Package plan computes, before a fleet runs, how many KMS calls it will make,
// what they cost, how they stand to the KMS's quota, what an outage does and how
// soon a key that was disabled stops working: from scopes, layout, processes,
// traffic and the very [keys.Options] the managers are opened with. It is
// arithmetic alone. It makes no call and knows no vendor but by a few figures.
//
// # Formulas
//
// All rates are per second. With N processes, s and o records sealed and opened in
// the whole fleet:
//
//	tick T        min(SealLease, CacheLife, RenewAge, RefreshAfter if set) / 20
//	rings R       Purposes, times Scopes in the PerScope layout
//	keys K        1 + OpenAge/RotateAge rounded up: data keys of a ring in use; 1 without RotateAge
//	hit h         min(1, CacheRings/R) · min(1, CacheKeys/K); CacheRings in PerScope only
//	held E        h·R·K: data keys in a process's memory
//	use u         (s+o) / (N·R·K): of one data key in one process
//	period P      RefreshAfter, or CacheLife − T without it
//	wait w        1/u; with RefreshAfter 1/u · (N·R/s) / (SealLease + N·R/s), since a lease counts as use
//	warm          N·E / (P + w): each key held is asked for again at its first use after P
//	missed        (s+o)·(1−h): what memory has no room for is asked for at every use
//	made          R·(KEKs + (N−1)·c) / (RotateAge + R/s): wrapped once by each KEK, unwrapped by every other process that uses it, c = min(1, u·RotateAge)
//	PerSecond     warm + missed + made
//	PerMonth      PerSecond · 2,592,000 (30 days)
//	PerMillion    PerSecond / (s+o) · 10⁶
//	Price         PerMonth / 10,000 · Price
//	Cold          N·E: calls until a fleet that was started all at once is warm
//	Peak          max(PerSecond, min(Cold, s+o)): calls in the worst second, as each is caused by a record
//	ColdStart     Cold / Quota: how long a fleet takes to become warm where Peak exceeds the quota
//	StoreReads    N·h·R / (SealLease − T + N·R/s) + PerSecond: rings read for the lease, and a record for each unwrap;
//	              plus missed · o/(s+o) · min(1, −ln(1−h)·s/(s+o)), rings that opens brought back
//
// [Fleet.Outage] and [Fleet.Ends] have theirs. RenewAge enters by the tick alone, since
// a new salt needs no KMS. The scopes of the Shared layout do not enter.
//
// The figures err to the high side: each key is taken to be asked for as soon as
// its period allows, although clocks are looked at once per tick only, and traffic
// is spread evenly over scopes, which is the worst case for a cache. The tests
// run real managers on a virtual clock beside them; README.md has what they saw.
//
// # Limits
//
// Stored mode only. A process that stops and starts again is a cold one: add its E
// calls per start. Two processes that rotate one ring in the same moment make a
// wrapping each and throw one away. [keys.Manager.Rewrap] and the checks of a
// backend that has its wrapping unwrapped are not counted. Nothing here is stateful;
// all is safe for concurrent use. Not for deciding anything at run time: what a
// fleet does is told to its [keys.Observer].
package plan
