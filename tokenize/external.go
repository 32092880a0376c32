package tokenize

// ExternalType says whose tokens are asked for. The zero value is [InternalToken].
// A vault makes its own; the others are an acquirer's, made by his service, and
// asking for one is answered UNSUPPORTED.
type ExternalType uint8

const (
	InternalToken ExternalType = iota + 1
	ChaseToken
	TaveToken
)

var externalNames = [...]string{InternalToken: "INTERNAL", ChaseToken: "CHASE", TaveToken: "TAVE"}

// String is the type as the published interfaces spell it.
func (e ExternalType) String() string { return name(externalNames[:], int(e)) }

// MarshalText writes the published spelling.
func (e ExternalType) MarshalText() ([]byte, error) { return []byte(e.String()), nil }

// UnmarshalText reads the published spelling.
func (e *ExternalType) UnmarshalText(b []byte) error {
	n, err := parse(externalNames[:], string(b), "externalType")
	*e = ExternalType(n)
	return err
}
