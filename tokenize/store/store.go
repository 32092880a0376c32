// Package store defines what a card store keeps and promises: rows of sealed
// bytes, index values and what may be read in clear. It knows no card types, so
// that a backend sees nothing of a card number but its BIN and last four.
//
// Backends live in backends/store; storetest holds the conformance suite that
// each of them passes. An embedder of cardseal rarely touches this package.
package store

import (
	"context"
	"errors"
	"iter"

	"github.com/cardseal/cardseal/crypto/envelope"
)

// Errors of a card store, tested with errors.Is.
var (
	// ErrNotFound: no such row, repository or job.
	ErrNotFound = errors.New("store: not found")
	// ErrLocked: another process holds the store.
	ErrLocked = errors.New("store: another process holds it")
	// ErrNewer: the store was written by a newer version of this module.
	ErrNewer = errors.New("store: written by a newer version")
	// ErrCorrupt: what the store holds cannot be read.
	ErrCorrupt = errors.New("store: damaged")
	// ErrReadOnly: the store or its file system takes no writes.
	ErrReadOnly = errors.New("store: read-only")
	// ErrFull: no room is left.
	ErrFull = errors.New("store: no space left")
	// ErrUnavailable: the store does not answer; worth another try.
	ErrUnavailable = errors.New("store: unavailable")
	// ErrOutcomeUnknown: the answer to a commit was lost; what was written can
	// only be told by asking again with the same idempotency key.
	ErrOutcomeUnknown = errors.New("store: outcome of the write is unknown")
	// ErrConflict: another caller changed it first.
	ErrConflict = errors.New("store: changed by another caller")
	// ErrFenced: a data key that an update needs, or a code or capture key was sealed
	// under, has no open fence.
	ErrFenced = errors.New("store: the fence of a data key is not open")
	// ErrClosed: the store was closed.
	ErrClosed = errors.New("store: closed")
)

// Cards is a card store. Implementations are safe for concurrent use. A write
// that returned without error is durable (for a store that is durable at all).
// Nothing in it is secret in clear; byte slices handed in are not kept, byte
// slices handed out belong to the caller.
type Cards interface {
	// Write applies writes in order, in one transaction, all or none: if any
	// outcome is not [Written], nothing was changed, and the outcomes say which
	// writes stood in the way (the others say [Written], meaning they would have
	// been). Each write sees those before it in the same call. Where several
	// results fit a write, it gets the first of Outdated, Replayed, Spent, Stale,
	// CardExists, TokenTaken, Fenced. Tokens, Order columns, names and merchants
	// have at most 255 bytes, a row at most 255 index values, each once. With a job, the
	// job's state is stored in the same transaction. An error other than
	// [ErrOutcomeUnknown] means nothing was written.
	Write(ctx context.Context, writes []Write, job *Job) ([]Outcome, error)
	// Spend spends messages of a scope without a write, in one transaction, and says
	// for each, in order, whether it was spent before; the second of two alike was.
	// Messages that were not are spent whatever becomes of the others.
	Spend(ctx context.Context, scope ScopeID, messages []Spend) (before []bool, err error)
	// Get returns a row for each token, in order; a token that does not exist
	// in the scope has a row with Version 0. Tombstones are returned.
	Get(ctx context.Context, scope ScopeID, tokens []string) ([]Row, error)
	// ByIndex returns for each index value the tokens that hold it, in order of
	// the tokens' bytes; none is a nil slice.
	ByIndex(ctx context.Context, scope ScopeID, values []IndexValue) ([][]string, error)
	// Ordered yields the Order columns that begin with prefix, ascending byte
	// for byte, tombstones included.
	Ordered(ctx context.Context, scope ScopeID, prefix string) iter.Seq2[string, error]
	// Scan yields the scope's rows whose token sorts after the given one,
	// ascending by the token's bytes, tombstones included. It may see writes
	// made while it runs; it holds no lock that stops them.
	Scan(ctx context.Context, scope ScopeID, after string) iter.Seq2[Row, error]
	// CountByKey counts the sealed values, over all scopes, that were sealed
	// under a data key.
	CountByKey(ctx context.Context, key envelope.KeyID) (uint64, error)

	// OpenFence makes the fence row of a data key, without which no row sealed
	// under it is written. It is idempotent; a fence that was closed stays
	// closed and is reported as [Fenced] by later writes, not here.
	OpenFence(ctx context.Context, key envelope.KeyID) error
	// CloseFence closes a data key's fence for good: once it returned, no
	// transaction commits a row sealed under that key any more, nor an update of a
	// repository that needs it.
	CloseFence(ctx context.Context, key envelope.KeyID) error

	// CreateRepository stores r at version 1 if neither its name nor its scope is
	// taken, and returns what is stored under its name either way.
	CreateRepository(ctx context.Context, r Repository) (Repository, error)
	// UpdateRepository replaces State and Epoch of the repository whose scope is
	// r's, if its version still is r.Version, and raises the version by one; else
	// it is [ErrConflict], or [ErrNotFound] where no repository has the scope.
	// The epoch must not fall. Once it returned with another epoch than before, no
	// transaction commits a write that names the old one. It is [ErrFenced], and
	// nothing was changed, where one of the data keys that it needs has no open fence
	// in that same transaction.
	UpdateRepository(ctx context.Context, r Repository, needs ...envelope.KeyID) error
	// Repositories lists all repositories by name.
	Repositories(ctx context.Context) ([]Repository, error)
	// AssignMerchant says which scope a merchant belongs to, in place of any
	// earlier one. MerchantScope returns it, or [ErrNotFound].
	AssignMerchant(ctx context.Context, merchant string, scope ScopeID) error
	MerchantScope(ctx context.Context, merchant string) (ScopeID, error)

	// Job returns a job's state as last written, or [ErrNotFound].
	Job(ctx context.Context, id JobID) ([]byte, error)
	// EndJob removes a job's state; one that is not there is no error.
	EndJob(ctx context.Context, id JobID) error
}
