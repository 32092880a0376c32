// Package keychaos holds the proof that keys survive what happens to the processes
// that use them. Each test runs real processes on a real store.
//
// A process is killed (SIGKILL) in the middle of a rotation, a rewrap or a reseal,
// on bolt and on PostgreSQL: every record opens afterwards, and the same operation
// made again comes to its end.
//
// Processes that save cards are stopped (SIGSTOP) between their look at the ring and
// their commit, and wherever else, while another one retires the key that they seal
// under, reseals, takes the census and destroys the key. They go on when it is gone:
// nothing is stored under it, every record opens. That is the fence's work; an
// embedder without a card store has the seal lease alone, of which this says nothing.
// A round takes two seconds and more by the clock on the wall: no lease is shorter
// than one, and the store keeps whole ones.
//
// Four processes rotate and retire the keys of the same rings, and ask which is
// active, from the first key on, while connections to PostgreSQL are killed and
// answers lost. Each writes down what it asked and was told; from these histories
// porcupine looks for an order of all calls in which a ring that does one thing at a
// time would have answered the same. In it a ring has one active key, a rotation
// makes another that no call knew before, and whoever only asks makes one only where
// there is none.
//
// It contains no code but those tests. The short forms run with all others, the
// long ones with
//
//	go test ./internal/keychaos -kills 200 -stops 20 -rings 1000 -timeout 15m -v
//
// Linux only, as package chaos.
package keychaos
