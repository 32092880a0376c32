// Command peers measures cardseal beside other libraries that do the same work, in
// turns within one run, and prints a table. It is a module of its own: none of them
// comes near the library's go.mod.
//
//	go -C bench/peers run . [-turns 200]
package main

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"slices"
	"time"
)

// contest is the same work done by several. Each does it n times.
type contest struct {
	what string
	all  []contender // cardseal first
}

type contender struct {
	name string
	loop func(n int)
}

// turn is how long one contender runs before the next takes over, at least.
const turn = 300 * time.Microsecond

func main() {
	turns := flag.Int("turns", 200, "how often each contender has its turn")
	flag.Parse()
	contests, err := contests()
	if err != nil {
		fmt.Fprintln(os.Stderr, "peers:", err)
		os.Exit(1)
	}
	fmt.Println("| work | by | ns | allocations | times cardseal's |")
	fmt.Println("|---|---|---|---|---|")
	for _, c := range contests {
		c.measure(*turns)
	}
}

func contests() (all []contest, err error) {
	for _, list := range []func() ([]contest, error){ff1Contests, sealContests, cardContests} {
		some, err := list()
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
	}
	return all, nil
}

func (c *contest) measure(turns int) {
	counts, times, ratios := make([]int, len(c.all)), make([][]float64, len(c.all)), make([][]float64, len(c.all))
	for i, p := range c.all {
		for counts[i] = 1; took(p.loop, counts[i]) < turn; counts[i] *= 2 {
		}
	}
	for range turns {
		for i, p := range c.all {
			times[i] = append(times[i], float64(took(p.loop, counts[i]))/float64(counts[i]))
			ratios[i] = append(ratios[i], times[i][len(times[i])-1]/times[0][len(times[0])-1])
		}
	}
	for i, p := range c.all {
		fmt.Printf("| %s | %s | %.4g | %d | %.2f |\n", c.what, p.name, median(times[i]), allocations(p.loop), median(ratios[i]))
	}
}

func took(loop func(int), n int) time.Duration {
	start := time.Now()
	loop(n)
	return time.Since(start)
}

// allocations is how many there are each time.
func allocations(loop func(int)) uint64 {
	const n = 1000
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	loop(n)
	runtime.ReadMemStats(&after)
	return (after.Mallocs - before.Mallocs) / n
}

func median(v []float64) float64 { return slices.Sorted(slices.Values(v))[len(v)/2] }

// must ends a contest in which something fails: its figures would mean nothing.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
