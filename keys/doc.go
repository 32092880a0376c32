// Package keys knows which data key to use, when its use ends and how to get it
// back from a KMS that it sees only as an interface.
//
// A [Manager] is what a process opens once. It hands out a [Scope] for each
// purpose and scope, and the Scope seals and opens records. Data keys are 32
// random bytes, wrapped by a [KEK] that never leaves its KMS and kept in a
// [Store]; [Inline] does without a store by letting the wrapped key travel in
// every record. One KMS call serves a process for as long as it caches the key:
// sealing a million records takes one.
//
// # Rings
//
// The data keys of one environment and purpose form a ring. One key of a ring is
// active and seals; retired keys only open. Keys are made when a ring is first
// sealed under and when [Manager.Rotate] is called; compare-and-swap in the store
// decides which process makes one. All scopes of a purpose share its ring (the
// Shared layout): the scope enters the derivation of the sealing key, so that a
// record of one scope does not open in another although KMS calls do not grow
// with scopes.
//
// # Clocks
//
// A data key's raw bytes live in memory for [Options.CacheLife], then are wiped.
// A process seals under a key only if it read from the store that the key is
// active within [Options.SealLease]. Sealing keys are renewed after 2^30 records
// or [Options.RenewAge]. All three end by the monotonic or the wall clock,
// whichever comes first. They are watched by one goroutine a few times per
// period, not by every call: a process that was stopped and continues, or a
// machine that was suspended, may seal for up to a twentieth of the lease before
// it notices. A repository closes that gap with the fence row that its store
// checks in each transaction; an embedder without one has the lease alone.
//
// # Failures
//
// A failed KMS call is reported as one of the kinds of this package ([ErrDenied],
// [ErrUnavailable] and so on) and is not cached. Every failure to open also is
// [envelope.ErrOpen]. Nothing is retried here yet: a backend's client may do so
// within the caller's context.
//
// When not to use it: for keys that must serve while the KMS is away (there is no
// grace), or for more scopes with keys of their own than a process should load.
package keys
