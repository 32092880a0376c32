package faultproxy

import (
	"errors"
	"net"
	"sync"
	"sync/atomic"
)

// Proxy listens on a port of its own and connects each client to the server. It
// is safe for concurrent use.
type Proxy struct {
	server string
	ln     *net.TCPListener

	mu     sync.Mutex
	now    *force
	links  map[*link]struct{} // nil once closed
	flying sync.WaitGroup

	connections, requested, answered, hits atomic.Int64
}

// force is a fault from the moment it was set until the next one replaces it.
type force struct {
	Fault
	over chan struct{} // closed when it is replaced
}

// New starts a proxy for the server at a host and port. It passes everything
// until told otherwise. A server that cannot be reached is no error here: its
// clients see the connection reset.
func New(server string) (*Proxy, error) {
	ln, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return nil, err
	}
	p := &Proxy{server: server, ln: ln, now: &force{over: make(chan struct{})}, links: map[*link]struct{}{}}
	p.flying.Go(p.accept)
	return p, nil
}

// Addr is the host and port that clients connect to.
func (p *Proxy) Addr() string { return p.ln.Addr().String() }

// Set puts a fault in force, in place of the one before. Unless f.Keep spares
// them it closes the connections that are open; of those that were half-open it
// closes all, since part of what was said on them is lost.
func (p *Proxy) Set(f Fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.links == nil {
		return
	}
	spare := f.Keep && p.now.Mode != HalfOpen
	close(p.now.over)
	p.now = &force{Fault: f, over: make(chan struct{})}
	if !spare {
		for l := range p.links {
			l.drop()
		}
	}
}

// Counts returns what went through so far.
func (p *Proxy) Counts() Counts {
	return Counts{
		Connections: p.connections.Load(), Requested: p.requested.Load(),
		Answered: p.answered.Load(), Hits: p.hits.Load(),
	}
}

// Close ends every connection, stops listening and waits until nothing runs.
// Closing again does nothing.
func (p *Proxy) Close() error {
	p.mu.Lock()
	links := p.links
	p.links = nil
	if links != nil {
		close(p.now.over)
	}
	for l := range links {
		l.drop()
	}
	p.mu.Unlock()
	err := p.ln.Close()
	p.flying.Wait()
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

func (p *Proxy) accept() {
	for {
		client, err := p.ln.AcceptTCP()
		if err != nil {
			return // closed
		}
		p.connections.Add(1)
		l := &link{p: p, client: client, done: make(chan struct{})}
		if p.add(l) {
			p.flying.Go(l.run)
		}
	}
}

func (p *Proxy) force() *force {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.now
}

// add takes up a connection, or resets it where none are wanted.
func (p *Proxy) add(l *link) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.links == nil || p.now.Mode == Refuse {
		p.hits.Add(1)
		reset(l.client)
		return false
	}
	p.links[l] = struct{}{}
	return true
}

func (p *Proxy) remove(l *link) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.links, l)
}
