package gcpkms

import (
	"encoding/binary"
	"errors"
	"strconv"
	"strings"

	"cloud.google.com/go/kms/apiv1/kmspb"

	"github.com/cardseal/cardseal/backends/kek/internal/wrapped"
)

const (
	maxForm   = 4064  // bytes of a wrapped data key: what an inline record holds
	boundSize = 8 + 1 // bytes before the ciphertext
	maxCipher = maxForm - wrapped.Overhead - boundSize
)

var errForm = errors.New("not what this package wraps")

// body is what a wrapped data key holds behind its check value.
type body struct {
	version    uint64 // of the key, from 1
	level      uint8  // kmspb.ProtectionLevel
	ciphertext []byte
}

// bound is what the check value covers beside data key and binding.
func (b body) bound() []byte {
	return append(binary.BigEndian.AppendUint64(nil, b.version), b.level)
}

func (b body) append(dst []byte) []byte {
	return append(append(dst, b.bound()...), b.ciphertext...)
}

// parse takes a wrapped data key apart; the ciphertext lies within form.
func parse(form []byte) (wrapped.Check, body, bool) {
	check, rest, ok := wrapped.Split(form)
	if !ok || len(form) > maxForm || len(rest) <= boundSize {
		return check, body{}, false
	}
	b := body{version: binary.BigEndian.Uint64(rest), level: rest[8], ciphertext: rest[boundSize:]}
	return check, b, b.version != 0
}

// versionOf is the number of a version of the key, or false where name names
// anything else.
func versionOf(key, name string) (uint64, bool) {
	number, found := strings.CutPrefix(name, key+"/cryptoKeyVersions/")
	if !found {
		return 0, false
	}
	n, err := strconv.ParseUint(number, 10, 64)
	return n, err == nil && n > 0 && strconv.FormatUint(n, 10) == number
}

// Version is the number of the key version that wrapped a data key, "7" say, and
// "" for bytes that are no wrapped data key. It makes no call and trusts the
// bytes: they are proven when they unwrap.
func (k *KEK) Version(form []byte) string {
	_, b, ok := parse(form)
	if !ok {
		return ""
	}
	return strconv.FormatUint(b.version, 10)
}

// ProtectionLevel says where the key version that wrapped a data key is kept:
// "SOFTWARE", "HSM", "EXTERNAL" and so on, as kmspb.ProtectionLevel prints it.
// It is as much to be trusted as [KEK.Version], and "" where that is.
func (k *KEK) ProtectionLevel(form []byte) string {
	_, b, ok := parse(form)
	if !ok {
		return ""
	}
	return kmspb.ProtectionLevel(b.level).String()
}
