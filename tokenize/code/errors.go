package code

import (
	"errors"

	"github.com/cardseal/cardseal/tokenize"
	"github.com/cardseal/cardseal/tokenize/card"
)

// What a [tokenize.Error] of this package may wrap besides those of package tokenize.
var (
	// ErrWrong: the candidate is another than the code.
	ErrWrong = errors.New("code: the security code is wrong")
	// ErrBlocked: the counter is blocked; nothing was compared or given out.
	ErrBlocked = errors.New("code: the security code is blocked")
	// ErrSpent: as many wrong attempts were made as the code may have in its life;
	// nothing was compared or given out. Another code ends it.
	ErrSpent = errors.New("code: the security code has had all its attempts")
)

// errAgain: the call came before, so that its code is not kept now.
var errAgain = errors.New("code: a call that comes again keeps none")

func invalid(field string, kind tokenize.FieldKind, explanation string) *tokenize.Error {
	return &tokenize.Error{Cause: tokenize.InvalidRequest, Field: field, Kind: kind, Explanation: explanation}
}

func (s *Codes) rejected(support string, err error) *tokenize.Error {
	return s.a.Rejected(card.FieldCode, support, err)
}
