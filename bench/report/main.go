// Command report runs the benchmarks of bench and prints each path beside its
// floor and budget: medians over passes in which floor and ours take turns, so
// that a machine that grows slower meanwhile slows both.
//
//	go run ./bench/report [-passes 6] [-time 100ms] [-cpu 1,2]
package main

import (
	"bufio"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// paths are the rows of the table, with the budget as a ratio to the floor; 0 is
// none.
var paths = []struct {
	name, what string
	budget     float64
}{
	{"Luhn", "Luhn, 16 digits", 1.2},
	{"CheckDigit", "check digit, 15 digits", 1.2},
	{"Brand", "brand, whole table", 3},
	{"Mask", "mask 6.4", 3},
	{"Parse", "parse, 16 digits", 0},
	{"Token", "random token with Luhn", 1.25},
	{"Seal", "seal one PAN, warm", 1.10},
	{"Open", "open one PAN, warm", 1.25},
	{"OpenForeign", "open one PAN, sealing key not cached", 1.25},
	{"BlindIndex", "blind index", 1.10},
	{"Save", "Save, memory store", 1.5},
	{"SaveBatch", "SaveBatch of 1,000 cards, memory store", 1.5},
}

func main() {
	passes := flag.Int("passes", 6, "how often each benchmark runs")
	length := flag.String("time", "100ms", "how long each run takes, as -benchtime")
	cpu := flag.String("cpu", "1,2", "numbers of cores, as -cpu")
	flag.Parse()
	if err := report(*passes, *length, *cpu); err != nil {
		fmt.Fprintln(os.Stderr, "report:", err)
		os.Exit(1)
	}
}

func report(passes int, length, cpu string) error {
	dir, err := os.MkdirTemp("", "cardseal-bench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	binary := filepath.Join(dir, "bench.test")
	build := exec.Command("go", "test", "-c", "-o", binary, "github.com/cardseal/cardseal/bench")
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		return fmt.Errorf("build: %w", err)
	}
	times := map[string][]float64{} // by path, side and cores
	allocs := map[string]string{}
	for range passes {
		for _, p := range paths {
			for _, side := range []string{"floor", "ours"} {
				cmd := exec.Command(binary, "-test.run", "NONE", "-test.benchtime", length, "-test.cpu", cpu,
					"-test.bench", "^Benchmark"+p.name+"$/^"+side+"$")
				cmd.Stderr = os.Stderr
				out, err := cmd.Output()
				if err != nil {
					return fmt.Errorf("%s: %w", p.name, err)
				}
				read(string(out), times, allocs)
			}
		}
	}
	fmt.Println("| path | cores | floor, ns | ours, ns | ratio | budget | allocs |")
	fmt.Println("|---|---|---|---|---|---|---|")
	for _, p := range paths {
		for _, cores := range strings.Split(cpu, ",") {
			row(p.name, p.what, p.budget, cores, times, allocs)
		}
	}
	return nil
}

// read takes the lines of a benchmark's output, such as
// "BenchmarkSeal/ours-2  1000  125.0 ns/op  0 B/op  0 allocs/op".
func read(out string, times map[string][]float64, allocs map[string]string) {
	for s := bufio.NewScanner(strings.NewReader(out)); s.Scan(); {
		f := strings.Fields(s.Text())
		if len(f) < 4 || f[3] != "ns/op" {
			continue
		}
		name := strings.TrimPrefix(f[0], "Benchmark")
		if !strings.Contains(name, "-") {
			name += "-1"
		}
		if ns, err := strconv.ParseFloat(f[2], 64); err == nil {
			times[name] = append(times[name], ns)
		}
		if len(f) >= 8 {
			allocs[name] = f[6]
		}
	}
}

func row(name, what string, budget float64, cores string, times map[string][]float64, allocs map[string]string) {
	floor, ours := times[name+"/floor-"+cores], times[name+"/ours-"+cores]
	if len(floor) == 0 || len(ours) == 0 {
		return
	}
	// The ratio is the median of the passes' own ratios, not of medians that may
	// come from different moments.
	ratios := make([]float64, min(len(floor), len(ours)))
	for i := range ratios {
		ratios[i] = ours[i] / floor[i]
	}
	limit := "–"
	if budget > 0 {
		limit = strconv.FormatFloat(budget, 'f', 2, 64)
	}
	fmt.Printf("| %s | %s | %.1f | %.1f | %.2f | %s | %s |\n", what, cores,
		median(floor), median(ours), median(ratios), limit, allocs[name+"/ours-"+cores])
}

func median(v []float64) float64 {
	s := slices.Sorted(slices.Values(v))
	n := len(s)
	if n%2 == 1 {
		return s[n/2]
	}
	return (s[n/2-1] + s[n/2]) / 2
}
