package bolt

import "encoding/binary"

// reader takes a stored value apart. It is strict, so that each value has one
// encoding: numbers are as short as they can be, and nothing is left over. Its
// first failure is kept, and everything read after it is zero.
type reader struct {
	b      []byte
	failed bool
}

func (r *reader) fail() {
	r.b, r.failed = nil, true
}

// bytes returns the next n bytes, part of the value.
func (r *reader) bytes(n int) []byte {
	if n < 0 || n > len(r.b) {
		r.fail()
		return nil
	}
	b := r.b[:n:n]
	r.b = r.b[n:]
	return b
}

// into fills dst.
func (r *reader) into(dst []byte) { copy(dst, r.bytes(len(dst))) }

func (r *reader) byte() byte {
	if b := r.bytes(1); b != nil {
		return b[0]
	}
	return 0
}

func (r *reader) uint16() uint16 {
	if b := r.bytes(2); b != nil {
		return binary.BigEndian.Uint16(b)
	}
	return 0
}

func (r *reader) uint64() uint64 {
	if b := r.bytes(8); b != nil {
		return binary.BigEndian.Uint64(b)
	}
	return 0
}

func (r *reader) uvarint() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 || n > 1 && r.b[n-1] == 0 {
		r.fail()
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) varint() int64 {
	u := r.uvarint()
	return int64(u>>1) ^ -int64(u&1)
}

// count reads how many elements of at least size bytes follow: no more than
// there is room for, so that a damaged number takes no memory.
func (r *reader) count(size int) int {
	n := r.uvarint()
	if n > uint64(len(r.b)/size) {
		r.fail()
		return 0
	}
	return int(n)
}

// text returns the next bytes behind their length, part of the value.
func (r *reader) text() []byte { return r.bytes(r.count(1)) }

// end fails unless all was read.
func (r *reader) end() bool { return !r.failed && len(r.b) == 0 }

func appendText[T string | []byte](b []byte, text T) []byte {
	return append(binary.AppendUvarint(b, uint64(len(text))), text...)
}
