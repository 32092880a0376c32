package ff1

import (
	"crypto/aes"
	"crypto/subtle"
	"encoding/binary"
	"fmt"
	"io"
	"math/bits"
	"slices"
	"sync"
)

// Cipher is FF1 in its general form: numerals 0 to radix-1, any length and tweak.
// It is safe for concurrent use and allocates nothing once warm. It must not be
// copied; the zero value is not usable.
type Cipher struct {
	key     *Key
	radix   int
	minLen  int
	workers sync.Pool // *general
}

// general is memory for a call.
type general struct {
	q    []byte // tweak, padding, round number, half
	head int    // bytes of q before the block with the round number
	half int    // bytes of a half
	mac  [aes.BlockSize]byte
	r    [aes.BlockSize]byte
	s    []byte   // cipher output
	word []uint32 // a number, least significant word first
}

// Cipher prepares for a radix of 2 to 65536.
func (k *Key) Cipher(radix int) (*Cipher, error) {
	if radix < MinRadix || radix > MaxRadix {
		return nil, errRadix
	}
	c := &Cipher{key: k, radix: radix, minLen: 1}
	for domain := int64(radix); domain < minDomain; domain *= int64(radix) {
		c.minLen++
	}
	return c, nil
}

// MinLen is the shortest length in numerals that has 10^6 values. It is at least 2.
func (c *Cipher) MinLen() int { return c.minLen }

// Format prints the type's name alone, whatever the verb.
func (c *Cipher) Format(f fmt.State, _ rune) { io.WriteString(f, "ff1.Cipher") }

// Encrypt appends the encryption of numerals, as many numerals, under a tweak of at
// most [MaxTweak] bytes. Slices may overlap. On an error it returns nil and has
// written nothing: there are too few numerals ([ErrDomain]), too many, or one is not
// below the radix ([ErrNumeral]).
func (c *Cipher) Encrypt(dst, numerals []uint16, tweak []byte) ([]uint16, error) {
	return c.crypt(dst, numerals, tweak, false)
}

// Decrypt undoes [Cipher.Encrypt]. Nothing tells a wrong key or tweak: the result
// is another numeral string.
func (c *Cipher) Decrypt(dst, numerals []uint16, tweak []byte) ([]uint16, error) {
	return c.crypt(dst, numerals, tweak, true)
}

func (c *Cipher) crypt(dst, numerals []uint16, tweak []byte, back bool) ([]uint16, error) {
	switch {
	case len(numerals) < c.minLen:
		return nil, ErrDomain
	case len(numerals) > MaxLength:
		return nil, errLong
	case len(tweak) > MaxTweak:
		return nil, errTweakLong
	}
	for _, x := range numerals {
		if int(x) >= c.radix {
			return nil, ErrNumeral
		}
	}
	n := len(dst)
	dst = append(dst, numerals...)
	a, b := dst[n:n+len(numerals)/2], dst[n+len(numerals)/2:]

	w, ok := c.workers.Get().(*general)
	if !ok {
		w = new(general)
	}
	w.start(c, len(b), tweak, first(c.radix, len(numerals), len(tweak)))
	// SP 800-38G, algorithms 7 and 8. Instead of swapping halves, even rounds change
	// the left one and odd rounds the right one.
	for i := range rounds {
		if back {
			i = rounds - 1 - i
		}
		target, from := a, b
		if i%2 == 1 {
			target, from = b, a
		}
		w.function(c, i, from)
		w.add(c.radix, target, back)
	}
	w.clear()
	c.workers.Put(w)
	return dst, nil
}

