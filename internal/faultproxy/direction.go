package faultproxy

import (
	"net"
	"time"
)

// direction is what one side of a link says, and how far it came under the fault
// in force.
type direction struct {
	l      *link
	dst    *net.TCPConn
	answer bool

	under *force
	seen  int64 // bytes under that fault
	cut   bool  // nothing more is handed on
}

// carry hands b on, or does to it what the fault asks for. It reports false where
// the link is over.
func (d *direction) carry(b []byte) bool {
	f := d.l.p.force()
	if f != d.under {
		d.under, d.seen = f, 0
	}
	at := d.seen
	d.seen += int64(len(b))
	switch {
	case d.cut:
		return true
	case f.Mode == HalfOpen:
		d.hit(at == 0 && !d.answer)
		return true
	case f.Mode == Flip && d.answer != f.Request && at <= f.At && f.At < d.seen:
		b[f.At-at] ^= 1 << (f.Bit & 7)
		d.hit(true)
	case f.Mode == Slow && d.answer:
		d.hit(at == 0)
		return d.trickle(b, f)
	case f.Mode == Reset && d.answer && f.At < d.seen:
		d.hit(true)
		d.write(b[:max(f.At-at, 0)])
		reset(d.dst)
		d.l.drop()
		return false
	case f.Mode == Truncate && d.answer && f.At < d.seen:
		d.hit(true)
		d.write(b[:max(f.At-at, 0)])
		// Only this half is closed: closing a connection on which the client's bytes
		// wait unread would reset it.
		d.dst.CloseWrite()
		d.cut = true
		return true
	}
	return d.write(b)
}

func (d *direction) hit(is bool) {
	if is {
		d.l.p.hits.Add(1)
	}
}

func (d *direction) write(b []byte) bool {
	if _, err := d.dst.Write(b); err != nil {
		d.l.drop()
		return false
	}
	return true
}

// trickle hands b on byte by byte while the fault lasts, then the rest at once.
func (d *direction) trickle(b []byte, f *force) bool {
	t := time.NewTicker(max(f.Every, time.Nanosecond))
	defer t.Stop()
	for len(b) > 0 {
		select {
		case <-t.C:
			if !d.write(b[:1]) {
				return false
			}
			b = b[1:]
		case <-f.over:
			return d.write(b)
		case <-d.l.done:
			return false
		}
	}
	return true
}

// end passes on that the source has said all. A client that has gone ends the
// whole: no answer reaches it. A server that has gone ends its half only, unless
// nothing of it may be known.
func (d *direction) end() {
	if !d.answer {
		d.l.drop()
		return
	}
	if d.l.p.force().Mode != HalfOpen {
		d.dst.CloseWrite()
	}
}
