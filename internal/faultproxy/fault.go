package faultproxy

import "time"

// Mode is what the proxy does to connections.
type Mode int

// The modes.
const (
	// Pass hands on everything as it is.
	Pass Mode = iota
	// Refuse resets every connection as soon as it is accepted.
	Refuse
	// Reset hands on the first Fault.At bytes of the answer, then resets the
	// connection.
	Reset
	// HalfOpen takes the request, hands on nothing, answers nothing and keeps the
	// connection open until the client closes it.
	HalfOpen
	// Slow hands on the answer byte by byte, with Fault.Every before each.
	Slow
	// Truncate hands on the first Fault.At bytes of the answer, then closes the
	// connection as a server does that has said all.
	Truncate
	// Flip turns one bit of the answer, or of the request, once per connection.
	Flip
)

// Fault is what a proxy does from [Proxy.Set] on. The zero Fault passes
// everything.
type Fault struct {
	Mode Mode
	// At counts bytes of each connection since the fault was set, from 0: those
	// that Reset and Truncate hand on, the one that Flip alters. A connection on
	// which the server says less stays as it is.
	At int64
	// Bit is which bit Flip turns, 0 the lowest; its three low bits count.
	Bit uint8
	// Request has Flip alter what the client sends, not the answer.
	Request bool
	// Every is what Slow waits before each byte.
	Every time.Duration
	// Keep spares the connections that are open already: the fault takes hold of
	// them where they stand. Otherwise they are closed, so that a client that kept
	// one for later comes anew.
	Keep bool
}

// Counts are what went through a proxy since it was made.
type Counts struct {
	Connections int64 // accepted, those that Refuse reset included
	Requested   int64 // bytes that clients sent
	Answered    int64 // bytes that the server sent, before any fault
	Hits        int64 // connections that a fault was done to, Slow's when it lasts
}
