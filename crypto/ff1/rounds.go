package ff1

import (
	"crypto/aes"
	"encoding/binary"
	"math/bits"
)

// lanes is how many numbers are worked on at once, so that the cipher need not wait
// for its own result.
const lanes = 8

// lane is a number under way.
type lane struct {
	a, b   uint64 // its halves
	hi, lo uint64 // last block of Q before round number and half, under the CBC-MAC so far
}

// start computes what all rounds of a number have in common: the CBC-MAC over
// everything before the last block, and that block's share of the tweak.
func (d *Digits) start(w *worker, l *lane, tweak []byte) {
	copy(w.q[len(d.prefix):], tweak)
	hi, lo := d.mac[0], d.mac[1]
	q := w.q
	for {
		hi ^= binary.BigEndian.Uint64(q)
		lo ^= binary.BigEndian.Uint64(q[8:])
		q = q[aes.BlockSize:]
		if len(q) == 0 {
			break
		}
		b := &w.blocks[0]
		binary.BigEndian.PutUint64(b[:], hi)
		binary.BigEndian.PutUint64(b[8:], lo)
		d.key.aes.Encrypt(b[:], b[:])
		hi, lo = binary.BigEndian.Uint64(b[:]), binary.BigEndian.Uint64(b[8:])
	}
	l.hi, l.lo = hi, lo
}

func (d *Digits) run(w *worker, all []lane, back bool) {
	if back {
		d.decrypt(w, all)
	} else {
		d.encrypt(w, all)
	}
}

// encrypt is SP 800-38G, algorithm 7, steps 6 and 7. Instead of swapping halves it
// changes the left one in even rounds and the right one in odd rounds.
func (d *Digits) encrypt(w *worker, all []lane) {
	for i := uint64(0); i < rounds; i += 2 {
		for j := range all {
			d.put(&w.blocks[j], &all[j], i, all[j].b)
		}
		d.cipher(w, len(all))
		for j := range all {
			l := &all[j]
			l.a = below(l.a+d.get(&w.blocks[j], &d.even), d.even.m)
			d.put(&w.blocks[j], l, i+1, l.a)
		}
		d.cipher(w, len(all))
		for j := range all {
			l := &all[j]
			l.b = below(l.b+d.get(&w.blocks[j], &d.odd), d.odd.m)
		}
	}
}

// decrypt is algorithm 8: the rounds from the last to the first, subtracting.
func (d *Digits) decrypt(w *worker, all []lane) {
	for i := uint64(rounds); i > 0; i -= 2 {
		for j := range all {
			d.put(&w.blocks[j], &all[j], i-1, all[j].a)
		}
		d.cipher(w, len(all))
		for j := range all {
			l := &all[j]
			l.b = below(l.b+d.odd.m-d.get(&w.blocks[j], &d.odd), d.odd.m)
			d.put(&w.blocks[j], l, i-2, l.b)
		}
		d.cipher(w, len(all))
		for j := range all {
			l := &all[j]
			l.a = below(l.a+d.even.m-d.get(&w.blocks[j], &d.even), d.even.m)
		}
	}
}

// cipher encrypts n blocks. They stand ready in memory before the first is begun: a
// processor that waits for a store waits for all that comes before it.
func (d *Digits) cipher(w *worker, n int) {
	for j := range n {
		b := w.blocks[j][:]
		d.key.aes.Encrypt(b, b)
	}
}

// put writes the last block of Q: round number and half at its end.
func (d *Digits) put(b *[aes.BlockSize]byte, l *lane, round, half uint64) {
	binary.BigEndian.PutUint64(b[:], l.hi^round>>(64-d.bits))
	binary.BigEndian.PutUint64(b[8:], l.lo^round<<d.bits^half)
}

// get reads the first 8 or 12 bytes of the cipher's output as a number and reduces
// it.
func (d *Digits) get(b *[aes.BlockSize]byte, m *modulus) uint64 {
	y := binary.BigEndian.Uint64(b[:])
	if !d.wide {
		return m.reduce(y)
	}
	// 10^u divides 10^v.
	return m.reduce(d.odd.reduceWide(y, binary.BigEndian.Uint32(b[8:])))
}

// modulus is a power of ten to reduce by, in constant time and without a division.
type modulus struct {
	m     uint64
	inv   uint64 // 2^64 / m
	wide  uint64 // 2^(64+shift) / m, for m above 2^32
	shift uint   // bits that y has too many for one word
}

func newModulus(digits int) (m modulus) {
	m.m = 1
	for range digits {
		m.m *= 10
	}
	m.inv = ^uint64(0) / m.m // 2^64 - 1 divides alike: m has odd factors
	if k := uint(bits.Len64(m.m) - 1); k > 32 {
		m.shift = k
		m.wide, _ = bits.Div64(1<<k, 0, m.m)
	}
	return m
}

// bytes is the length of m - 1.
func (m *modulus) bytes() int { return (bits.Len64(m.m-1) + 7) / 8 }

// reduce is y mod m. The quotient is at most 1 too small.
func (m *modulus) reduce(y uint64) uint64 {
	q, _ := bits.Mul64(y, m.inv)
	return below(y-q*m.m, m.m)
}

// reduceWide is (hi 2^32 + lo) mod m, for m of 10^10 to 10^18, that is of 34 to 60
// bits. The quotient, from y / 2^shift, is at most 2 too small.
func (m *modulus) reduceWide(hi uint64, lo uint32) uint64 {
	q, _ := bits.Mul64(hi>>(m.shift-32), m.wide)
	r := hi<<32 + uint64(lo) - q*m.m
	return below(below(r, m.m), m.m)
}

// below takes m off x unless it is smaller, without a branch. Both are below 2^63.
func below(x, m uint64) uint64 {
	x -= m
	return x + m&uint64(int64(x)>>63)
}
