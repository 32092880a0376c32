package cardseal_test

import (
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const module = "github.com/cardseal/cardseal"

// pkg is what go list tells of a package.
type pkg struct {
	ImportPath string
	Standard   bool
	Imports    []string
	GoFiles    []string
	Dir        string
}

func list(t *testing.T, args ...string) []pkg {
	t.Helper()
	cmd := exec.Command("go", append([]string{"list", "-json=ImportPath,Standard,Imports,GoFiles,Dir"}, args...)...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	require.NoError(t, err)
	var all []pkg
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		err := d.Decode(&p)
		if err == io.EOF {
			return all
		}
		require.NoError(t, err)
		all = append(all, p)
	}
}

// The core is what an auditor reads. Whatever it links from outside the standard
// library is listed here, package by package; a new line needs a written reason.
var coreClosure = []string{
	"golang.org/x/crypto/cryptobyte",
	"golang.org/x/crypto/cryptobyte/asn1",
	"golang.org/x/sync/singleflight",
}

func TestCoreClosureDoesNotGrow(t *testing.T) {
	var foreign []string
	for _, p := range list(t, "-deps", "./crypto/...", "./keys/...", "./tokenize/...") {
		// The standard library vendors packages of its own under vendor/.
		if !p.Standard && !strings.HasPrefix(p.ImportPath, module+"/") {
			foreign = append(foreign, p.ImportPath)
		}
	}
	slices.Sort(foreign)
	require.Equal(t, coreClosure, foreign)
}

// floors are the house from the ground up: a package imports those of its own
// floor and of floors below.
var floors = []string{"internal", "crypto", "keys", "tokenize", "backends", "bench", "cmd", "examples"}

func floor(t *testing.T, path string) int {
	rest := strings.TrimPrefix(strings.TrimPrefix(path, module), "/")
	if rest == "" {
		return 0 // the root has no code
	}
	i := slices.Index(floors, strings.Split(rest, "/")[0])
	require.GreaterOrEqual(t, i, 0, "%s is on no floor of the house", path)
	return i
}

// forbidden are imports within a floor that design keeps apart.
var forbidden = map[string][]string{
	"tokenize/store":    {"tokenize/card", "tokenize/seal"},     // a store sees no card types
	"tokenize/card":     {"crypto/envelope", "keys"},            // cards know no keys
	"crypto/envelope":   {"crypto/secret", "crypto/blindindex"}, // the record needs nothing else
	"backends/store":    {"tokenize/card", "tokenize/seal"},     // nor does a backend see card types
	"backends/kek":      {"tokenize", "backends/store"},         // a KMS knows no cards
	"tokenize/generate": {"crypto/envelope", "keys", "tokenize/store"},
}

func TestImportsPointDown(t *testing.T) {
	for _, p := range list(t, "./...") {
		own := floor(t, p.ImportPath)
		for _, imp := range p.Imports {
			if !strings.HasPrefix(imp, module+"/") {
				continue
			}
			if own > 0 { // helpers and test fixtures serve any floor
				require.LessOrEqual(t, floor(t, imp), own, "%s imports %s, which lies above it", p.ImportPath, imp)
			}
			for from, kept := range forbidden {
				if !within(p.ImportPath, from) {
					continue
				}
				for _, k := range kept {
					require.False(t, within(imp, k), "%s imports %s", p.ImportPath, imp)
				}
			}
		}
	}
}

func within(path, folder string) bool {
	folder = module + "/" + folder
	return path == folder || strings.HasPrefix(path, folder+"/")
}

// A library that links package testing registers flags in its users' programs.
func TestTestingStaysInTestPackages(t *testing.T) {
	for _, p := range list(t, "./...") {
		if slices.Contains(p.Imports, "testing") || slices.Contains(p.Imports, "github.com/stretchr/testify/require") {
			require.True(t, strings.HasSuffix(p.ImportPath, "test"), "%s imports testing", p.ImportPath)
		}
	}
}

// The library keeps no hidden state and logs nothing: no init functions, no
// output, no contexts of its own making in the core.
func TestCoreHabits(t *testing.T) {
	habits := map[string]*regexp.Regexp{
		"has an init function":       regexp.MustCompile(`(?m)^func init\(\)`),
		"prints":                     regexp.MustCompile(`\b(fmt\.Print|log\.Print|println\()`),
		"makes a context of its own": regexp.MustCompile(`context\.(Background|TODO)\(\)`),
		"takes math/rand":            regexp.MustCompile(`"math/rand(/v2)?"`),
	}
	seen := 0
	for _, p := range list(t, "./crypto/...", "./keys/...", "./tokenize/...", "./backends/...") {
		if strings.HasSuffix(p.ImportPath, "test") || strings.Contains(p.ImportPath, "/internal/") {
			continue // conformance suites and generators
		}
		for _, name := range p.GoFiles {
			text, err := os.ReadFile(filepath.Join(p.Dir, name))
			require.NoError(t, err)
			seen++
			for what, habit := range habits {
				require.False(t, habit.Match(text), "%s/%s %s", p.ImportPath, name, what)
			}
		}
	}
	require.Greater(t, seen, 50, "the sources were not found")
}

// An embedder of core, local key and bolt store gets few modules with them.
func TestEmbeddingNeedsFewModules(t *testing.T) {
	root, err := os.Getwd()
	require.NoError(t, err)
	dir := t.TempDir()
	write := func(name, text string) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	write("go.mod", "module example.org/scratch\n\ngo 1.26\n\nrequire "+module+" v0.0.0\n\nreplace "+module+" => "+root+"\n")
	write("main.go", `package main

import (
	_ "`+module+`/backends/kek/local"
	_ "`+module+`/backends/store/bolt"
	_ "`+module+`/tokenize"
	_ "`+module+`/tokenize/seal"
)

func main() {}
`)
	run := func(args ...string) string {
		cmd := exec.Command("go", args...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GOWORK=off")
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "go %s: %s", strings.Join(args, " "), out)
		return string(out)
	}
	sums, err := os.ReadFile("go.sum") // so that nobody is asked for them
	require.NoError(t, err)
	write("go.sum", string(sums))
	run("mod", "tidy")
	run("build", "-o", os.DevNull, ".")
	var mod struct{ Require []struct{ Path string } }
	require.NoError(t, json.Unmarshal([]byte(run("mod", "edit", "-json")), &mod))
	require.NotEmpty(t, mod.Require)
	require.LessOrEqual(t, len(mod.Require), 6, "%v", mod.Require)
}
