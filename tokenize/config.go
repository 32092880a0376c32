package tokenize

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/tokenize/card"
	"github.com/cardseal/cardseal/tokenize/generate"
)

// Generation says how a repository's tokens are made.
type Generation = generate.Strategy

const (
	// RandomWithLuhn: 16 random digits, the first 9, the last the Luhn check digit.
	RandomWithLuhn = generate.RandomWithLuhn
	// Preserve64: the card's first six and last four digits; fails Luhn.
	Preserve64 = generate.Preserve64
	// MerchantProvided: the caller supplies the token.
	MerchantProvided = generate.MerchantProvided
	// UUID: a random version-4 UUID.
	UUID = generate.UUID
	// FF1: the card's first six and last four digits (of 15 digits, five and four)
	// around the encrypted middle; fails Luhn. The token follows from the card and a
	// key that the repository keeps for good, so a card that was deleted cannot be
	// saved again, whoever has that key has the card behind every token, deleted ones
	// included, and another key means another repository. With UniqueCard only, for
	// cards of 15 to 19 digits that pass Luhn.
	//
	// A row is kept all the same: it holds the sealed card, expiry, states and
	// tombstone. See [Repository.RevealVaultless] for what works without one.
	FF1 = generate.FF1
)

// Management says how many tokens a card may have in a repository. The zero
// value is invalid.
type Management uint8

const (
	UniqueCard  Management = iota + 1 // one token per card number
	UniqueToken                       // every save makes a new token
)

var managementNames = [...]string{UniqueCard: "UNIQUE_CARD", UniqueToken: "UNIQUE_TOKEN"}

// String is the strategy as the published interfaces spell it.
func (m Management) String() string { return name(managementNames[:], int(m)) }

// MarshalText writes the published spelling.
func (m Management) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// UnmarshalText reads the published spelling.
func (m *Management) UnmarshalText(b []byte) error {
	n, err := parse(managementNames[:], string(b), "management")
	*m = Management(n)
	return err
}

// Verification says how a card is checked before it is stored. The zero value
// means the repository's own, and for a repository [Basic].
type Verification uint8

const (
	None     Verification = iota + 1 // not at all
	Basic                            // well formed and inside a known range
	Acquirer                         // Basic, and then the vault's [Verifier] is asked
)

var verificationNames = [...]string{None: "NONE", Basic: "BASIC", Acquirer: "ACQUIRER"}

// String is the strategy as the published interfaces spell it.
func (v Verification) String() string { return name(verificationNames[:], int(v)) }

// MarshalText writes the published spelling.
func (v Verification) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// UnmarshalText reads the published spelling.
func (v *Verification) UnmarshalText(b []byte) error {
	n, err := parse(verificationNames[:], string(b), "verification")
	*v = Verification(n)
	return err
}

// Config is a repository's configuration. It is stored when the repository is
// made and does not change.
type Config struct {
	ID           string       `json:"id"` // 1 to 40 of 0-9 a-z A-Z - _, not beginning with "Test"
	Generation   Generation   `json:"generation"`
	Management   Management   `json:"management"`
	Verification Verification `json:"verification"` // default Basic
	// Masking is how numbers are shown: 6.4 unless another is given, such as 0.0
	// (card.ParseMask), which hides all.
	Masking card.Mask `json:"masking"`
	// RequireExpiry refuses cards without an expiry.
	RequireExpiry bool `json:"requireExpiry"`
	// SchemeTokens allows scheme tokens to be attached.
	SchemeTokens bool `json:"schemeTokens,omitempty"`
	// PerScopeKeys gives the repository data keys of its own ([keys.PerScope]), and
	// KEKs of its own where keys.Options.KEKFor names them for [Repository.Scope], so
	// that its cards can be shredded apart from all others. KMS calls then grow with
	// the number of such repositories in use.
	PerScopeKeys bool `json:"perScopeKeys,omitempty"`
	// IssuerCodes lets security codes be kept durably and without an end, which PCI DSS
	// 3.3.3 allows to the issuer of the cards and to nobody else. They lie in
	// [Options.IssuerCodes]; package code serves them. Without it the repository's
	// codes, if any, are transient.
	IssuerCodes bool `json:"issuerCodes,omitempty"`
}

// testPrefix begins the IDs of test twins, which no repository of its own has.
const testPrefix = "Test"

// filled returns the configuration with defaults in place of zeros, or what is
// wrong with it.
func (c Config) filled() (Config, error) {
	if !isMerchantID(c.ID) {
		return c, invalid("repository", Invalid, "must be 1 to 40 of 0-9 a-z A-Z - _")
	}
	if strings.HasPrefix(c.ID, testPrefix) {
		return c, invalid("repository", Invalid, `must not begin with "Test", which names test twins`)
	}
	if !c.Generation.Known() {
		return c, invalid("generation", Invalid, "is not a known strategy")
	}
	if c.Management != UniqueCard && c.Management != UniqueToken {
		return c, invalid("management", Invalid, "is not a known strategy")
	}
	if c.Generation == FF1 && c.Management != UniqueCard {
		return c, invalid("management", Unsupported, "must be UNIQUE_CARD for FF1, which has one token for a card")
	}
	if c.Verification == 0 {
		c.Verification = Basic
	}
	if c.Verification > Acquirer {
		return c, invalid("verification", Invalid, "is not a known strategy")
	}
	if c.Masking == 0 {
		c.Masking = card.Mask64
	}
	return c, nil
}

func (c Config) layout() keys.Layout {
	if c.PerScopeKeys {
		return keys.PerScope
	}
	return keys.Shared
}

func (c Config) encode() ([]byte, error) { return json.Marshal(c) }

func decodeConfig(b []byte) (c Config, err error) {
	d := json.NewDecoder(strings.NewReader(string(b)))
	d.DisallowUnknownFields()
	err = d.Decode(&c)
	return c, err
}

func name(names []string, n int) string {
	if n > 0 && n < len(names) {
		return names[n]
	}
	return "INVALID"
}

func parse(names []string, text, field string) (int, error) {
	for i, n := range names {
		if n != "" && n == text {
			return i, nil
		}
	}
	return 0, &Error{Cause: InvalidRequest, Field: field, Kind: Invalid,
		Explanation: fmt.Sprintf("must be one of %s", strings.Join(names[1:], ", "))}
}
