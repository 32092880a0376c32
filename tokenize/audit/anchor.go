package audit

import (
	"encoding/base64"
	"errors"
	"strconv"
	"strings"

	"github.com/cardseal/cardseal/crypto/chain"
)

// Anchor is where a chain stood at some moment: its ID, and the number and MAC of
// its last entry. It is no secret, but it is worth something only where whoever can
// write to the log cannot write to it.
type Anchor struct {
	Chain chain.ID
	chain.Head
}

// anchorPrefix begins the text of an anchor and carries its version.
const anchorPrefix = "cardseal-audit-1."

// ErrAnchorText is text that is not an anchor's.
var ErrAnchorText = errors.New("audit: not the text of an anchor")

// encoding is that of MACs, digests and chain IDs. In base64 they have no long runs
// of digits, which a search for card numbers would stop at, as hexadecimal has.
var encoding = base64.RawURLEncoding.Strict()

// String is the anchor as text: a prefix, chain ID, sequence number and MAC, joined
// by full stops.
func (a Anchor) String() string {
	b := make([]byte, 0, 128)
	b = append(b, anchorPrefix...)
	b = encoding.AppendEncode(b, a.Chain[:])
	b = append(b, '.')
	b = strconv.AppendUint(b, a.Sequence, 10)
	b = append(b, '.')
	return string(encoding.AppendEncode(b, a.MAC[:]))
}

// ParseAnchor reads what [Anchor.String] wrote, and nothing else. The error is
// [ErrAnchorText].
func ParseAnchor(text string) (a Anchor, err error) {
	rest, ok := strings.CutPrefix(text, anchorPrefix)
	parts := strings.Split(rest, ".")
	if !ok || len(parts) != 3 || !decode(a.Chain[:], parts[0]) || !decode(a.MAC[:], parts[2]) {
		return Anchor{}, ErrAnchorText
	}
	a.Sequence, err = strconv.ParseUint(parts[1], 10, 64)
	if err != nil || a.Sequence == 0 || a.String() != text {
		return Anchor{}, ErrAnchorText
	}
	return a, nil
}

// decode reads exactly as many bytes as dst has.
func decode(dst []byte, text string) bool {
	if len(text) != encoding.EncodedLen(len(dst)) {
		return false
	}
	n, err := encoding.Decode(dst, []byte(text))
	return err == nil && n == len(dst)
}

// MarshalText is [Anchor.String].
func (a Anchor) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// UnmarshalText is [ParseAnchor].
func (a *Anchor) UnmarshalText(text []byte) (err error) {
	*a, err = ParseAnchor(string(text))
	return err
}
