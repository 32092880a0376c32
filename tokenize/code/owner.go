package code

import (
	"context"

	"github.com/cardseal/cardseal/tokenize"
	"github.com/cardseal/cardseal/tokenize/card"
)

// OwnerType says what an [Owner] is. Its numbers are part of the format.
type OwnerType uint8

const (
	Referrer OwnerType = iota + 1
	MerchantGroup
	Merchant
	Site
)

var ownerNames = [...]string{Referrer: "Referrer", MerchantGroup: "MerchantGroup", Merchant: "Merchant", Site: "Site"}

// String is the type as the published interface spells it.
func (t OwnerType) String() string {
	if t == 0 || int(t) >= len(ownerNames) {
		return "Invalid"
	}
	return ownerNames[t]
}

// ParseOwnerType reads what String wrote.
func ParseOwnerType(s string) (OwnerType, error) {
	for t := Referrer; int(t) < len(ownerNames); t++ {
		if ownerNames[t] == s {
			return t, nil
		}
	}
	return 0, invalid("ownerType", tokenize.Invalid, "must be Referrer, MerchantGroup, Merchant or Site")
}

// Owner is whose a code is. The zero Owner is the caller himself: his merchant, or the
// service where the call is the service's own. In an [Issuer]'s repository it is the
// only one.
type Owner struct {
	Type OwnerType
	ID   string // 1 to 64 of 0-9 a-z A-Z - _ . and no card number
}

// maxOwner is the longest owner ID in bytes.
const maxOwner = 64

func (o Owner) check() error {
	if o.Type == 0 || int(o.Type) >= len(ownerNames) {
		return invalid("ownerType", tokenize.Invalid, "must be Referrer, MerchantGroup, Merchant or Site")
	}
	if o.ID == "" {
		return invalid("ownerID", tokenize.Missing, "is needed")
	}
	ok := len(o.ID) <= maxOwner && !card.LooksLikePAN([]byte(o.ID))
	for _, c := range []byte(o.ID) {
		ok = ok && (c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '-' || c == '_' || c == '.')
	}
	if !ok {
		return invalid("ownerID", tokenize.Invalid, "must be 1 to 64 of 0-9 a-z A-Z - _ . and no card number")
	}
	return nil
}

// named returns the owner that a call means, if it is well formed.
func (s *Codes) named(c *tokenize.Caller, o Owner) (Owner, error) {
	switch {
	case !s.kept.owners && o != Owner{}:
		return o, invalid("owner", tokenize.Unsupported, "is not named where the issuer keeps the codes")
	case !s.kept.owners || o == Owner{} && c.Merchant == "":
		return o, nil
	case o == Owner{}:
		return Owner{Merchant, c.Merchant}, nil
	}
	return o, o.check()
}

// owns reports whether a caller may use the codes of an owner with a token.
func (s *Codes) owns(ctx context.Context, c *tokenize.Caller, o Owner, token string) (bool, error) {
	switch {
	case o == Owner{}, o == Owner{Merchant, c.Merchant}:
		return true, nil
	case o.Type == Merchant && c.Merchant != "":
		return false, nil
	case s.o.Owns != nil:
		return s.o.Owns(ctx, *c, o, token)
	}
	return c.Merchant == "", nil
}
