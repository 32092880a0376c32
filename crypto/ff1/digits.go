package ff1

import (
	"crypto/aes"
	"crypto/subtle"
	"encoding/binary"
	"fmt"
	"io"
	"slices"
	"sync"
)

// DigitsOptions is what is fixed about the tweaks of a [Digits]. The tweak of a
// number is TweakPrefix followed by the TweakSize bytes given with that number. The
// zero value is the empty tweak.
type DigitsOptions struct {
	// TweakPrefix begins every tweak. Its whole blocks of 16 bytes cost nothing per
	// number, so what changes belongs at the end.
	TweakPrefix []byte
	// TweakSize is how many bytes follow it, the same for every number.
	TweakSize int
}

// Digits is FF1 with radix 10 for numbers of one length in ASCII digits, under
// tweaks of one size: what the general form computes, on machine words. It is safe
// for concurrent use and allocates nothing once warm. It must not be copied; the
// zero value is not usable.
type Digits struct {
	key    *Key
	length int
	tweak  int // bytes of tweak given with each number

	u, v int       // digits in the left and right half
	bits uint      // width of a half in the last block of Q
	even modulus   // 10^u, in even rounds
	odd  modulus   // 10^v, in odd rounds
	wide bool      // the rounds take 12 bytes of cipher output instead of 8
	mac  [2]uint64 // CBC-MAC over P and the whole blocks of the prefix

	prefix  []byte    // what is left of the tweak's prefix behind mac
	tail    int       // bytes of Q behind mac
	workers sync.Pool // *worker
}

// worker is memory that goes through the cipher.Block interface, which would move
// to the heap each time if it were local.
type worker struct {
	q      []byte // Q behind mac, without round number and half
	blocks [lanes][aes.BlockSize]byte
}

// Digits prepares for numbers of 6 to [MaxDigits] digits, which costs a few blocks of
// AES. o may be nil.
func (k *Key) Digits(length int, o *DigitsOptions) (*Digits, error) {
	if o == nil {
		o = new(DigitsOptions)
	}
	switch {
	case length >= 2 && length < 6:
		return nil, ErrDomain
	case length < 2 || length > MaxDigits:
		return nil, errDigits
	case o.TweakSize < 0 || o.TweakSize > MaxTweak || len(o.TweakPrefix)+o.TweakSize > MaxTweak:
		return nil, errTweakSize
	}
	d := &Digits{key: k, length: length, tweak: o.TweakSize, u: length / 2, v: length - length/2}
	d.even, d.odd = newModulus(d.u), newModulus(d.v)
	half := d.odd.bytes()
	d.bits, d.wide = uint(8*half), half > 4

	tweak := len(o.TweakPrefix) + o.TweakSize
	mac := first(10, length, tweak)
	k.aes.Encrypt(mac[:], mac[:])
	// None of these is the last block of Q, which has the round number in it.
	rest, q := o.TweakPrefix, padded(tweak, half)
	for len(rest) >= aes.BlockSize {
		subtle.XORBytes(mac[:], mac[:], rest[:aes.BlockSize])
		k.aes.Encrypt(mac[:], mac[:])
		rest, q = rest[aes.BlockSize:], q-aes.BlockSize
	}
	d.mac = [2]uint64{binary.BigEndian.Uint64(mac[:]), binary.BigEndian.Uint64(mac[8:])}
	d.prefix, d.tail = slices.Clone(rest), q
	return d, nil
}

// Len is the length of the numbers, in digits.
func (d *Digits) Len() int { return d.length }

// TweakSize is how many bytes of tweak are given with each number.
func (d *Digits) TweakSize() int { return d.tweak }

// Format prints the type's name alone, whatever the verb.
func (d *Digits) Format(f fmt.State, _ rune) { io.WriteString(f, "ff1.Digits") }

// Encrypt appends the encryption of a number, as many digits. Slices may overlap.
// On an error it returns nil: the number or tweak has not the length that was set,
// or something is no digit ([ErrNumeral]).
func (d *Digits) Encrypt(dst, digits, tweak []byte) ([]byte, error) {
	return d.one(dst, digits, tweak, false)
}

// Decrypt undoes [Digits.Encrypt]. Nothing tells a wrong key or tweak: the result
// is another number.
func (d *Digits) Decrypt(dst, digits, tweak []byte) ([]byte, error) {
	return d.one(dst, digits, tweak, true)
}

func (d *Digits) one(dst, digits, tweak []byte, back bool) ([]byte, error) {
	switch {
	case len(digits) != d.length:
		return nil, errInput
	case len(tweak) != d.tweak:
		return nil, errTweak
	}
	var l [1]lane
	if !d.parse(&l[0], digits) {
		return nil, ErrNumeral
	}
	w := d.worker()
	d.start(w, &l[0], tweak)
	d.run(w, l[:], back)
	d.done(w, 1)
	n := len(dst)
	dst = slices.Grow(dst, d.length)[:n+d.length]
	d.format(dst[n:], &l[0])
	return dst, nil
}

func (d *Digits) worker() *worker {
	w, ok := d.workers.Get().(*worker)
	if !ok {
		w = &worker{q: make([]byte, d.tail)}
		copy(w.q, d.prefix)
	}
	return w
}

// done clears what a worker holds of up to n numbers and keeps it for others.
func (d *Digits) done(w *worker, n int) {
	clear(w.q[len(d.prefix):][:d.tweak])
	clear(w.blocks[:n])
	d.workers.Put(w)
}

// parse reads a number's halves and reports whether all of it is digits: what is
// none has bit 7 set, or gets it by adding 0x76.
func (d *Digits) parse(l *lane, digits []byte) bool {
	var bad byte
	for _, c := range digits[:d.u] {
		c -= '0'
		bad |= c | (c + 0x76)
		l.a = l.a*10 + uint64(c)
	}
	for _, c := range digits[d.u:] {
		c -= '0'
		bad |= c | (c + 0x76)
		l.b = l.b*10 + uint64(c)
	}
	return bad < 0x80
}

// format writes a number's halves.
func (d *Digits) format(dst []byte, l *lane) {
	decimal(dst[:d.u], l.a)
	decimal(dst[d.u:], l.b)
}

func decimal(dst []byte, x uint64) {
	for i := len(dst) - 1; i >= 0; i-- {
		dst[i] = '0' + byte(x%10)
		x /= 10
	}
}
