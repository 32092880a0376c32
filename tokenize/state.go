package tokenize

import (
	"time"

	"github.com/cardseal/cardseal/tokenize/audit"
	"github.com/cardseal/cardseal/tokenize/store"
)

// condition is what may keep a token from serving; a token may be in several.
type condition uint8

const (
	isDeleted condition = 1 << iota
	isExpired
	isSuspended
	isInvalid
)

// conditionsOf says in which conditions a token is. Nothing but its deletion is
// known of a deleted one.
func conditionsOf(row *store.Row, now time.Time) (c condition) {
	if row.Status == store.Deleted {
		return isDeleted
	}
	if row.Expires != 0 && now.UnixMilli() >= row.Expires {
		c |= isExpired
	}
	if row.Status != store.Active {
		c |= isSuspended
	}
	if row.Invalid {
		c |= isInvalid
	}
	return c
}

// operation is what a caller wants of a token that exists.
type operation uint8

const (
	opGet    operation = iota + 1 // what is known in clear, and that it is deleted
	opHolder                      // the holder's name
	opReveal                      // the card: payment use
	opUpdate                      // Update, or a Save that finds the token
	opSuspend
	opActivate
	opValid // what an account updater found
	opDelete
	opPutCode
	opAllocateCode
	opVerifyCode
	opRetrieveCode
	opCodeStatus
	opUnblockCode
	opResetTries
	opEraseCode
	opResealCodes // of no token
)

// rules is the one table of what a token's state lets be done and of what a caller
// needs for it. An expired or suspended token can be updated and told of: a card
// that is saved again must find its token, and the day can be put off.
var rules = [...]struct {
	refused condition
	needs   Permission
	action  audit.Action // empty where it is not recorded
}{
	opGet:      {needs: MayRead},
	opHolder:   {refused: isDeleted | isExpired, needs: MayRead, action: audit.Holder},
	opReveal:   {refused: isDeleted | isExpired | isSuspended | isInvalid, needs: MayReveal, action: audit.Reveal},
	opUpdate:   {refused: isDeleted, needs: MayUpdate, action: audit.Update},
	opSuspend:  {refused: isDeleted, needs: MaySuspend, action: audit.Suspend},
	opActivate: {refused: isDeleted, needs: MaySuspend, action: audit.Activate},
	opValid:    {refused: isDeleted, needs: MayUpdate, action: audit.Validity},
	opDelete:   {needs: MayDelete, action: audit.Delete},

	opPutCode:      {refused: isDeleted, needs: MaySaveCode, action: audit.PutCode},
	opAllocateCode: {refused: isDeleted, needs: MaySaveCode, action: audit.AllocateCode},
	opVerifyCode:   {refused: isDeleted | isExpired | isSuspended | isInvalid, needs: MayVerifyCode, action: audit.VerifyCode},
	opRetrieveCode: {refused: isDeleted | isExpired | isSuspended | isInvalid, needs: MayRevealCode, action: audit.RetrieveCode},
	opCodeStatus:   {refused: isDeleted, needs: MayVerifyCode},
	opUnblockCode:  {refused: isDeleted, needs: MayUnblockCode, action: audit.UnblockCode},
	opResetTries:   {refused: isDeleted, needs: MayUnblockCode, action: audit.ResetTries},
	opEraseCode:    {needs: MaySaveCode, action: audit.EraseCode},
	opResealCodes:  {needs: MayUpdate, action: audit.Reseal},
}

// refusals are the conditions by weight: a token in several is refused for the
// first.
var refusals = [...]struct {
	is      condition
	support string
	err     error
}{
	{isDeleted, "DELETED", ErrTokenDeleted},
	{isExpired, "EXPIRED", ErrTokenExpired},
	{isSuspended, "SUSPENDED", ErrTokenSuspended},
	{isInvalid, "INVALID", ErrTokenInvalid},
}

// allow says whether a token's state lets an operation go on.
func allow(op operation, row *store.Row, now time.Time) error {
	return allowIn(op, conditionsOf(row, now))
}

// allowIn is allow for a token in these conditions.
func allowIn(op operation, stands condition) error {
	if stands &= rules[op].refused; stands != 0 {
		for _, r := range refusals {
			if stands&r.is != 0 {
				return rejected("token", r.support, r.err)
			}
		}
	}
	return nil
}
