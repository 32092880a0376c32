package generate

import (
	"crypto/rand"
	"encoding/binary"
	"math/bits"
	"sync"
)

// stockSize is how many random bytes are asked for at a time. Asking for eight
// costs several times their share of a large request; beyond 1 KiB little is left
// to gain.
const stockSize = 1024

// stock is random bytes not yet used. One goroutine at a time has it.
type stock struct {
	used  int // of bytes; a stock is born used up
	bytes [stockSize]byte
}

// stocks lets goroutines draw side by side: a pool hands each processor its own
// stock, so that no lock and no shared counter is on the path. It holds nothing
// that has a meaning; dropping a stock loses random bytes only.
var stocks = sync.Pool{New: func() any { return &stock{used: stockSize} }}

// next takes eight bytes and forgets them, so that the memory of a process does
// not tell which tokens it gave out.
func (s *stock) next() uint64 {
	if s.used == stockSize {
		rand.Read(s.bytes[:]) // never fails: it ends the process instead
		s.used = 0
	}
	b := (*[8]byte)(s.bytes[s.used:])
	s.used += 8
	v := binary.LittleEndian.Uint64(b[:])
	*b = [8]byte{}
	return v
}

// below maps random words onto [0, n) so that every value is equally likely
// (Lemire, "Fast Random Integer Generation in an Interval", 2019): the high half
// of word times n is the value; the words that would favour some values, fewer
// than n of the 2^64, are recognised by the low half and drawn again.
func (s *stock) below(n uint64) uint64 {
	for {
		hi, lo := bits.Mul64(s.next(), n)
		if lo >= n || lo >= -n%n { // the first test spares a division nearly always
			return hi
		}
	}
}

// Uint64n draws a number from [0, n), each equally likely. Its random bytes come
// from a buffer: see the package documentation for what that rules out. It panics
// if n is 0.
func Uint64n(n uint64) uint64 {
	if n == 0 {
		panic("generate: Uint64n of an empty range")
	}
	s := stocks.Get().(*stock)
	v := s.below(n)
	stocks.Put(s)
	return v
}

// UnbufferedUint64n is [Uint64n] with bytes drawn from the operating system by
// this very call, for values that must not repeat in a restored copy of the
// process. It panics if n is 0.
func UnbufferedUint64n(n uint64) uint64 {
	if n == 0 {
		panic("generate: UnbufferedUint64n of an empty range")
	}
	var b [8]byte
	for {
		rand.Read(b[:])
		hi, lo := bits.Mul64(binary.LittleEndian.Uint64(b[:]), n)
		if lo >= n || lo >= -n%n {
			clear(b[:])
			return hi
		}
	}
}

// maxDigits is how many decimal digits always fit 64 bits.
const maxDigits = 19

// AppendUnbufferedDigits appends count random ASCII digits, leading zeros
// included, each text equally likely, drawn like [UnbufferedUint64n]. It panics
// unless count is 1 to 19.
func AppendUnbufferedDigits(dst []byte, count int) []byte {
	if count < 1 || count > maxDigits {
		panic("generate: AppendUnbufferedDigits of other than 1 to 19 digits")
	}
	n := uint64(1)
	for range count {
		n *= 10
	}
	return appendFixed(dst, UnbufferedUint64n(n), count)
}
