// Package gcpkms is a key-encryption key in Google Cloud KMS: a symmetric key of
// purpose ENCRYPT_DECRYPT, at any protection level.
//
// [New] takes a gRPC client of cloud.google.com/go/kms/apiv1, best made with
// [ClientOptions], and the key's resource name. The caller needs the permissions
// cloudkms.cryptoKeyVersions.useToEncrypt and useToDecrypt (role
// roles/cloudkms.cryptoKeyEncrypterDecrypter); with cloudkms.cryptoKeys.get
// besides, [KEK.Check] says more.
//
// # What a call does
//
// Wrap encrypts the data key under the key's primary version, Unwrap decrypts it,
// each with [keys.Binding.AAD] as additional authenticated data: one call to the
// KMS. Data key, additional data and ciphertext travel with CRC32C checksums both
// ways, as Google's integrity guidelines ask. An answer whose checksum is wrong is
// thrown away and the call made again at once, three times in all, within the
// caller's context; after that it is [keys.ErrCorrupt] with a [*ChecksumError].
// Everything else is tried once: the client's own retries are switched off, the
// manager retries.
//
// Google Cloud KMS has no call that makes a data key and none that moves a
// ciphertext to a newer version. So a KEK here is no keys.Generator and no
// keys.Rewrapper: data keys are made in this process, and moving one to the
// primary version is Unwrap and Wrap.
//
// # The wrapped form
//
// Version 0x01 (1 byte), check value (16), number of the key version (8,
// big-endian), its protection level as numbered in kmspb (1), then the ciphertext
// as the KMS gave it; at most 4,064 bytes, and with today's KMS some 130. The check
// value covers number and level, so they cannot be changed without Unwrap failing
// with [keys.ErrCorrupt]; [KEK.Version] and [KEK.ProtectionLevel] read them. What
// this version writes every later one reads.
//
// # Limits
//
// Data keys are 32 bytes. A key in an HSM takes 8 KiB of data and additional data
// together, others 64 KiB each. The additional data is 31 bytes and the three
// texts of the binding, which the keys package bounds far below either.
//
// A KEK is safe for concurrent use. It wipes the copies of data keys that it
// holds. Copies in the buffers of gRPC and TLS cannot be wiped and last until they
// are used again or collected.
package gcpkms
