package vaulttransit

import (
	"encoding/base64"
	"errors"
	"io"
	"strconv"
	"sync"
)

// body is the JSON of a request that can hold a data key and is wiped after it.
// net/http may still be sending when a call returns early, hence the mutex; what
// its own buffers keep cannot be wiped.
type body struct {
	mu   sync.Mutex
	text []byte
	at   int
}

// newBody begins a body with room for a few fields whose values have n bytes in
// all, so that growing leaves no copy of a data key behind.
func newBody(n int) *body {
	return &body{text: append(make([]byte, 0, 2*n+256), '{')}
}

func (b *body) next(name string) {
	if last := b.text[len(b.text)-1]; last != '{' && last != '[' {
		b.text = append(b.text, ',')
	}
	b.text = append(append(append(b.text, '"'), name...), `":`...)
}

// bytes adds a field of bytes, as base64.
func (b *body) bytes(name string, value []byte) *body {
	b.next(name)
	b.text = append(base64.StdEncoding.AppendEncode(append(b.text, '"'), value), '"')
	return b
}

// number adds a field.
func (b *body) number(name string, value int) *body {
	b.next(name)
	b.text = strconv.AppendInt(b.text, int64(value), 10)
	return b
}

// ciphertext adds the field of that name.
func (b *body) ciphertext(c ciphertext) *body {
	b.next("ciphertext")
	b.text = append(c.appendText(append(b.text, '"')), '"')
	return b
}

// end closes the object.
func (b *body) end() *body {
	b.text = append(b.text, '}')
	return b
}

var errWiped = errors.New("vaulttransit: the request is over")

// Read implements io.Reader.
func (b *body) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.text == nil {
		return 0, errWiped
	}
	if b.at == len(b.text) {
		return 0, io.EOF
	}
	n := copy(p, b.text[b.at:])
	b.at += n
	return n, nil
}

// Seek goes back to the beginning: the client sends a body anew to follow a
// redirect. It goes nowhere else.
func (b *body) Seek(offset int64, whence int) (int64, error) {
	if offset != 0 || whence != io.SeekStart {
		return 0, errors.ErrUnsupported
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.at = 0
	return 0, nil
}

// Len is how many bytes are left to read: the request's Content-Length.
func (b *body) Len() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.text) - b.at
}

func (b *body) wipe() {
	b.mu.Lock()
	defer b.mu.Unlock()
	clear(b.text)
	b.text, b.at = nil, 0
}
