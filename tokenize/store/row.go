package store

import (
	"fmt"

	"github.com/cardseal/cardseal/crypto/envelope"
)

// ScopeID is a repository's immutable scope: 16 random bytes.
type ScopeID [16]byte

// String is the ID as a UUID (RFC 9562, section 4): the scope that the repository's
// data keys and sealed records are bound to.
func (id ScopeID) String() string {
	return fmt.Sprintf("%x-%x-%x-%x-%x", id[0:4], id[4:6], id[6:8], id[8:10], id[10:16])
}

// JobID names a resumable job: a keyed digest, chosen by the caller.
type JobID [32]byte

// Status is where a token is in its life. The zero value is invalid.
type Status uint8

const (
	Active    Status = iota + 1
	Suspended        // cannot be used to get the card; can come back
	Deleted          // a tombstone: Scope, Token, Version, Status and Order alone are kept, whatever the write holds
)

// Row is one token with all that is stored of it. Text compares byte for byte.
// Times are Unix milliseconds, 0 for none.
type Row struct {
	Scope    ScopeID
	Token    string
	Version  uint64 // 1 when first written, one more with each write
	RecordID envelope.RecordID
	Status   Status

	BIN       string // at most 8 digits
	LastFour  string
	PANLength uint8
	Network   string // the brand table's name for the network
	Brand     string
	Local     string // local brand, empty where none is known
	Funding   string
	Expiry    uint16 // of the card: year - 2000 times 100 plus month (2612), 0 for none
	Invalid   bool   // an account updater said the details are no longer good
	Verified  uint8  // result of the last verification, as the repository numbers them

	Created   int64
	Updated   int64
	UpdatedBy string // merchant or actor, never cardholder data
	LastUsed  int64
	Expires   int64 // when the token ceases to resolve

	Analytics string // the card's analytics token, empty where none was asked for
	Scheme    Scheme // of a network token, zero where there is none

	Sealed []Sealed     // at most one per field, ascending by Field
	Index  []IndexValue // every live version of the card's index value
	Order  string       // the ordered column; empty where the strategy needs none
}

// Scheme is what is kept in clear of a network token; the token itself is sealed.
type Scheme struct {
	Status    uint8  // as the repository numbers them, 0 for none
	Expiry    uint16 // as Row.Expiry
	PAR       string // payment account reference
	Requestor string // merchant whom the details may be told
}

// Sealed is one sealed value of a row.
type Sealed struct {
	Field      byte   // the field's number in the record's additional data
	Generation uint64 // likewise; raised whenever the value changes
	Record     []byte // a sealed record in stored mode, format 1
}

// IndexValue is a keyed digest of a card number under one index key.
type IndexValue struct {
	Key   envelope.KeyID
	Value [32]byte
}

// Write asks for a row to become Row. Row.Version is the version it replaces: 0
// for a new token. The stored version is one higher.
type Write struct {
	Row    Row
	Unique bool   // an index value that another token of the scope holds refuses the write
	Once   *Once  // remembers the call for its repetition
	Spend  *Spend // uses a message up
	// Epoch is the scope's epoch as the writer last read it, 0 for a scope
	// without repository. Any other than the stored one refuses the write.
	Epoch uint64
}

// Once makes a write happen once per idempotency key and scope. Both digests are
// keyed. A remembered key is forgotten when its time is up or its token is a
// tombstone; it may then be taken anew.
type Once struct {
	Key   [32]byte // of caller and idempotency key
	Input [32]byte // of what was asked for
	Now   int64    // Unix milliseconds, the caller's clock
	Until int64    // remembered while Now is before it
}

// Spend makes a write use up a message that is good for one write of the scope. The
// digest is keyed. That a message was spent is forgotten when its time is up, by which
// it must be too old to be taken.
type Spend struct {
	Digest [32]byte
	Now    int64 // Unix milliseconds, the caller's clock
	Until  int64 // remembered while Now is before it
}

// Result says what became of a write. The zero value is invalid.
type Result uint8

const (
	Written    Result = iota + 1
	CardExists        // Unique, and another token holds an index value: Outcome.Token
	TokenTaken        // a new token that exists already, tombstones included
	Replayed          // Once.Key is known: Outcome.Token and Outcome.Input
	Stale             // the row does not have the version named, or is not there, or is a tombstone
	Fenced            // a sealed value's key has no open fence: Outcome.Key
	Outdated          // the scope has another epoch than Write.Epoch
	Spent             // Spend.Digest was spent
)

// Outcome is what a store answers for one write.
type Outcome struct {
	Result Result
	Token  string
	Input  [32]byte
	Key    envelope.KeyID
}

// Job is the state of a resumable job, stored in the transaction of a Write.
type Job struct {
	ID    JobID
	State []byte
}

// Repository is a repository's stored configuration and state, both opaque here.
// Scope, Name and Config never change.
type Repository struct {
	Scope   ScopeID
	Name    string
	Config  []byte
	State   []byte
	Epoch   uint64 // what writes to the scope must name; it never falls
	Version uint64 // 1 when made, one more with each update
}
