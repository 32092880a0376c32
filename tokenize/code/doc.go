// Package code keeps the security codes of a repository's cards, apart from the
// cards, and has candidates compared with them under try counters.
//
// Security codes are sensitive authentication data: PCI DSS 3.3.1 forbids keeping
// them after authorization, even encrypted, to everyone but issuers. So there are two
// policies, and a repository has one of them.
//
// [Transient] is for merchants and gateways. Sealed codes and the data keys they are
// sealed under lie in an ephemeral store alone, apart from everything durable:
//
//	t, err := code.OpenTransient(ctx, ephemeral, kek, &code.TransientOptions{TTL: 10 * time.Minute})
//	codes, err := code.Open(ctx, repo, t, nil)
//	err = codes.Put(ctx, me, code.Owner{}, token, cvc)
//	cvc, err = codes.Retrieve(ctx, me, code.Owner{}, token) // once
//	err = codes.Authorized(ctx, me, code.Owner{}, token)    // it is erased
//
// [Issuer] is for who issued the cards (PCI DSS 3.3.3). Codes are kept durably and
// without an end, in repositories that were made for it:
//
//	v, err := tokenize.Open(ctx, db.Cards(), m, &tokenize.Options{IssuerCodes: db.Codes()})
//	repo, err := v.EnsureRepository(ctx, tokenize.Config{ID: "ISSUED", IssuerCodes: true, …})
//	codes, err := code.Open(ctx, repo, code.Issuer{}, nil)
//	err = codes.Allocate(ctx, me, token)
//	left, err := codes.Verify(ctx, me, code.Owner{}, token, candidate, code.ApplePay)
//
// # What is promised of transient codes
//
// After a code's expiry (its TTL, and then what is left of its epoch, a sweep and the
// cache life of a data key: [Transient.Forgets] is the sum) no copy of any durable
// store, of a backup, of a write-ahead log or of a replica can bring the code back,
// because none ever held it, nor its key but for one moment of a base backup, which
// postgres.Ephemeral names. A copy of the ephemeral store or of memory that was taken
// while the epoch lived (a snapshot of the volume or the virtual machine, a dump of the
// ephemeral database, swap, a core file) can, together with access to the KMS; with
// [TransientOptions].Second it takes copies of both stores, or of memory. After
// [Codes.Authorized], through a token that was not deleted, this API cannot. A crash or
// a failover of the ephemeral store loses the codes that are pending. Nothing more is
// promised.
//
// The bound holds while a process sweeps: one that has the Transient open does. Of
// the ephemeral store's kind the store itself is asked ([store.Codes]), which is as
// good as its answer: what the operator of a machine copies, it does not see.
//
// # Whose code it is
//
// A transient code belongs to an [Owner], a card and a repository; all tokens of a
// card share it, and it ends with the one that it was put through, when that is deleted
// or, by a process that serves codes, given another card number: under that it has none.
// Another owner's code, a code that is not there and a token that is not there are one
// error, tokenize.ErrTokenNotFound, and count nothing; to put a code, and to have it
// erased ([Codes.Authorized]), none has to be there.
//
// # Try counters
//
// An attempt takes the next number of its counter before the candidate is compared,
// and is refused uncompared once so many as [Options].Tries are not known to be
// right. The last wrong one blocks the counter, which [Codes.Unblock] alone clears. A
// right one starts the counter anew. An attempt that a crash cut short counts as
// wrong. The card's own counter and those of the wallets are apart, but the code has
// one bound on wrong attempts over all of them and all tokens, [Options].Guesses,
// which neither a right attempt nor Unblock gives back; a new code begins a new one.
// Attempts under way count as wrong until they are known to be right, so that many
// right ones at once may block a counter.
//
// # Limits
//
// A candidate of three digits is right once in a thousand tries, whatever is done:
// Guesses is the chance that a code gives away. Whoever may put codes begins a new
// bound with each. Which permission a call needs says the call; every one but
// [Codes.Status] is an audit event of the vault's.
//
// Everything is safe for concurrent use, by many processes on one store. Errors are
// [*tokenize.Error]; none has a code in it, nor has anything else that prints.
package code
