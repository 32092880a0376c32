// Package capture opens what a browser or an app encrypted to a public key, so
// that a form's content crosses everything between the customer and the vault
// unread. It knows bytes: tokenize/capture makes cards of them, and adds what
// keeps a message from being used late or twice.
//
// A key has one [Suite], and a suite one format:
//
//   - HPKE in base mode (RFC 9180): [HPKEP256], the one to choose, which every
//     browser's WebCrypto can do; [HPKEX25519]; and [HPKEXWing], which also stands
//     up to a quantum computer. HKDF-SHA256 and AES-256-GCM throughout. What is
//     sealed is bound to a [Binding].
//   - JWE in compact form (RFC 7516), for clients that have a JOSE library:
//     [JWERSA] (RSA-OAEP-256) and [JWEECDH] (ECDH-ES on P-256), with A256GCM. JWE
//     binds to the key alone, so that a key must serve one scope only.
//
// # The HPKE message
//
//	version 0x01 (1 byte) ‖ key ID (16) ‖ suite (1) ‖ enc ‖ ciphertext and tag
//
// as bytes ([ParseWire]) or in base64url without padding ([Parse]). The additional
// data is empty: all that comes before enc is in info, which is
//
//	"cardseal capture" ‖ version ‖ suite ‖ key ID ‖ environment ‖ scope ‖ alias
//
// each behind its length in 16 bits, big-endian. FORMAT.md, section 17, has it with
// an example.
//
// # What is refused
//
// A JWE's header names alg, enc and kid, may name typ and cty, and with ECDH-ES
// names epk and may name apu and apv. Any other name is refused (so zip, crit,
// jwk, jku, x5u and x5c are), like names given twice, JSON serialization, RSA1_5,
// RSA-OAEP with SHA-1, key wrapping, CBC, base64 with padding, line breaks or
// stray bits, and an RSA ciphertext that is not as long as the modulus. A message
// longer than [MaxText] is refused unread.
//
// # Promises
//
// Every failure to parse or to open is [ErrOpen] and says nothing further. Where
// RSA-OAEP fails the work goes on with a random key, so that bad padding and a bad
// tag are one error in like time. A message has one digest ([Message.Digest])
// however it is spelled. What one version's clients sealed, and the private keys
// that one version marshalled, every later one reads.
//
// # When not to use it
//
// Whoever has the public key can make messages: opening one proves nothing about
// who sent it, nor that it was sent once. The page that does the encrypting is
// served by someone, and whoever can change it reads the form. And nobody can
// tell from outside that a key was published by its owner: publish it over TLS
// from the vault's own host. A message for an RSA key costs the vault some
// milliseconds whether it is good or not, fifty times what P-256 costs and more:
// limit the rate.
//
// All types are safe for concurrent use once made. HPKEX25519 is refused under
// GODEBUG=fips140=only; HPKE needs a FIPS module of Go 1.26 or later there.
// Private keys inside Go's types cannot be wiped.
package capture
