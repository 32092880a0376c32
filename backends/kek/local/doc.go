// Package local is a key-encryption key for development and tests: AES-256-GCM
// in this process, under a key from a file.
//
// A key file ([CreateKeyFile], [OpenKeyFile]) holds the key in clear and is
// guarded by its mode, 0600, alone. A passphrase file ([CreatePassphraseFile],
// [OpenPassphraseFile]) holds it encrypted under what argon2id (RFC 9106) makes
// of a passphrase. [Open] takes the address of either, local:///path/to/file.
//
// When not to use it: in production. PCI DSS 3.6.1.2 has keys stored under a
// key-encryption key, in a secure cryptographic device or in shares, and a key
// in a file is none of these; a passphrase is as weak as whoever chose it. A
// [KEK] says so through keys.Development, and a repository for production
// refuses it unless told otherwise. Use a KMS.
//
// Keep the file apart from what it protects, and keep a copy: without it every
// record is lost. A wrapped data key is 61 bytes: version 0x01, random nonce (12),
// ciphertext (32), tag (16), with [keys.Binding.AAD] as additional data. GCM with
// random nonces is good for 2^32 data keys under one key (SP 800-38D, 8.3).
//
// A KEK is safe for concurrent use. [KEK.Close] makes it refuse further calls;
// the expanded key inside Go's cipher cannot be wiped and lasts until the garbage
// collector takes it. On Windows file modes say nothing and are not looked at.
//
// Both kinds of file work under GODEBUG=fips140=only, but argon2id is outside the
// FIPS module and not approved: where approved mode is required take the key
// file. What this version writes every later one reads.
package local
