package store

import (
	"context"
	"errors"
	"iter"

	"github.com/cardseal/cardseal/crypto/envelope"
)

var (
	// ErrDurable: the store keeps what is written to it beyond a crash, in a log, a
	// backup or a replica, and so is no place for codes that are to be forgotten.
	ErrDurable = errors.New("store: what it keeps is durable")
)

// Codes is a store of security codes: sealed bytes, counters and times, no card
// types. Implementations are safe for concurrent use by many processes, and every
// call is one transaction. Times are Unix milliseconds by the caller's clock: a code
// whose Expires is not after now is not there, whether it was swept or not. Byte
// slices handed in are not kept, byte slices handed out belong to the caller. An
// error other than [ErrOutcomeUnknown] means that nothing was changed, and one that
// is an [InvalidError] that the call could never be carried out.
type Codes interface {
	// PutCodes stores codes in order, all or none, each in place of the one with the
	// same ID, whose counters end with it. It is [ErrFenced] where a record's key has
	// no open fence.
	PutCodes(ctx context.Context, codes []Code) error
	// Code returns a code with its counters, or [ErrNotFound].
	Code(ctx context.Context, id CodeID, now int64) (Code, error)
	// ReadCode returns a code as [Codes.Code] does and counts one read; the last one
	// allowed erases it in the same transaction. What is returned is the code as it
	// was before: Reads of 1 says that this was the last.
	ReadCode(ctx context.Context, id CodeID, now int64) (Code, error)
	// Attempt takes the next number of a counter before the candidate is compared, or
	// says why it must not be: first [TryBlocked], then [TryCapped]. What is refused
	// takes no number and no guess, but an attempt beyond l.Tries sets Blocked. A code
	// that is not there is [ErrNotFound] and counts nothing. An attempt whose outcome
	// is unknown may have taken its number, and counts as wrong then.
	Attempt(ctx context.Context, id CodeID, counter uint16, l TryLimits, now int64) (Attempt, error)
	// Settle writes down what the comparison of an attempt came to. A right one makes
	// the counter's Base its number, unless it is higher already, and gives its guess
	// back. A wrong one whose number lies l.Tries or more above Base sets Blocked. An
	// attempt that is never settled counts as wrong. Where the code was replaced or
	// erased meanwhile nothing happens and nil is returned. An attempt is settled
	// once, whatever the outcome: twice right gives back two guesses.
	Settle(ctx context.Context, id CodeID, a Attempt, right bool, l TryLimits) error
	// ResetTries sets Base of the counters named to their last number and, if unblock
	// is set, clears Blocked of them. Without unblock a counter that has no attempt left
	// by l.Tries stays as it is: a crash may have kept Blocked from being set. Guesses
	// stay. A code that is not there is [ErrNotFound].
	ResetTries(ctx context.Context, id CodeID, counters []uint16, unblock bool, l TryLimits, now int64) error
	// ReplaceRecord puts another sealed record in place of the one that c has, and
	// leaves all else alone: for sealing anew under another key. It is [ErrFenced] as
	// PutCodes is, and [ErrConflict] where the code has another record by now or is not
	// there.
	ReplaceRecord(ctx context.Context, c Code, record []byte) error

	// EraseCode removes a code; one that is not there is no error.
	EraseCode(ctx context.Context, id CodeID) error
	// EraseToken removes the codes that were stored through a token.
	EraseToken(ctx context.Context, scope ScopeID, token string) error
	// SweepCodes removes at most limit codes whose time is up at now, and returns how
	// many it removed.
	SweepCodes(ctx context.Context, now int64, limit int) (int, error)
	// ScanCodes yields the codes of a scope, or of all where the scope is zero, each
	// once, in any order, those whose time is up included. It holds no lock that stops
	// writes, and may see those made while it runs.
	ScanCodes(ctx context.Context, scope ScopeID) iter.Seq2[Code, error]

	// CountCodes counts the codes sealed under a data key.
	CountCodes(ctx context.Context, key envelope.KeyID) (uint64, error)
	// OpenFence and CloseFence are as in [Cards].
	OpenFence(ctx context.Context, key envelope.KeyID) error
	CloseFence(ctx context.Context, key envelope.KeyID) error

	// CheckEphemeral returns nil if what the store keeps is nowhere but in memory or
	// in files that a crash voids, and that no log, backup or replica has a copy of;
	// else an error that is [ErrDurable] and says why.
	CheckEphemeral(ctx context.Context) error
}

// CodeID names a code: whose it is, and of which card.
type CodeID struct {
	Scope     ScopeID
	OwnerType uint8    // as package code numbers them, 0 for a code of the issuer's
	Owner     string   // at most MaxName bytes
	Card      [32]byte // a keyed digest of the card number
}

// Code is a security code as it is stored.
type Code struct {
	ID       CodeID
	RecordID envelope.RecordID // another for every code that is put
	Token    string            // that it was stored through
	Record   []byte            // the sealed code, in stored mode
	Created  int64
	Expires  int64  // 0: never
	Reads    uint32 // how often it may still be read; 0: as often as is asked
	Guesses  uint32 // attempts that were not right, over all counters
	// Counters are those that were ever tried, ascending by ID. PutCodes takes none.
	Counters []TryCounter
}

// TryCounter counts the attempts of one kind, such as the card's own or a wallet's.
type TryCounter struct {
	ID      uint16
	Taken   uint64 // the last number that was taken
	Base    uint64 // the number of the last right attempt, or of the last reset
	Blocked bool
}

// TryLimits bound wrong attempts, both at least 1.
type TryLimits struct {
	Tries   uint32 // of one counter since Base
	Guesses uint32 // of the code, over all counters, for as long as it lives
}

// Attempt is a number that was taken, or why none was.
type Attempt struct {
	Result  TryResult
	Counter uint16
	Number  uint64
	Blocks  bool // the refusal set Blocked
	Code    Code // as it is after the attempt; without Record where it was refused
}

// TryResult says whether an attempt may be compared. The zero value is invalid.
type TryResult uint8

const (
	TryTaken   TryResult = iota + 1 // compare, then settle
	TryBlocked                      // the counter is blocked, or its limit is reached
	TryCapped                       // the code's guesses are used up
)
