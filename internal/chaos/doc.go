// Package chaos holds the proof that a repository keeps its promises while many
// processes use it at once, connections are killed and answers lost at random, and
// its index key is rotated: one token per card, no token twice, nothing
// acknowledged that is missing.
//
// 32 goroutines, in four processes on one PostgreSQL or in one on bolt, save,
// read, reveal, update and delete cards; a third of the saves meet others of the
// same card. Each writes down what it asked and was told, and when. From these
// histories porcupine looks for an order of all calls of a card, each at a moment
// between its begin and its end, in which a vault that does one thing at a time
// would have answered the same; a call whose outcome nobody knows may have been
// carried out or not. What lies in the store in the end is held against the
// histories too.
//
// What it seldom sees: mistakes that show only if a writer sleeps through a change
// of epoch and much of the rotation behind it. The stores' own tests make those
// moments.
//
// It contains no code but those tests. The short form runs with all others, the
// long one with
//
//	go test ./internal/chaos -run 'Postgres|Bolt' -saves 100000 -timeout 60m -v
//
// Linux only: processes share a clock (CLOCK_MONOTONIC) and a page of memory.
package chaos
