// Package faultproxy stands between a client and a server on loopback and spoils
// what goes through it, for tests of what a client makes of an outage, of a server
// that hangs and of bytes that turn on the way.
//
// It knows bytes only, so that it serves HTTP/1 and gRPC without TLS alike. It is
// for tests: it reports nothing and trusts whoever connects.
package faultproxy
