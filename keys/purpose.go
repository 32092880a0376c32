package keys

import "strings"

// Purpose says what a ring's data keys are for. The list is closed; an
// embedder's own purposes carry the prefix "x-". The zero value is invalid.
type Purpose string

// The purposes of design.
const (
	PAN       Purpose = "pan"       // seals all cardholder data: PAN, network token, holder, e-mail
	CVC       Purpose = "cvc"       // seals security codes
	Index     Purpose = "index"     // keys the blind index and idempotency digests
	Analytics Purpose = "analytics" // makes analytics tokens
	FPE       Purpose = "fpe"       // format-preserving encryption
	Capture   Purpose = "capture"   // seals private capture keys
	Audit     Purpose = "audit"     // chains audit events
)

// maxPurpose bounds a custom purpose's name in bytes.
const maxPurpose = 64

// Valid reports whether p is one of this package's purposes or a custom one:
// "x-" and 1 to 62 of a-z, 0-9 and '-'.
func (p Purpose) Valid() bool {
	switch p {
	case PAN, CVC, Index, Analytics, FPE, Capture, Audit:
		return true
	}
	name, custom := strings.CutPrefix(string(p), "x-")
	if !custom || name == "" || len(p) > maxPurpose {
		return false
	}
	for _, c := range []byte(name) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return true
}
