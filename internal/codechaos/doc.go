// Package codechaos holds the proof that nobody gets more guesses at a security code
// than its try counters allow, whatever is done at once and whoever is killed.
//
// 64 goroutines, in four processes on one PostgreSQL or in one on bolt and in memory,
// guess the code of one card by many tokens, by its own counter and those of the
// wallets, right and wrong at random; in some rounds they unblock what was blocked. In
// some a process is killed (SIGKILL) when it has counted an attempt and has not
// compared yet. Each process writes down what it is about to compare before it does.
// From these ledgers and what lies in the store in the end: no number was given out
// twice; no counter let more attempts in a row be compared than it may without a right
// one among them; all counters and tokens together let no more be compared that were
// not right than the code may have in its life. Then the rest of the code's guesses is
// used up, one by one, and the right code is refused.
//
// It contains no code but those tests. The short form runs with all others, the long
// one with
//
//	go test ./internal/codechaos -rounds 200 -timeout 60m -v
//
// Linux only, as package chaos.
package codechaos
