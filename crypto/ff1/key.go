package ff1

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"fmt"
	"io"
)

// Limits.
const (
	// MinRadix and MaxRadix bound the number of different numerals.
	MinRadix = 2
	MaxRadix = 1 << 16
	// MaxLength is the longest numeral string. The standard would allow 2^32; the
	// work grows with the square of the length.
	MaxLength = 4096
	// MaxDigits is the longest number that [Digits] takes: its halves fit into
	// machine words.
	MaxDigits = 36
	// MaxTweak is the longest tweak in bytes.
	MaxTweak = 1 << 16
)

const (
	rounds = 10 // of the Feistel network
	// minDomain is the least number of values a length must have, SP 800-38G rev. 1.
	minDomain = 1_000_000
)

// Key is an AES key set up for FF1. The same key serves any radix and length: they
// are part of what is encrypted.
type Key struct{ aes cipher.Block }

// NewKey sets up an AES key of 16, 24 or 32 bytes. It keeps the key schedule, which
// cannot be wiped, and not the slice.
func NewKey(key []byte) (*Key, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, errKey
	}
	return &Key{block}, nil
}

// Format prints the type's name alone, whatever the verb.
func (k *Key) Format(f fmt.State, _ rune) { io.WriteString(f, "ff1.Key") }

// first is the block P of SP 800-38G, algorithm 7, step 5: everything about a call
// but its values.
func first(radix, length, tweak int) (p [aes.BlockSize]byte) {
	p[0], p[1], p[2] = 1, 2, 1
	p[3], p[4], p[5] = byte(radix>>16), byte(radix>>8), byte(radix)
	p[6], p[7] = rounds, byte(length/2)
	binary.BigEndian.PutUint32(p[8:], uint32(length))
	binary.BigEndian.PutUint32(p[12:], uint32(tweak))
	return p
}

// padded is the length of Q: tweak, round number and half in whole blocks.
func padded(tweak, half int) int {
	return (tweak + 1 + half + aes.BlockSize - 1) / aes.BlockSize * aes.BlockSize
}
