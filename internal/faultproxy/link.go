package faultproxy

import (
	"net"
	"sync"
	"time"
)

// link is one connection of a client, and the proxy's to the server.
type link struct {
	p      *Proxy
	client *net.TCPConn
	done   chan struct{} // closed by drop
	once   sync.Once

	mu      sync.Mutex
	server  *net.TCPConn // nil until it is connected
	dropped bool
}

// drop closes both sides; whoever reads or writes them comes back.
func (l *link) drop() {
	l.once.Do(func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.dropped = true
		close(l.done)
		l.client.Close()
		if l.server != nil {
			l.server.Close()
		}
	})
}

// reset closes a connection so that its peer learns of it as an error.
func reset(c *net.TCPConn) {
	c.SetLinger(0)
	c.Close()
}

func (l *link) run() {
	defer l.p.remove(l)
	defer l.drop()
	server, err := net.DialTimeout("tcp", l.p.server, 10*time.Second)
	if err != nil {
		reset(l.client)
		return
	}
	l.mu.Lock()
	l.server = server.(*net.TCPConn)
	dropped := l.dropped
	l.mu.Unlock()
	if dropped {
		server.Close()
		return
	}
	var both sync.WaitGroup
	both.Go(func() { l.pump(l.server, l.client, true) })
	both.Go(func() { l.pump(l.client, l.server, false) })
	both.Wait()
}

// pump carries one direction until its source ends.
func (l *link) pump(src, dst *net.TCPConn, answer bool) {
	d := &direction{l: l, dst: dst, answer: answer}
	count := &l.p.requested
	if answer {
		count = &l.p.answered
	}
	buf := make([]byte, 16<<10)
	for {
		n, err := src.Read(buf)
		count.Add(int64(n))
		if n > 0 && !d.carry(buf[:n]) {
			return
		}
		if err != nil {
			d.end()
			return
		}
	}
}
