//go:build race

package keys_test

// million is fewer than a million seals where the race detector slows them down.
const million = 200_000
