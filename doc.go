// Package cardseal is the root of a library for card vaults. It has no code of
// its own: its floors are packages, each importing only those below it.
//
//	crypto/    bytes and keys: the sealed record, the blind index, FF1, HPKE and JWE
//	keys/      which data key to use, and how to get it back from a KMS
//	tokenize/  cards, tokens, repositories, transfer, audit
//	backends/  one package per KMS, per store, and per way to be observed
//
// Begin with package tokenize for a repository of tokens, or with tokenize/seal
// to seal card numbers that you keep in tables of your own. README.md shows
// both, FORMAT.md specifies every stored byte, SECURITY.md says what is promised
// and what is not.
package cardseal
