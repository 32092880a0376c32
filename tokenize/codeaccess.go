package tokenize

import (
	"context"
	"time"

	"github.com/cardseal/cardseal/crypto/blindindex"
	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/tokenize/audit"
	"github.com/cardseal/cardseal/tokenize/card"
	"github.com/cardseal/cardseal/tokenize/seal"
	"github.com/cardseal/cardseal/tokenize/store"
)

// CodeAccess is what package code works on a repository through, and of no use to
// anybody else: it finds the card behind a token without giving its number out, and
// applies this package's rules of permission, merchant and state, its errors and its
// audit events to calls that are made there.
type CodeAccess struct{ r *Repository }

// CodeAccess is for package code.
func (r *Repository) CodeAccess() CodeAccess { return CodeAccess{r} }

// CodeUse is what a call of package code wants of a token.
type CodeUse operation

const (
	CodePut      = CodeUse(opPutCode)
	CodeAllocate = CodeUse(opAllocateCode)
	CodeVerify   = CodeUse(opVerifyCode)
	CodeRetrieve = CodeUse(opRetrieveCode)
	CodeStatus   = CodeUse(opCodeStatus)
	CodeUnblock  = CodeUse(opUnblockCode)
	CodeReset    = CodeUse(opResetTries)
	CodeErase    = CodeUse(opEraseCode)
	CodeReseal   = CodeUse(opResealCodes)
)

// CodeSubject is the card behind a token.
type CodeSubject struct {
	Token string     // as it was found, empty where it was not
	Brand card.Brand // as it is stored with the token
	// Card is a digest of the card number under a key of the repository's own, the
	// same for all tokens of a card and for as long as the repository lives; zero
	// where the token was deleted.
	Card   [32]byte
	stands condition
}

// Allows reports whether the token's state lets it be used so.
func (s *CodeSubject) Allows(u CodeUse) error { return allowIn(operation(u), s.stands) }

// Admit is [Repository.Admit] with the permission that the use needs.
func (a CodeAccess) Admit(ctx context.Context, c *Caller, u CodeUse) error {
	return a.r.admit(ctx, c, rules[u].needs, time.Now())
}

// Subjects finds the cards behind tokens. The i-th error says why the i-th could not
// be found; an error besides means that nothing could.
func (a CodeAccess) Subjects(ctx context.Context, tokens []string) ([]CodeSubject, []error, error) {
	now := time.Now()
	rows, err := a.r.rows(ctx, tokens)
	if err != nil {
		return nil, nil, err
	}
	digests, err := a.r.codeCards.get(ctx, a.r, now, keys.Analytics, codeLabel, func(key []byte) (*blindindex.Index, error) {
		return blindindex.New(key, codeLabel)
	})
	if err != nil {
		return nil, nil, wrap(err)
	}
	subjects, errs := make([]CodeSubject, len(tokens)), make([]error, len(tokens))
	for i := range rows {
		row, s := &rows[i], &subjects[i]
		if row.Version == 0 {
			errs[i] = a.r.unknownToken()
			continue
		}
		s.Token, s.stands = row.Token, conditionsOf(row, now)
		_ = s.Brand.UnmarshalText([]byte(row.Brand))
		if row.Status != store.Deleted {
			errs[i] = a.digest(ctx, digests, row, s)
		}
	}
	return subjects, errs, nil
}

func (a CodeAccess) digest(ctx context.Context, digests *blindindex.Index, row *store.Row, into *CodeSubject) error {
	for i := range row.Sealed {
		s := &row.Sealed[i]
		if seal.Field(s.Field) != seal.PAN {
			continue
		}
		pan, err := a.r.sealer.OpenNumber(ctx, s.Record, seal.PAN, bound(row, s))
		if err != nil {
			return wrap(err)
		}
		var digits [card.MaxLen]byte
		digests.Append(into.Card[:0], pan.AppendDigits(digits[:0]))
		clear(digits[:])
		return nil
	}
	return damaged("a row has no card number")
}

// Deleted reports which of some tokens were deleted by now.
func (a CodeAccess) Deleted(ctx context.Context, tokens []string) ([]bool, error) {
	rows, err := a.r.rows(ctx, tokens)
	if err != nil {
		return nil, err
	}
	deleted := make([]bool, len(tokens))
	for i := range rows {
		deleted[i] = rows[i].Status == store.Deleted
	}
	return deleted, nil
}

// Unknown says that there is no such token, or nothing that the caller may know of.
func (a CodeAccess) Unknown() *Error { return a.r.unknownToken() }

// Fault makes an Error of whatever went wrong, with the call's correlation ID.
func (a CodeAccess) Fault(err error, correlation string) *Error { return fault(err, correlation) }

// Fatal reports whether an error ends a walk over what is stored, rather than being of
// one record alone.
func (a CodeAccess) Fatal(ctx context.Context, err error) bool { return fatal(ctx, err) }

// Rejected is a refusal of a well-formed request.
func (a CodeAccess) Rejected(field, support string, err error) *Error {
	return rejected(field, support, err)
}

// Event is that something was done for a caller.
func (a CodeAccess) Event(c *Caller, u CodeUse, correlation string) audit.Event {
	e := a.r.event(rules[u].action, c)
	if isPrintable(correlation, maxCorrelation) {
		e.Correlation = correlation
	}
	return e
}

// Failed is the event of what was not done.
func (a CodeAccess) Failed(e audit.Event, err error) audit.Event { return failed(e, err) }

// Unfound returns what stands in an event for a token that was not found.
func (a CodeAccess) Unfound(ctx context.Context, token string) (string, error) {
	if a.r.v.o.Audit == nil {
		return "", nil
	}
	l, err := a.r.keyed(ctx)
	if err != nil {
		return "", err
	}
	return a.r.unknownDigest(l, token), nil
}

// Record hands events to the vault's sink.
func (a CodeAccess) Record(ctx context.Context, events ...audit.Event) error {
	return a.r.v.record(ctx, events...)
}

// Scope is the repository's scope as a store knows it.
func (a CodeAccess) Scope() store.ScopeID { return a.r.scope }

// Environment is that of the repository's data keys.
func (a CodeAccess) Environment() string { return a.r.keys.Environment() }

// Sealer seals under the repository's data keys, and Ring has those for codes.
func (a CodeAccess) Sealer() *seal.Sealer       { return a.r.sealer }
func (a CodeAccess) Ring() (*keys.Scope, error) { return a.r.ring(keys.CVC) }

// IssuerCodes is [Options.IssuerCodes].
func (a CodeAccess) IssuerCodes() store.Codes { return a.r.v.o.IssuerCodes }

// Attach has a keeper keep the codes that come with cards, and erase those of a token
// that is deleted, for every Repository of the vault that has this scope. One of a
// scope's at most, until the function returned is called.
func (a CodeAccess) Attach(k CodeKeeper) (detach func(), err error) {
	if _, taken := a.r.v.keepers.LoadOrStore(a.r.scope, k); taken {
		return nil, &Error{Cause: InvalidRequest, Field: "repository", Kind: Invalid,
			Explanation: "has a service of security codes already"}
	}
	return func() { a.r.v.keepers.CompareAndDelete(a.r.scope, k) }, nil
}
