package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/tokenize/card"
)

// smallDisk mounts a file system of so many KiB, which takes root. Continuous
// integration has to give it.
func smallDisk(t *testing.T, kib int) (dir string, remount func(kib int, flags uintptr)) {
	t.Helper()
	dir = t.TempDir()
	err := syscall.Mount("cardseal-test", dir, "tmpfs", 0, fmt.Sprintf("size=%dk", kib))
	if err != nil && os.Getenv("CI") == "" && os.Getuid() != 0 {
		t.Skip("NOT TESTED: full and read-only disks, since mounting one takes root")
	}
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, syscall.Unmount(dir, syscall.MNT_DETACH)) })
	return dir, func(kib int, flags uintptr) {
		t.Helper()
		require.NoError(t, syscall.Mount("cardseal-test", dir, "tmpfs", syscall.MS_REMOUNT|flags, fmt.Sprintf("size=%dk", kib)))
	}
}

// madeUp is a file of n distinct made-up numbers.
func madeUp(t *testing.T, n int) string {
	t.Helper()
	text := []byte("number\n")
	for i := range n {
		from := len(text)
		text = fmt.Appendf(text, "520000%09d", i)
		check, err := card.CheckDigit(text[from:])
		require.NoError(t, err)
		text = append(text, check, '\n')
	}
	return string(text)
}

// allThere holds the output against the input: a token for each row, each once.
func (w *world) allThere(out string, n int) {
	w.t.Helper()
	tokens := map[string]bool{}
	for _, token := range w.column(out, "token") {
		tokens[token] = true
	}
	require.Len(w.t, tokens, n)
}

func TestFullDisk(t *testing.T) {
	const n = 12_000
	for _, what := range []string{"the vault", "the output"} {
		t.Run(what, func(t *testing.T) {
			w := newWorld(t)
			in := w.write("in.csv", madeUp(t, n))
			disk, remount := smallDisk(t, 600)
			vault, out := filepath.Join(disk, "vault"), w.path("out.csv")
			if what == "the output" {
				remount(200, 0)
				vault, out = w.path("vault"), filepath.Join(disk, "out.csv")
			}
			w.ok("init", "--dir", vault)
			args := []string{"tokenize", "--dir", vault, "--in", in, "--out", out, "--management", "UNIQUE_TOKEN"}
			for range 3 { // it stays full: nothing is lost, nothing grows worse
				r := w.run(args...)
				require.Equal(t, ExitFailed, r.code, r.err)
				if !strings.Contains(r.err, "audit log could not be written") {
					require.Contains(t, r.err, "the disk is full")
				}
				require.False(t, exists(out))
			}
			remount(100_000, 0)
			w.ok(args...)
			w.allThere(out, n)
			r := w.ok("detokenize", "--dir", vault, "--in", out, "--out", w.path("back.csv"), "--reason", "x")
			require.Contains(t, r.err, fmt.Sprintf("%d rows", n))
			r = w.ok("audit", "verify", "--dir", vault)
			require.NotContains(t, r.out, "no entries", "what a full disk cut short is taken back")
			require.True(t, strings.Join(w.column(in, "number"), ",") == strings.Join(w.column(w.path("back.csv"), "number"), ","),
				"the numbers are not those that went in")
		})
	}
}

func TestReadOnlyDisk(t *testing.T) {
	w := newWorld(t)
	in := w.write("in.csv", number+"\n")
	disk, remount := smallDisk(t, 10_000)
	vault := filepath.Join(disk, "vault")
	w.ok("init", "--dir", vault)
	w.ok("tokenize", "--dir", vault, "--in", in, "--out", w.path("t.csv"))
	remount(10_000, syscall.MS_RDONLY)
	for _, args := range [][]string{
		{"tokenize", "--dir", vault, "--in", in, "--out", w.path("o")},
		{"tokenize", "--in", in, "--out", filepath.Join(disk, "o")},
		{"detokenize", "--dir", vault, "--in", w.path("t.csv"), "--out", w.path("o"), "--reason", "x"},
		{"init", "--dir", filepath.Join(disk, "other")},
	} {
		r := w.run(args...)
		require.Equal(t, ExitFailed, r.code, r.err)
		require.Contains(t, r.err, "read-only")
		require.False(t, exists(w.path("o")) || exists(w.path("o.part")))
	}
	require.Contains(t, w.run("doctor", "--dir", vault).out, "has a format that this version knows", "a look takes no writing")
	remount(10_000, 0)
	w.ok("tokenize", "--dir", vault, "--in", in, "--out", w.path("o"))
}
