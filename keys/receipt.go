package keys

import (
	"bytes"
	"errors"
	"time"
	"unicode/utf8"

	"golang.org/x/crypto/cryptobyte"

	"github.com/cardseal/cardseal/crypto/envelope"
)

// Promise says when what a destroyed key sealed is beyond recovery. The zero value
// is invalid.
type Promise uint8

const (
	// CopiesGone: once every copy of the key store that is older than
	// Receipt.Destroyed is gone, backups and replicas included.
	CopiesGone Promise = iota + 1
	// KEKGone: also once the KMS has destroyed the KEKs in Receipt.KEKs, which it
	// was asked to do and does after the waiting time set there.
	KEKGone
)

// String is the promise in words.
func (p Promise) String() string {
	switch p {
	case CopiesGone:
		return "once all older copies of the key store are gone"
	case KEKGone:
		return "once the scope's KEKs are destroyed"
	}
	return "invalid"
}

// Receipt is what [Manager.Destroy] did and what follows from it. It says nothing
// stronger than that, and is no proof until it is chained and kept elsewhere: in an
// event of package tokenize/audit, or by whoever has no such log as an entry of a
// chain of his own (package crypto/chain), as the example does. Write one down before
// it is shown to anybody. Where that failed, Destroy gives it again.
type Receipt struct {
	Key       KeyID
	Ring      RingID
	Destroyed time.Time // when the store was told to erase the wrapped forms; whole seconds, UTC
	// LastUse is until when a process that had the key in memory may have used it, but
	// for one that was stopped, or whose machine was suspended, across it: it notices a
	// twentieth of its shortest clock after it goes on.
	LastUse  time.Time
	Promise  Promise
	KEKs     []string // the KEKs whose destruction was asked for, by ID
	Shredded bool     // Shred was set
	Records  uint64   // that needed the key by the census, if one was taken
}

const receiptVersion = 1

// ErrReceipt: the bytes are not a receipt's encoding.
var ErrReceipt = errors.New("keys: not an encoded receipt")

// AppendTo appends the receipt's one encoding: version (1 byte, 0x01), key ID (16),
// environment, purpose and scope, each behind a 16-bit length, Destroyed and
// LastUse in Unix seconds (8 each), promise (1), shredded (1, 0 or 1), records (8),
// and behind a 16-bit length the KEKs' IDs, each behind one; integers big-endian.
// It panics if a text is longer than 65,535 bytes, which no manager has.
func (r Receipt) AppendTo(dst []byte) []byte {
	c := cryptobyte.NewBuilder(dst)
	text := func(c *cryptobyte.Builder, s string) {
		c.AddUint16LengthPrefixed(func(c *cryptobyte.Builder) { c.AddBytes([]byte(s)) })
	}
	c.AddUint8(receiptVersion)
	c.AddBytes(r.Key[:])
	text(c, r.Ring.Environment)
	text(c, string(r.Ring.Purpose))
	text(c, r.Ring.Scope)
	c.AddUint64(uint64(r.Destroyed.Unix()))
	c.AddUint64(uint64(r.LastUse.Unix()))
	c.AddUint8(uint8(r.Promise))
	shredded := uint8(0)
	if r.Shredded {
		shredded = 1
	}
	c.AddUint8(shredded)
	c.AddUint64(r.Records)
	c.AddUint16LengthPrefixed(func(c *cryptobyte.Builder) {
		for _, k := range r.KEKs {
			text(c, k)
		}
	})
	return c.BytesOrPanic()
}

// ParseReceipt reads what [Receipt.AppendTo] wrote, and nothing else, or fails
// with [ErrReceipt].
func ParseReceipt(encoded []byte) (r Receipt, err error) {
	s := cryptobyte.String(encoded)
	var version, promise, shredded uint8
	var destroyed, last uint64
	var env, purpose, scope, keks cryptobyte.String
	if !s.ReadUint8(&version) || version != receiptVersion || !s.CopyBytes(r.Key[:]) ||
		!s.ReadUint16LengthPrefixed(&env) || !s.ReadUint16LengthPrefixed(&purpose) || !s.ReadUint16LengthPrefixed(&scope) ||
		!s.ReadUint64(&destroyed) || !s.ReadUint64(&last) || !s.ReadUint8(&promise) || !s.ReadUint8(&shredded) ||
		!s.ReadUint64(&r.Records) || !s.ReadUint16LengthPrefixed(&keks) || !s.Empty() {
		return Receipt{}, ErrReceipt
	}
	for !keks.Empty() {
		var k cryptobyte.String
		if !keks.ReadUint16LengthPrefixed(&k) || len(k) == 0 || !utf8.Valid(k) {
			return Receipt{}, ErrReceipt
		}
		r.KEKs = append(r.KEKs, string(k))
	}
	const latest = 1 << 40 // seconds; what lies beyond is no time of ours
	r.Ring = RingID{Environment: string(env), Purpose: Purpose(purpose), Scope: string(scope)}
	r.Destroyed, r.LastUse = time.Unix(int64(destroyed), 0).UTC(), time.Unix(int64(last), 0).UTC()
	r.Promise, r.Shredded = Promise(promise), shredded == 1
	if destroyed > latest || last > latest || r.Key == (envelope.KeyID{}) || !r.Ring.Purpose.Valid() ||
		!utf8.Valid(env) || !validScope(r.Ring.Scope) || r.Promise < CopiesGone || r.Promise > KEKGone ||
		(r.Promise == KEKGone) != (len(r.KEKs) > 0) || !bytes.Equal(r.AppendTo(nil), encoded) {
		return Receipt{}, ErrReceipt
	}
	return r, nil
}