// start computes what the rounds have in common. v is the length of the longer half.
func (w *general) start(c *Cipher, v int, tweak []byte, p [aes.BlockSize]byte) {
	w.word = zeroed(w.word, (v*bits.Len(uint(c.radix-1))+31)/32)
	for range v {
		mulAdd(w.word, c.radix, uint16(c.radix-1))
	}
	top := len(w.word) - 1
	for w.word[top] == 0 {
		top--
	}
	w.half = 4*top + (bits.Len32(w.word[top])+7)/8

	w.q = zeroed(w.q, padded(len(tweak), w.half))
	copy(w.q, tweak)
	w.head = (len(w.q) - w.half - 1) / aes.BlockSize * aes.BlockSize
	w.mac = p
	c.key.aes.Encrypt(w.mac[:], w.mac[:])
	chain(c.key, &w.mac, w.q[:w.head])
	// The output in whole blocks: d = 4 ceil(half / 4) + 4 bytes of it are used.
	d := (w.half+3)/4*4 + 4
	w.s = zeroed(w.s, (d+aes.BlockSize-1)/aes.BlockSize*aes.BlockSize)
	w.word = zeroed(w.word, d/4)
}

// function computes a round's pseudorandom number into word.
func (w *general) function(c *Cipher, round int, from []uint16) {
	word := w.word
	clear(word)
	for _, x := range from {
		mulAdd(word, c.radix, x)
	}
	at := len(w.q) - w.half
	w.q[at-1] = byte(round)
	for i := range w.half {
		w.q[len(w.q)-1-i] = byte(word[i/4] >> (i % 4 * 8))
	}
	w.r = w.mac
	chain(c.key, &w.r, w.q[w.head:])
	copy(w.s, w.r[:])
	for j := 1; j*aes.BlockSize < len(w.s); j++ {
		s := w.s[j*aes.BlockSize:][:aes.BlockSize]
		copy(s, w.r[:])
		s[14] ^= byte(j >> 8)
		s[15] ^= byte(j)
		c.key.aes.Encrypt(s, s)
	}
	for i := range word {
		word[len(word)-1-i] = binary.BigEndian.Uint32(w.s[4*i:])
	}
}

// add adds word to a half, or takes it away, modulo radix^len: numeral by numeral,
// as word is divided by the radix.
func (w *general) add(radix int, half []uint16, back bool) {
	carry, r := int64(0), int64(radix)
	for i := len(half) - 1; i >= 0; i-- {
		x, y := int64(half[i]), int64(divide(w.word, radix))+carry
		if back {
			x -= y
		} else {
			x += y - r
		}
		// x is below the radix, and at least the negative radix: take no branch on
		// which.
		negative := x >> 63 & 1
		half[i] = uint16(x + r*negative)
		carry = negative
		if !back {
			carry = 1 - negative
		}
	}
}

func (w *general) clear() {
	clear(w.q)
	clear(w.s)
	clear(w.word)
	w.r, w.mac = [aes.BlockSize]byte{}, [aes.BlockSize]byte{}
}

// chain goes on with a CBC-MAC over whole blocks.
func chain(k *Key, mac *[aes.BlockSize]byte, data []byte) {
	for ; len(data) > 0; data = data[aes.BlockSize:] {
		subtle.XORBytes(mac[:], mac[:], data[:aes.BlockSize])
		k.aes.Encrypt(mac[:], mac[:])
	}
}

// mulAdd multiplies a number by the radix and adds a numeral.
func mulAdd(word []uint32, radix int, x uint16) {
	carry := uint64(x)
	for i, v := range word {
		carry += uint64(v) * uint64(radix)
		word[i], carry = uint32(carry), carry>>32
	}
}

// divide divides a number by the radix and returns the remainder.
func divide(word []uint32, radix int) uint64 {
	rest := uint64(0)
	for i := len(word) - 1; i >= 0; i-- {
		rest = rest<<32 | uint64(word[i])
		word[i], rest = uint32(rest/uint64(radix)), rest%uint64(radix)
	}
	return rest
}

// zeroed is n zeros, in s if they fit.
func zeroed[T any](s []T, n int) []T {
	s = slices.Grow(s[:0], n)[:n]
	clear(s)
	return s
}
