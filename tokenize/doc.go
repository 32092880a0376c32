// Package tokenize is a card vault's repository: it turns card numbers into
// tokens, keeps the sealed cards behind them, and gives a number back to whom it
// may be given.
//
// A [Vault] is opened over a card store and a [keys.Manager] and holds
// repositories. A [Repository] has a way to make tokens ([Generation]) and a rule
// how many a card may have ([Management]). Every call names its [Caller]; the
// embedding service has authenticated it.
//
//	v, err := tokenize.Open(ctx, db.Cards(), m, nil)
//	repo, err := v.EnsureRepository(ctx, tokenize.Config{ID: "SHOP", Generation: tokenize.RandomWithLuhn, Management: tokenize.UniqueCard})
//	d, err := repo.Save(ctx, tokenize.SaveRequest{Caller: me, Card: card.Details{Number: pan}})
//	full, err := repo.Reveal(ctx, me, d.Token, "settlement")
//
// # What is stored
//
// In clear: token, BIN, last four, brand, expiry, states and times, so that a Get
// makes no KMS call. Sealed: the card number, the holder, the e-mail and a
// scheme token's number. Security codes are handed to the [Verifier] at most, and to
// package code where it serves the repository: none lies with its card. A card is
// found by its number through a blind index, an HMAC under a key of its own (PCI DSS
// 3.5.1.1). No unkeyed digest of any input is stored.
//
// # The life of a token
//
// A token gives its card ([Repository.Reveal]) while it is active, its last day is
// not over and no account updater said that the card is no longer good. It can be
// suspended and activated again; [Repository.Delete] erases the card and is for
// good. Every change is one write on the version that was read, and names the
// version it expects where nobody else may have come in between.
//
// # Merchants and test twins
//
// A merchant uses the one repository it was assigned to ([Vault.AssignMerchant]).
// Every repository has a twin for tests, with a scope and keys of its own
// ([Options.TestKeys]), that test merchants use and no others.
//
// # Cards encrypted before they come here
//
// With [Options.CaptureKeys] a request may bring a card that its holder's browser
// encrypted to a key of the repository ([EncryptedCard], [Repository.CaptureKeys]) in
// place of a number in clear. Such a message is good for one save, within 15 minutes.
//
// # Services of the embedder's
//
// [Options] takes what only the embedding service has: a [Verifier] that asks an
// acquirer before a card is stored, a [TokenService] that carries out actions on
// scheme tokens, a card.BINTable that knows issuers. The first two are called
// outside any transaction, with a deadline, so many at once at most. A card that the
// acquirer does not pass is not stored; [Error.Verified] says why.
//
// # Promises
//
// Which token a card gets is decided in one transaction of the store: a token is
// never given out twice, deleted ones included, and in a UniqueCard repository a
// card never has two. An error of a save means that nothing was written, but for
// [ErrOutcomeUnknown] (repeat the call with its idempotency key) and [ErrAudit]. A
// bad request in a batch is in its own result and stops no other.
//
// # Limits
//
// Whoever may save and knows a card's first six and last four digits can find
// the rest by trying: results say whether a card was known. It cannot be closed;
// [Options.SaveLimit] is the place to slow it down, and events tell.
//
// Everything is safe for concurrent use. Errors are [*Error]; none carries a
// card number, a code, a token or a key.
package tokenize
