// Package keychaos holds the proof that keys survive what happens to the processes
// that use them. Each test runs real processes on a real store.
//
// A process is killed (SIGKILL) in the middle of a rotation or a rewrap, on bolt
// and on PostgreSQL: every record opens afterwards, and the same operation made
// again comes to its end.
//
// It contains no code but those tests. The short forms run with all others, the
// long ones with
//
//	go test ./internal/keychaos -run Killed -kills 200 -timeout 15m -v
//
// Linux only, as package chaos.
package keychaos
