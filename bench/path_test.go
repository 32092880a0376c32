package bench

import (
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"
)

// path is a hot path: two ways to do the same work.
type path struct {
	name        string
	least       int // how often it is done between two looks at the clock, at least
	floor, ours side
}

// side sets up once and returns what makes a loop for one goroutine. The loop does
// the work n times.
type side func(tb testing.TB) (newLoop func() (loop func(n int)))

// single is a side without anything to set up.
func single(loop func(n int)) side {
	return func(testing.TB) func() func(int) { return func() func(int) { return loop } }
}

var paths = []path{
	luhnPath, checkDigitPath, brandPath, maskPath, parsePath, tokenPath,
	sealPath, openPath, foreignPath, indexPath, savePath, batchPath,
	sealTurmoilPath, openTurmoilPath,
	ff1Path(6), ff1Path(12), ff1BatchPath(6), ff1BatchPath(12),
	vaultlessPath, vaultlessBatchPath,
}

// runner runs a side on as many goroutines as there are cores to use.
type runner struct{ loops []func(n int) }

func newRunner(tb testing.TB, s side) *runner {
	newLoop := s(tb)
	r := new(runner)
	for range runtime.GOMAXPROCS(0) {
		r.loops = append(r.loops, newLoop())
	}
	return r
}

// run does the work n times in all.
func (r *runner) run(n int) {
	if len(r.loops) == 1 {
		r.loops[0](n)
		return
	}
	var wg sync.WaitGroup
	for _, loop := range r.loops {
		wg.Go(func() { loop(n / len(r.loops)) })
	}
	wg.Wait()
}

func BenchmarkPath(b *testing.B) {
	for _, p := range paths {
		for name, s := range map[string]side{"floor": p.floor, "ours": p.ours} {
			b.Run(p.name+"/"+name, func(b *testing.B) {
				r := newRunner(b, s)
				r.run(len(r.loops))
				b.ReportAllocs()
				b.ResetTimer()
				r.run(b.N)
			})
		}
	}
}

// A turn is how long each side runs at least before the other takes over. Waking
// a second core can take longer than a short turn.
const (
	turn      = 300 * time.Microsecond
	turnCores = 5 * time.Millisecond
)

func BenchmarkRatio(b *testing.B) {
	for _, p := range paths {
		b.Run(p.name, p.inTurns)
	}
}

// inTurns runs floor and ours b.N times in turns.
func (p path) inTurns(b *testing.B) {
	floor, ours := newRunner(b, p.floor), newRunner(b, p.ours)
	n, long := len(floor.loops)*p.least, turn
	if len(floor.loops) > 1 {
		long = turnCores
	}
	for took(floor, n) < long && took(ours, n) < long {
		n *= 2
	}
	var floors, all, ratios []float64
	for i := range b.N {
		var f, o time.Duration
		if i%2 == 0 {
			f, o = took(floor, n), took(ours, n)
		} else {
			o, f = took(ours, n), took(floor, n)
		}
		floors, all = append(floors, float64(f)/float64(n)), append(all, float64(o)/float64(n))
		ratios = append(ratios, float64(o)/float64(f))
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(median(floors), "floor-ns")
	b.ReportMetric(median(all), "ours-ns")
	b.ReportMetric(median(ratios), "ratio")
	b.ReportMetric(sum(all)/sum(floors), "mean-ratio")
}

func took(r *runner, n int) time.Duration {
	start := time.Now()
	r.run(n)
	return time.Since(start)
}

func sum(v []float64) (s float64) {
	for _, x := range v {
		s += x
	}
	return s
}

func median(v []float64) float64 {
	slices.Sort(v)
	return v[len(v)/2]
}
