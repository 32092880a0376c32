// Package vaulttransit is a key-encryption key in the Transit engine of
// HashiCorp's Vault or of OpenBao, which [New] finds by mount and name:
//
//	vault secrets enable transit
//	vault write -f transit/keys/pan derived=true
//
// # What a data key is bound to
//
// The binding travels as the context of a derived key: from the key and
// [keys.Binding.AAD] Vault derives a key of its own (HKDF-SHA-256) for each data
// key. It does not travel as associated data, which the engine takes for
// encryption alone: datakey ignores it without a word, and rewrap refuses what was
// made with it. A context works with all of them, so that rewrapping stays inside
// Vault and can be granted to somebody who may not decrypt.
//
// The trap is that a key which is not derived ignores the context, without a word
// too. New therefore reads the key and refuses it ([KeyError]) unless it is
// derived, not convergent, and of type aes256-gcm96, chacha20-poly1305 or
// OpenBao's xchacha20-poly1305; the key is read again before each wrapping. Of
// these only the first is approved by FIPS 140-3. A check value that is stored
// beside the ciphertext and covers the binding fails closed whatever the engine
// does. Keys made exportable or with allow_plaintext_backup are taken, but can
// leave Vault: make them without.
//
// # What a policy must grant
//
//	path "transit/keys/pan"              { capabilities = ["read"] }
//	path "transit/encrypt/pan"           { capabilities = ["update"] }
//	path "transit/decrypt/pan"           { capabilities = ["update"] }
//	path "transit/datakey/plaintext/pan" { capabilities = ["update"] }
//	path "transit/rewrap/pan"            { capabilities = ["update"] }
//
// Reading and decryption are needed by whoever makes data keys, too: Vault's
// answers carry no checksum, so each wrapped data key is decrypted and compared
// before it is kept. Whoever only unwraps can do with the first and the third
// line, whoever only rewraps with the first and the last.
//
// Do not grant "create" on encrypt: with it Vault makes a key of any name it is
// asked to encrypt under. We read the key right before, so a misspelt or deleted
// one is keys.ErrNotFound; but a key deleted between the two calls would come back
// as a new one, empty of old versions. With "update" alone, or after
// "vault write transit/config/keys disable_upsert=true", it cannot.
//
// # Errors
//
// Every failed call is a [keys.CallError] that names the capability and the path
// a policy would grant. Vault answers 400 alike for a ciphertext that was altered,
// a wrong context and an unknown key, in words that differ between versions; so
// after a 400 the key is read, and is gone (keys.ErrNotFound), no longer decrypts
// that version (keys.ErrDisabled) or is sound (keys.ErrCorrupt). Vault's keys
// cannot be disabled: min_decryption_version, trimming, policy or deletion stand
// in; OpenBao has a deletion that can be undone, reported as keys.ErrDisabled.
// Sealed, overloaded and unreachable servers are keys.ErrUnavailable, quotas
// keys.ErrThrottled. Each call is made once, whatever the client's own settings;
// [keys.Manager] tries again. Answers that could not be read are never quoted,
// since they could hold a data key.
//
// Destroying the key is left to the administrator: Vault wants deletion_allowed
// set first, which is a guard that a program should not undo.
//
// # Logging in
//
// Either the caller keeps the client's token alive, or [Login] does: by a [Token],
// by AppRole (github.com/hashicorp/vault/api/auth/approle), as a pod
// ([Kubernetes]), or by any other method of the vendor's. A [Session] given to
// New as Options.Closer also replaces a token that was revoked, as soon as a call
// is refused for it.
//
// # Form and memory
//
// A wrapped data key is version 0x01 (1 byte), check value (16), the key's version
// (4, big-endian), then nonce (12, or 24 with XChaCha20), ciphertext (32) and tag
// (16): 81 or 93 bytes. It opens for as long as Vault keeps that version of the
// key; what this package's version wrote every later one reads. Vault advises to
// rotate a key before 2^32 encryptions.
//
// Our own copies of data keys, in requests and answers, are wiped. Buffers of
// net/http and crypto/tls cannot be, and fall to the garbage collector. Use TLS:
// without it data keys cross the network in clear, and net/http writes bytes that
// come after an answer's end to the standard log.
package vaulttransit
