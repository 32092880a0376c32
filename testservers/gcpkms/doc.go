// Package gcpkms is a Google Cloud KMS of our own for tests: its gRPC service on
// loopback, with real AES-256-GCM, CRC32C checksums both ways, key versions and
// their states.
//
// It knows key rings, keys of purpose ENCRYPT_DECRYPT at protection levels
// SOFTWARE and HSM, and what an administrator does to versions: disable, enable,
// destroy, restore, create, make primary. Errors carry the codes and, where these
// are known, the words of the real service. What it does not know answers
// Unimplemented. Names of locations are not checked against a list, versions are
// generated at once, and a version scheduled for destruction is destroyed when
// its time has come and somebody looks at it.
//
// Nobody signs in. A caller whose metadata holds "x-test-caller: nobody" is denied
// everything.
package gcpkms
