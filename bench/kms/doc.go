// Package kms measures the KMS backends against real servers on loopback
// (testservers starts them; without them each benchmark is skipped).
//
//	go test ./bench/kms -run NONE -bench KEK -benchtime 500x
//	go test ./bench/kms -run NONE -bench TransitBatch -benchtime 1x -records 1000000
//
// KEK has the vendor's own client and ours call in turns: what it costs to bind,
// check and verify a data key over one bare call. TransitBatch seals the same records
// twice, in turns of one batch: by Vault's Transit engine through its batch API, and
// by this library under a data key that the same engine wrapped.
package kms
