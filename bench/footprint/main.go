// Command footprint measures what each backend adds to a program that imports
// it, beside one that has the core alone: packages and modules outside the
// standard library, requirements in its go.mod, and bytes of its binary.
//
//	go run ./bench/footprint
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

const module = "github.com/cardseal/cardseal"

// programs are what is measured: a backend's package and what of it a program
// would call, so that the linker keeps it.
var programs = []struct{ what, path, use string }{
	{"core alone (tokenize, seal, keys)", "", ""},
	{"backends/kek/local", "backends/kek/local", "local.Open"},
	{"backends/store/memory", "backends/store/memory", "memory.New"},
	{"backends/store/bolt", "backends/store/bolt", "bolt.Open"},
	{"backends/kek/awskms", "backends/kek/awskms", "awskms.New"},
	{"backends/kek/gcpkms", "backends/kek/gcpkms", "gcpkms.New"},
	{"backends/kek/vaulttransit", "backends/kek/vaulttransit", "vaulttransit.New"},
	{"backends/kek/open (all of them, by URI)", "backends/kek/open", "open.URI"},
}

type size struct {
	packages, modules, requirements int
	bytes                           int64
}

func main() {
	if err := report(); err != nil {
		fmt.Fprintln(os.Stderr, "footprint:", err)
		os.Exit(1)
	}
}

func report() error {
	root, err := output("", "go", "list", "-m", "-f", "{{.Dir}}", module)
	if err != nil {
		return err
	}
	var core size
	fmt.Println("| a program that imports | packages | modules | lines in its go.mod | binary, MB |")
	fmt.Println("|---|---|---|---|---|")
	for i, p := range programs {
		s, err := measure(strings.TrimSpace(root), p.path, p.use)
		if err != nil {
			return fmt.Errorf("%s: %w", p.what, err)
		}
		if i == 0 {
			core = s
			fmt.Printf("| %s | %d | %d | %d | %.1f |\n", p.what, s.packages, s.modules, s.requirements, mega(s.bytes))
			continue
		}
		fmt.Printf("| `%s` | +%d | +%d | +%d | +%.1f |\n", p.what, s.packages-core.packages, s.modules-core.modules,
			s.requirements-core.requirements, mega(s.bytes-core.bytes))
	}
	return nil
}

func mega(n int64) float64 { return float64(n) / 1e6 }

// measure builds a program of a module of its own, as an embedder would have it.
func measure(root, path, use string) (s size, err error) {
	dir, err := os.MkdirTemp("", "cardseal-footprint")
	if err != nil {
		return s, err
	}
	defer os.RemoveAll(dir)
	extra, keep := "", ""
	if path != "" {
		extra, keep = fmt.Sprintf("\t%q\n", module+"/"+path), "\tkeep("+use+")\n"
	}
	files := map[string]string{
		"go.mod": "module example.org/program\n\ngo 1.26.0\n\nrequire " + module + " v0.0.0\n\nreplace " + module + " => " + root + "\n",
		"main.go": "package main\n\nimport (\n" + extra + "\t\"" + module + "/keys\"\n\t\"" + module + "/tokenize\"\n\t\"" + module + "/tokenize/seal\"\n)\n\n" +
			"var kept []any\n\n//go:noinline\nfunc keep(v any) { kept = append(kept, v) }\n\n" +
			"func main() {\n\tkeep(keys.Open)\n\tkeep(tokenize.Open)\n\tkeep((*tokenize.Repository).Save)\n\tkeep(seal.New)\n" + keep + "}\n",
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			return s, err
		}
	}
	if _, err := output(dir, "go", "mod", "tidy"); err != nil {
		return s, err
	}
	if s.packages, s.modules, err = foreign(dir); err != nil {
		return s, err
	}
	text, err := output(dir, "go", "mod", "edit", "-json")
	if err != nil {
		return s, err
	}
	var mod struct{ Require []struct{ Path string } }
	if err := json.Unmarshal([]byte(text), &mod); err != nil {
		return s, err
	}
	s.requirements = len(mod.Require)
	binary := filepath.Join(dir, "program")
	if _, err := output(dir, "go", "build", "-ldflags", "-s -w", "-o", binary, "."); err != nil {
		return s, err
	}
	info, err := os.Stat(binary)
	if err != nil {
		return s, err
	}
	s.bytes = info.Size()
	return s, nil
}

// foreign counts the packages a program links that are neither the standard
// library's nor this module's, and the modules they come from.
func foreign(dir string) (packages, modules int, err error) {
	text, err := output(dir, "go", "list", "-deps", "-f", "{{if not .Standard}}{{with .Module}}{{.Path}}{{end}}{{end}}", ".")
	if err != nil {
		return 0, 0, err
	}
	seen := map[string]bool{}
	for path := range strings.FieldsSeq(text) {
		if path == module || path == "example.org/program" {
			continue
		}
		packages++
		seen[path] = true
	}
	return packages, len(seen), nil
}

func output(dir, name string, args ...string) (string, error) {
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOWORK=off")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	return string(out), err
}
