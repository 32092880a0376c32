// Package envelope is the sealed record: one plaintext of a few bytes to a few
// kibibytes, encrypted and authenticated under a 32-byte data key, with a header
// that says which data key that was. FORMAT.md at the module's root specifies
// every byte, so that another language can read it.
//
// Two published steps lead from a data key to a ciphertext. HKDF-Expand with
// SHA-256 (RFC 5869, 2.3) turns the data key and what it is used for
// ([Place]) into a [ScopeKey] and a 32-byte commitment. XAES-256-GCM (C2SP) turns
// the scope key and a salt into a [SealingKey], which is AES-256-GCM (NIST SP
// 800-38D) with a random nonce drawn by Go's FIPS module. The salt is drawn once
// per process and kept, so that sealing is one AES-GCM call; opening a record of
// another process costs two AES blocks and a key schedule more.
//
// # When not to use it
//
// Most programs want package keys, which fetches data keys from a KMS, keeps the
// counts and caches, and calls this package; or tokenize/seal above that. Nothing
// here counts records: whoever uses a [SealingKey] directly must stop well below
// 2^32 of them ([Limit]). It is not for streams or files: a record is opened as a
// whole or not at all.
//
// # Promises
//
// A record opens under one data key and one place only: the header's commitment
// is compared before the cipher runs, and every bit of the header either enters a
// derivation or is compared with what comes out of one. Nothing of a plaintext is
// given out before it is authenticated. Every failure to open is [ErrOpen] and
// tells nothing of the content. What one version wrote every later one reads.
//
// All types are safe for concurrent use once made. Key bytes inside Go's ciphers
// cannot be wiped; they last until the garbage collector takes them.
package envelope
