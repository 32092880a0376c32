package seal

import (
	"bytes"
	"context"
	"encoding/binary"

	"github.com/cardseal/cardseal/crypto/envelope"
	"github.com/cardseal/cardseal/keys"
)

// The size classes that text is padded to: 32 bytes, doubled up to 64 KiB, a
// two-byte length included. A sealed text tells its class and no more.
const (
	minClass = 32
	// MaxText is the longest text in bytes.
	MaxText = keys.MaxPlaintext - 2
)

func class(n int) int {
	c := minClass
	for c < n+2 {
		c *= 2
	}
	return c
}

// SealText appends a sealed text to dst: field [Holder], [Email] or a custom
// one, at most [MaxText] bytes.
func (s *Sealer) SealText(ctx context.Context, dst []byte, f Field, text string, b *Binding) ([]byte, error) {
	if !f.isText() {
		return nil, &envelope.ArgumentError{Field: "field", Reason: "holds no text"}
	}
	if len(text) > MaxText {
		return nil, &envelope.ArgumentError{Field: f.String(), Reason: "is longer than 65534 bytes"}
	}
	if s.dataErr != nil {
		return nil, s.dataErr
	}
	plain := make([]byte, class(len(text)))
	defer clear(plain)
	binary.BigEndian.PutUint16(plain, uint16(len(text)))
	copy(plain[2:], text)
	a := b.additional(f)
	return s.data.Seal(ctx, dst, plain, &a)
}

// OpenText opens what [Sealer.SealText] sealed.
func (s *Sealer) OpenText(ctx context.Context, record []byte, f Field, b *Binding) (string, error) {
	if s.dataErr != nil {
		return "", s.dataErr
	}
	if !f.isText() {
		return "", &envelope.ArgumentError{Field: "field", Reason: "holds no text"}
	}
	a := b.additional(f)
	plain, err := s.data.Open(ctx, nil, record, &a)
	if err != nil {
		return "", err
	}
	defer clear(plain)
	if len(plain) < minClass {
		return "", envelope.ErrOpen
	}
	n := int(binary.BigEndian.Uint16(plain))
	// One encoding for one text: the class that fits, and zeros behind it.
	if len(plain) != class(n) || len(bytes.Trim(plain[2+n:], "\x00")) != 0 {
		return "", envelope.ErrOpen
	}
	return string(plain[2 : 2+n]), nil
}
