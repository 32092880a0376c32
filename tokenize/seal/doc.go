// Package seal seals cards, field by field: the PAN, the security code, the
// network token, the holder, the e-mail address and fields of the embedder's own,
// each padded so that its length says nothing and bound to what it is, to the
// record it belongs to and to its owner. It is what an embedder uses who keeps
// his own tables; package tokenize uses it for a repository.
//
// Sealed values are records of crypto/envelope, format 1. In stored mode
// ([keys.Open]) a sealed PAN is [PANSize] bytes, always. A record opens for the
// same scope, field, record ID, owner, generation and pairs only, so that it
// cannot be moved to another place, and with a generation that is raised at
// every change, not be replaced by an older value of itself.
//
// The record ID is 16 random bytes that the embedder draws once per row
// ([NewRecordID]), stores in clear beside the sealed value and never changes.
//
// All methods are safe for concurrent use. Warm calls make no KMS call and
// allocate only where dst is too small.
//
// Security codes are sensitive authentication data: PCI DSS 3.3.1 forbids keeping
// them after authorization even when sealed. This package does not delete
// anything; whoever seals a code with it must.
package seal
