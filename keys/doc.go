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
// active and seals; retired keys only open; disabled and destroyed ones do
// neither. Keys are made when a ring is first sealed under, when [Manager.Rotate]
// is called and, by whoever seals, when the active one is older than
// [Options.RotateAge] or its KEK was replaced. Compare-and-swap in the store decides
// which process makes one, and orders every change of state.
//
// In the [Shared] layout all scopes of a purpose share its ring: the scope enters
// the derivation of the sealing key, so that a record of one scope does not open
// in another although KMS calls do not grow with scopes. In the [PerScope] layout
// each scope has a ring, and if [Options.KEKFor] says so a KEK, of its own, which
// can be destroyed apart from all others. Rings of scopes are loaded when they are
// used, and the one used longest ago is emptied beyond [Options.CacheRings]: a
// process may serve more scopes than it holds keys for, at one KMS call for each
// that comes back.
//
// # Clocks
//
// A data key's raw bytes live in memory for [Options.CacheLife] after the KMS was
// asked for them, then are wiped. Where [Options.RefreshAfter] is set, a key in
// use is asked for again before that, in the background. Where [Options.Grace] is
// set, a key past its life goes on while store or KMS are unreachable, and for no
// other reason: what says disabled, denied or not found ends a key at once, in the
// middle of its life or grace, and a load that was under way does not bring it
// back.
//
// A process seals under a key only if it read from the store that the key is
// active within [Options.SealLease]. Sealing keys are renewed after 2^30 records
// or [Options.RenewAge]. All of these end by the monotonic or the wall clock,
// whichever comes first. They are watched by one goroutine a few times per
// period, not by every call: a process that was stopped and continues, or a
// machine that was suspended, may seal and open for up to a twentieth of the
// shortest of these clocks before it notices. For sealing a repository closes that
// gap with the fence row that its store checks in each transaction; an embedder
// without one has the lease alone. For opening nothing does.
//
// # States
//
// [Manager.Retire], [Manager.Disable], [Manager.Enable] and [Manager.Destroy] hold
// at once in the process that calls them. Elsewhere sealing follows within the
// seal lease. Opening follows when the process next reads the ring to seal, or
// refreshes the key; at the latest when CacheLife and Grace are over. [Receipt]
// says what Destroy did and what follows: what the key sealed is beyond recovery
// once every older copy of the key store is gone, or the scope's KEK. Nothing
// stronger is promised.
//
// # Several KEKs
//
// With [Options.KEKs] each of several KMS keys wraps a data key, and any of them
// opens it. A new key is used once [Options.Quorum] of them wrapped it. A KEK that
// could not be reached is asked after the others for 10 seconds. [Manager.Rewrap]
// completes what one of them missed, and moves a ring to newer versions or other
// KEKs without touching a record.
//
// # Failures
//
// A failed KMS call is reported as one of the kinds of this package ([ErrDenied],
// [ErrUnavailable] and so on), where several KEKs failed each with a [CallError] of
// its own, joined. Calls that failed with [ErrThrottled] or [ErrUnavailable] are
// made again, [Options.Tries] times within the caller's context. No failure is
// cached: the next call asks again. There are two exceptions. A key ID that the
// store lacked is remembered for 2 seconds. A key that serves although it could not
// be asked for again, before its life is over or in its grace, is tried once in each
// twentieth of the shortest clock, so that an outage costs each process [Options.Tries]
// calls for each data key and twentieth, and as many more when its time to refresh and
// its life are over, however many scopes use it. Many callers that miss one key make one
// call, and each leaves at its own deadline without ending it for the others.
// Every failure to open also is [envelope.ErrOpen].
//
// # Promises
//
// All types but [Work] are safe for concurrent use. No lock is held across a call
// to store or KMS. A warm Seal or Open takes no lock, reads no clock and tells the
// [Observer] nothing. [Manager.Close] ends every call and every goroutine and waits
// for them. What can't be wiped: a Scope keeps its last sealing keys, inside Go's
// ciphers, until its next call or until it is garbage.
//
// When not to use it: for keys that must serve although the KMS said no, or as a
// store of secrets other than data keys.
package keys
