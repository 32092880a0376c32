// Package capture takes in cards that a browser or an app encrypted to a key the
// vault published under an alias, so that whoever passes the form on never has a
// card number. crypto/capture has the formats; this package keeps the keys, makes
// cards of what opens, and refuses what comes late or twice.
//
// A [Keyring] holds the capture keys of one scope. Several keys of one alias live
// at once, so that a client that fetched one a while ago is still served; each
// retires at a time set when it was made, or sooner. Private keys lie in a
// [KeyStore], sealed in the manager's ring for [keys.Capture], bound to scope,
// alias, key ID and both times. After a rotation of that ring Reseal moves them to
// the new data key.
//
// # What is encrypted
//
// One JSON object with any of cardNumber, sequenceNumber, cardholderName,
// startMonth, startYear, expiryMonth, expiryYear and cvv, and always captureTime,
// in RFC 3339 with Z. cardNumber, cardholderName, cvv and captureTime are strings;
// the others are strings of digits or whole numbers. A month comes with its year,
// of four digits. An unknown name, one given twice or in other letters, an empty
// value, null, and anything after the object are refused.
//
// # What is refused
//
// An unknown alias or key, a retired key, and whatever is malformed or was
// tampered with are one error, [ErrOpen], which says nothing further. [ErrStale],
// [ErrFuture] and [ErrReplayed], which are kinds of it, are told only of a message that
// was authenticated under a live key of the alias and whose content was read: a page may
// then ask its user to send again. How long a refusal takes is not hidden; that an
// alias or a key exists is public.
//
// A failure of the key store, of the KMS or of the context is none of these: the
// message may be good, and the caller answers that it can be sent again.
//
// # Once
//
// What [Keyring.Open] returns is not yet known to be new. Its [Replay] must be
// inserted where the card is saved, in the same transaction, as tokenize does, or
// beforehand with [Keyring.OpenOnce], which spends the message whether or not a save
// follows.
//
// # When not to use it
//
// Anybody can encrypt to a public key: a card that opens was not proven to come
// from its holder, and whoever can change the page reads the form.
// Retired keys are kept: a message that was recorded on its way, with the security code
// in it, can be read by whoever has key store and KMS.
//
// All types are safe for concurrent use. Private keys are not cached: each Open
// reads the store, so that retiring a key works at once, and unseals with a data
// key that the manager caches.
package capture
