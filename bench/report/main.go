// Command report measures every hot path against its floor and prints a table of
// ratios beside the budget.
//
//	go run ./bench/report [-turns 300] [-passes 3] [-cpu 1,2]
//
// A pass measures all paths once; the table shows the median pass.
package main

import (
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
	{"SealTurmoil", "seal one PAN while keys are renewed, rotated, evicted", 1.10},
	{"OpenTurmoil", "open one PAN meanwhile", 1.25},
	{"OpenForeign", "open one PAN, sealing key not cached", 1.25},
	{"BlindIndex", "blind index", 1.10},
	{"Save", "Save, memory store", 1.5},
	{"SaveBatch", "SaveBatch of 1,000, memory store, a card", 1.5},
	{"FF1Digits6", "FF1, 6 digits", 1.15},
	{"FF1Digits12", "FF1, 12 digits", 1.15},
	{"FF1Batch6", "FF1 in a batch, 6 digits", 0.65},
	{"FF1Batch12", "FF1 in a batch, 12 digits", 0.65},
	{"VaultlessToken", "FF1 token of a card, 16 digits", 1.25},
	{"VaultlessBatch", "FF1 tokens in a batch, 16 digits, a card", 0.75},
}

func main() {
	turns := flag.Int("turns", 300, "how often floor and ours take turns")
	passes := flag.Int("passes", 3, "how often all of it is measured")
	cpu := flag.String("cpu", "1,2", "numbers of cores, as -cpu")
	flag.Parse()
	if err := report(*turns, *passes, *cpu); err != nil {
		fmt.Fprintln(os.Stderr, "report:", err)
		os.Exit(1)
	}
}

func report(turns, passes int, cpu string) error {
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
	figures := map[string][]float64{} // by path, cores and unit
	for range passes {
		cmd := exec.Command(binary, "-test.run", "NONE", "-test.bench", "Ratio",
			"-test.benchtime", strconv.Itoa(turns)+"x", "-test.cpu", cpu)
		cmd.Stderr = os.Stderr
		out, err := cmd.Output()
		if err != nil {
			return err
		}
		for line := range strings.Lines(string(out)) {
			read(line, figures)
		}
	}
	fmt.Println("| path | cores | floor, ns | ours, ns | ratio | budget |")
	fmt.Println("|---|---|---|---|---|---|")
	for _, p := range paths {
		for cores := range strings.SplitSeq(cpu, ",") {
			at := func(unit string) float64 { return median(figures[p.name+"-"+cores+" "+unit]) }
			limit := "–"
			if p.budget > 0 {
				limit = strconv.FormatFloat(p.budget, 'f', 2, 64)
			}
			fmt.Printf("| %s | %s | %.1f | %.1f | %.2f | %s |\n",
				p.what, cores, at("floor-ns"), at("ours-ns"), at("ratio"), limit)
		}
	}
	return nil
}

// read takes a line such as
// "BenchmarkRatio/Seal-2  300  118.0 floor-ns  125.0 ours-ns  1.06 ratio".
func read(line string, figures map[string][]float64) {
	f := strings.Fields(line)
	if len(f) < 4 || !strings.HasPrefix(f[0], "BenchmarkRatio/") {
		return
	}
	name := strings.TrimPrefix(f[0], "BenchmarkRatio/")
	if !strings.Contains(name, "-") {
		name += "-1"
	}
	for i := 2; i+1 < len(f); i += 2 {
		if v, err := strconv.ParseFloat(f[i], 64); err == nil {
			figures[name+" "+f[i+1]] = append(figures[name+" "+f[i+1]], v)
		}
	}
}

func median(v []float64) float64 {
	if len(v) == 0 {
		return 0
	}
	return slices.Sorted(slices.Values(v))[len(v)/2]
}
