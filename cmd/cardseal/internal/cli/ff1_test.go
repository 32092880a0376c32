package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const ff1Key = "2B7E151628AED2A6ABF7158809CF4F3C"

// The nine samples that NIST published, there and back.
func TestFF1Samples(t *testing.T) {
	w := newWorld(t)
	data, err := os.ReadFile("../../../../crypto/ff1/testdata/nist-samples.json")
	require.NoError(t, err)
	var file struct {
		Vectors []struct {
			Key, Tweak, PT, CT string
			Radix              int
		}
	}
	require.NoError(t, json.Unmarshal(data, &file))
	require.Len(t, file.Vectors, 9)
	for _, v := range file.Vectors {
		key := w.write("key", " "+v.Key+"\r\n")
		r := w.runWith(strings.NewReader(v.PT), "ff1", "encrypt", "--key-file", key, "--tweak", v.Tweak, "--radix", fmt.Sprint(v.Radix))
		require.Equal(t, ran{ExitDone, v.CT + "\n", ""}, r)
		r = w.runWith(strings.NewReader(v.CT+"\r\n"), "ff1", "decrypt", "--key-file", key, "--tweak", v.Tweak, "--radix", fmt.Sprint(v.Radix))
		require.Equal(t, ran{ExitDone, v.PT + "\n", ""}, r)
	}
	require.False(t, exists(w.vaultDir()), "ff1 needs no vault")
}

// A bad line has an empty answer, is named, and keeps none of the others from
// theirs.
func TestFF1Lines(t *testing.T) {
	w := newWorld(t)
	key := w.write("key", ff1Key)
	lines := []string{"0123456789", "", "12345", "12345x789", strings.Repeat("4", 70_000), strings.Repeat("4", 5_000), number + "ABC",
		"１２３４５６", strings.Repeat("7", 4096), "0123456789"}
	r := w.runWith(strings.NewReader(strings.Join(lines, "\n")), "ff1", "encrypt", "--key-file", key, "--tweak", "")
	require.Equal(t, ExitPart, r.code)
	got := strings.Split(strings.TrimSuffix(r.out, "\n"), "\n")
	require.Len(t, got, len(lines))
	require.Equal(t, "2433477484", got[0])
	require.Equal(t, "2433477484", got[9])
	require.Len(t, got[8], 4096)
	said := strings.Split(strings.TrimSuffix(r.err, "\n"), "\n")
	for i, says := range []string{
		"line 2: length gives fewer than 1000000 values", "line 3: length gives fewer", "line 4: input holds something other than numerals",
		"line 5: is longer than 65536 bytes", "line 6: length must be at most 4096", "line 7: input holds", "line 8: input holds",
	} {
		require.Empty(t, got[i+1])
		require.Contains(t, said[i], says)
	}
	require.Len(t, said, 7)
	noNumbers(t, r.err)
	require.NotContains(t, r.err, "12345")

	// Tweaks of twenty decimal digits, or written with colons, are no card numbers.
	for _, tweak := range []string{"39383736353433323130", "39:38:37:36:35:34:33:32:31:30"} {
		r = w.runWith(strings.NewReader(lines[0]), "ff1", "encrypt", "--key-file", key, "--tweak", tweak)
		require.Equal(t, ran{ExitDone, "6124200773\n", ""}, r)
	}
	require.Equal(t, ran{ExitDone, "", ""}, w.run("ff1", "encrypt", "--key-file", key, "--tweak", ""))
}

func TestFF1WrongUse(t *testing.T) {
	w := newWorld(t)
	key := w.write("key", ff1Key)
	for _, c := range []struct {
		args []string
		says string
	}{
		{[]string{"--tweak", ""}, "--key-file is needed"},
		{[]string{"--key-file", key}, "--tweak is needed"},
		{[]string{"--key-file", key, "--tweak", "abc"}, "--tweak must be hexadecimal"},
		{[]string{"--key-file", key, "--tweak", "xx"}, "--tweak must be hexadecimal"},
		{[]string{"--key-file", key, "--tweak", "", "--radix", "1"}, "--radix must be 2 to 36"},
		{[]string{"--key-file", key, "--tweak", "", "--radix", "37"}, "--radix must be 2 to 36"},
		{[]string{"--key-file", key, "--tweak", "", "123456"}, "takes no arguments"},
	} {
		r := w.run(append([]string{"ff1", "decrypt"}, c.args...)...)
		require.Equal(t, ExitUsage, r.code, r.err)
		require.Contains(t, r.err, c.says)
		require.NotContains(t, r.err, "123456")
		require.Empty(t, r.out)
	}
	require.Equal(t, ExitUsage, w.run("ff1").code)
}

func TestFF1KeyFile(t *testing.T) {
	w := newWorld(t)
	crypt := func(path string) ran {
		return w.runWith(strings.NewReader("0123456789\n"), "ff1", "encrypt", "--key-file", path, "--tweak", "")
	}
	for _, content := range []string{"", "00", ff1Key[1:], ff1Key + ff1Key + ff1Key, ff1Key + "00", "x" + ff1Key[1:], ff1Key + "\n" + ff1Key, strings.Repeat(" ", 300) + ff1Key} {
		r := crypt(w.write("key", content))
		require.Equal(t, ExitFailed, r.code, content)
		require.Contains(t, r.err, "must hold an AES key")
		require.NotContains(t, r.err, ff1Key[1:])
		require.Empty(t, r.out)
	}
	path := w.write("key", ff1Key)
	for _, mode := range []os.FileMode{0o640, 0o604, 0o620, 0o610} {
		require.NoError(t, os.Chmod(path, mode))
		r := crypt(path)
		require.Equal(t, ExitFailed, r.code)
		require.Contains(t, r.err, "open to others than its owner")
	}
	require.NoError(t, os.Chmod(path, 0o400))
	require.Equal(t, ran{ExitDone, "2433477484\n", ""}, crypt(path))
	require.Contains(t, crypt(w.dir).err, "not a regular file")
	require.Contains(t, crypt(w.path("none")).err, "no such file")
}

// broken is standard input that fails, or output that does.
type broken struct{}

func (broken) Read([]byte) (int, error)  { return 0, io.ErrClosedPipe }
func (broken) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

func TestFF1Failures(t *testing.T) {
	w := newWorld(t)
	args := []string{"ff1", "encrypt", "--key-file", w.write("key", ff1Key), "--tweak", ""}
	require.Equal(t, ExitFailed, w.runWith(broken{}, args...).code)
	for _, lines := range []int{1, 5000} { // at the end, and on the way
		require.Equal(t, ExitFailed, Run(context.Background(), args, strings.NewReader(strings.Repeat("0123456789\n", lines)), broken{}, io.Discard))
	}
}
