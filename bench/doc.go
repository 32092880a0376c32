// Package bench measures the hot paths, each beside the floor it is held to: the
// least that the machine could do for the same result.
//
//	go test ./bench -bench Path -count 6 -cpu 1,2    floor and ours, for benchstat
//	go test ./bench -bench Ratio -benchtime 300x     ours / floor, measured in turns
//	go run ./bench/report                            the latter as a table
//	go test ./bench -bench Turns -benchtime 300x     captured cards, codes: likewise, without a budget
//	go -C bench/peers run .                          beside other libraries
//
// Shared machines change speed from one millisecond to the next. Ratio therefore
// runs floor and ours in turns of a fraction of a millisecond and reports the
// median of the turns' ratios, and beside it the ratio of all the time that each took,
// which rare work shows in; an absolute time proves nothing.
package bench
