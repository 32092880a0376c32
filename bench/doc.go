// Package bench measures the hot paths, each beside the floor it is held to: the
// least that the machine could do for the same result. Figures are ratios within
// one run on one machine; an absolute time on a shared machine proves nothing.
//
//	go test ./bench -bench . -count 6 -cpu 1,2
//	go run ./bench/report
//
// The second runs the first and prints a table of medians and ratios against the
// budget. Benchmarks come in pairs named Path/floor and Path/ours.
package bench
