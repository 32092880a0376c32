package capture

import (
	"bytes"

	"github.com/cardseal/cardseal/internal/strictjson"
)

// The algorithms of JWE that are read (RFC 7518).
const (
	algRSA     = "RSA-OAEP-256"
	algECDH    = "ECDH-ES"
	encA256GCM = "A256GCM"
	curveP256  = "P-256"
)

const (
	maxHeader = 1024 // of the encoded header, in characters
	ivSize    = 12
	coord     = 32 // of a coordinate on P-256
)

// kidOf reads the key ID from a header's kid, which is nil where there is none.
func kidOf(kid []byte) (KeyID, bool) {
	id, err := ParseKeyID(kid)
	return id, err == nil
}

// parseJWE takes a JWE in compact form apart (RFC 7516, 7.1). JSON serialization,
// which alone has several recipients, does not have five parts in base64url.
func parseJWE(text []byte, kid func([]byte) (KeyID, bool)) (*Message, error) {
	var parts [5][]byte
	rest, more := text, true
	for i := range parts {
		if !more {
			return nil, ErrOpen
		}
		parts[i], rest, more = bytes.Cut(rest, []byte{'.'})
	}
	if more || len(parts[0]) > maxHeader {
		return nil, ErrOpen
	}
	var raw [5][]byte
	for i, part := range parts {
		var ok bool
		if raw[i], ok = decode(part); !ok {
			return nil, ErrOpen
		}
	}
	if len(raw[2]) != ivSize || len(raw[4]) != tagSize {
		return nil, ErrOpen
	}
	var h header
	if !h.read(raw[0]) {
		return nil, ErrOpen
	}
	m := &Message{
		suite: h.suite, enc: raw[1], body: bytes.Join(raw[2:], nil),
		aad: bytes.Clone(parts[0]), apu: h.apu, apv: h.apv,
	}
	var ok bool
	if m.keyID, ok = kid(h.kid); !ok {
		return nil, ErrOpen
	}
	if h.suite == JWEECDH {
		if len(m.enc) != 0 { // RFC 7518, 4.6: there is no encrypted key
			return nil, ErrOpen
		}
		m.enc = h.epk
	}
	return m, nil
}

// header is a JWE's protected header. Its slices point into what was read.
type header struct {
	suite    Suite
	kid      []byte
	epk      []byte // uncompressed point
	apu, apv []byte
}

// headerNames are the members a header may have. Every other is refused, also
// such as RFC 7516 has readers ignore.
var headerNames = []string{"alg", "enc", "kid", "typ", "cty", "epk", "apu", "apv"}

// read reads a header and overwrites it.
func (h *header) read(text []byte) bool {
	gcm := false
	ok := strictjson.Read(text, headerNames, func(i int, v strictjson.Value) bool {
		name := headerNames[i]
		if (v.Kind == strictjson.Object) != (name == "epk") || v.Kind == strictjson.Number {
			return false
		}
		ok := true
		switch name {
		case "alg":
			switch string(v.Bytes) {
			case algRSA:
				h.suite = JWERSA
			case algECDH:
				h.suite = JWEECDH
			default:
				ok = false
			}
		case "enc":
			gcm = string(v.Bytes) == encA256GCM
		case "kid":
			h.kid = v.Bytes
		case "epk":
			h.epk, ok = readPoint(v.Bytes)
		case "apu":
			h.apu, ok = decode(v.Bytes)
		case "apv":
			h.apv, ok = decode(v.Bytes)
		}
		return ok
	})
	if !ok || !gcm {
		return false
	}
	switch h.suite {
	case JWERSA:
		return h.epk == nil && h.apu == nil && h.apv == nil
	case JWEECDH:
		return h.epk != nil
	}
	return false
}

var pointNames = []string{"kty", "crv", "x", "y"}

// readPoint reads an ephemeral public key on P-256 (RFC 7518, 6.2.1), whose
// coordinates have their full length.
func readPoint(text []byte) ([]byte, bool) {
	var x, y []byte
	curve, kind := false, false
	ok := strictjson.Read(text, pointNames, func(i int, v strictjson.Value) bool {
		if v.Kind != strictjson.String {
			return false
		}
		ok := true
		switch pointNames[i] {
		case "kty":
			kind = string(v.Bytes) == "EC"
		case "crv":
			curve = string(v.Bytes) == curveP256
		case "x":
			x, ok = decode(v.Bytes)
		case "y":
			y, ok = decode(v.Bytes)
		}
		return ok
	})
	if !ok || !kind || !curve || len(x) != coord || len(y) != coord {
		return nil, false
	}
	return bytes.Join([][]byte{{4}, x, y}, nil), true
}
