package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Every file that cannot be taken, with what is said of it.
func TestBadFiles(t *testing.T) {
	for _, c := range []struct {
		name, content string
		args          []string
		code          int
		says          string
	}{
		{"empty", "", nil, ExitFailed, "is empty"},
		{"byte order mark alone", "\ufeff", nil, ExitUsage, "has no column"},
		{"header only", "number\n", nil, ExitDone, "no rows"},
		{"missing column", "name,city\nx,y\n", nil, ExitUsage, "has no column number, pan, card_number, cardnumber; it has: name, city"},
		{"named column missing", "number\n1\n", []string{"--number-column", "card"}, ExitUsage, "has no column card"},
		{"several columns without a header", number + ",1229\n", nil, ExitUsage, "has: column 1"},
		{"old line ends", "number\r" + number + "\r", nil, ExitUsage, "column 1"},
		{"two columns of one name", "number,number\n1,2\n", nil, ExitUsage, "more than one column number"},
		{"not text", "number\x00\n", nil, ExitUsage, "is not text"},
		{"UTF-16", "\xff\xfen\x00", nil, ExitUsage, "UTF-16"},
		{"open quote in the header", "\"number\n", nil, ExitUsage, "a quoted field may not hold a line break"},
		{"endless first line", strings.Repeat("4", 70_000), nil, ExitUsage, "longer than 65536 bytes"},
		{"code column kept", "number,CVV2\n", []string{"--keep-columns", "cvv2"}, ExitUsage, "security codes"},
		{"code column kept, spelled", "number,Security Code\n", []string{"--keep-columns", "security code"}, ExitUsage, "security codes"},
		{"number column kept", "number,pan\n", []string{"--keep-columns", "pan"}, ExitUsage, "card numbers"},
		{"kept column twice", "number,a\n", []string{"--keep-columns", "a,A"}, ExitUsage, "named twice"},
		{"kept column like the output's", "number,token\n", []string{"--keep-columns", "token"}, ExitUsage, "rename it"},
		{"kept column missing", "number,a\n", []string{"--keep-columns", "b"}, ExitUsage, "has no column b"},
		{"expiry column missing", "number,a\n", []string{"--expiry-column", "exp"}, ExitUsage, "has no column exp"},
		{"columns of plain numbers", number + "\n", []string{"--keep-columns", "b"}, ExitUsage, "no header, only numbers"},
		{"unknown generation", number + "\n", []string{"--generation", "X"}, ExitUsage, "--generation must be"},
		{"merchant tokens", number + "\n", []string{"--generation", "MERCHANT_PROVIDED"}, ExitUsage, "takes tokens from its callers"},
		{"unknown management", number + "\n", []string{"--management", "X"}, ExitUsage, "--management must be"},
		{"repository that cannot be", number + "\n", []string{"--repository", "TestX"}, ExitUsage, "repository"},
		{"actor that cannot be", number + "\n", []string{"--actor", "é"}, ExitUsage, "--actor"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			in := w.write("in.csv", c.content)
			r := w.run(append([]string{"tokenize", "--in", in, "--out", w.path("out.csv")}, c.args...)...)
			require.Equal(t, c.code, r.code, r.err)
			require.Contains(t, r.err, c.says)
			require.NotContains(t, r.err, number)
			if c.code != ExitDone {
				require.False(t, exists(w.path("out.csv")))
				require.False(t, exists(w.path("out.csv.part")))
			}
		})
	}
}

func TestHeaderOnly(t *testing.T) {
	w := newWorld(t)
	in := w.write("in.csv", "number,ref")
	w.ok("tokenize", "--in", in, "--out", w.path("out.csv"), "--keep-columns", "ref")
	require.Equal(t, "token,masked,brand,ref\n", w.read("out.csv"))
}

// Every row that cannot be taken goes to the rejects with its line, and the
// others are done.
func TestBadRows(t *testing.T) {
	w := newWorld(t)
	long := strings.Repeat("4", 70_000)
	in := w.write("in.csv", strings.Join([]string{
		"number,exp,ref",                     // 1
		number + ",1229,a",                   // 2
		"4111111111111112,1229,a",            // 3 fails Luhn
		number + ",1329,a",                   // 4 month
		number + ",1229",                     // 5 too few
		number + ",1229,a,b",                 // 6 too many
		"",                                   // 7 empty
		"\"" + number + ",1229,a",            // 8 open quote
		long + ",1229,a",                     // 9 long
		"\"" + long + "\",1229,a",            // 10 long
		number + ",1229,4242 4242 4242 4242", // 11 number kept
		number + ",1229,see 4242424242424242 there", // 12 number kept
		"123,1229,a",                     // 13 short
		"9999999999999995,1229,a",        // 14 no range
		"4111\xa01111,1229,a",            // 15 strange bytes
		"4012888888881881,0128,\"x, y\"", // 16
	}, "\r\n"))
	r := w.run("tokenize", "--in", in, "--out", w.path("out.csv"), "--expiry-column", "exp", "--keep-columns", "ref")
	require.Equal(t, ExitPart, r.code, r.err)
	require.Contains(t, r.err, "2 rows tokenized, 13 refused: reasons in "+w.path("out.csv.rejects.csv"))
	require.Equal(t, []string{"a", "x, y"}, w.column(w.path("out.csv"), "ref"))
	require.Equal(t, []string{"3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13", "14", "15"}, w.column(w.path("out.csv.rejects.csv"), "line"))
	require.Equal(t, []string{"number", "expiry", "ref", "row", "row", "row", "row", "row", "ref", "ref", "number", "number", "number"},
		w.column(w.path("out.csv.rejects.csv"), "field"))
	reasons := w.column(w.path("out.csv.rejects.csv"), "reason")
	require.Contains(t, reasons[0], "Luhn")
	require.Contains(t, reasons[2], "fewer fields")
	require.Contains(t, reasons[5], "quote")
	require.Contains(t, reasons[6], "longer than 65536 bytes")
	require.Contains(t, reasons[8], "passes as a card number")

	info, err := os.Stat(w.path("out.csv.rejects.csv"))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	noNumbers(t, w.read("out.csv")+w.read("out.csv.rejects.csv")+r.err+r.out+files(t, w.home))
}

// noNumbers looks for the numbers these tests put in, whole or as read by a
// careless program.
func noNumbers(t *testing.T, text string) {
	t.Helper()
	for _, n := range []string{number, "4111111111111112", "4242424242424242", "4242 4242", "9999999999999995",
		"4012888888881881", "44444444444444"} {
		require.False(t, strings.Contains(text, n), "a number was written somewhere")
	}
}

func TestOutputIsNotWrittenOver(t *testing.T) {
	w := newWorld(t)
	in := w.write("in.csv", number+"\n")
	for _, name := range []string{"out.csv", "out.csv.part", "out.csv.rejects.csv", "out.csv.rejects.csv.part"} {
		path := w.write(name, "kept")
		for range 2 { // before there is a vault, and with one
			r := w.run("tokenize", "--in", in, "--out", w.path("out.csv"))
			require.Equal(t, ExitFailed, r.code)
			require.Contains(t, r.err, path)
			w.run("tokenize", "--in", in, "--out", w.path("first.csv"))
		}
		require.Equal(t, "kept", w.read(name))
		require.NoError(t, os.Remove(path))
	}
	w.ok("tokenize", "--in", in, "--out", w.path("out.csv"))
}

func TestPaths(t *testing.T) {
	w := newWorld(t)
	in := w.write("in.csv", number+"\n")
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"--in", w.path("none.csv"), "--out", w.path("o")}, ExitFailed, "none.csv: no such file"},
		{[]string{"--in", w.dir, "--out", w.path("o")}, ExitFailed, "is a folder"},
		{[]string{"--in", in, "--out", filepath.Join(w.dir, "no", "o")}, ExitFailed, "no such file"},
		{[]string{"--in", in, "--out", in}, ExitUsage, "different files"},
		{[]string{"--in", in, "--out", w.path("o"), "--rejects", w.path("o")}, ExitUsage, "different files"},
		{[]string{"--in", in}, ExitUsage, "--out is needed"},
		{[]string{"--out", w.path("o")}, ExitUsage, "--in is needed"},
		{[]string{"--in", in, "--out", w.path("o"), "--dir", w.path("vault")}, ExitFailed, "there is no vault in"},
		{[]string{"--in", in, "--out", w.path("o"), "surplus"}, ExitUsage, "takes no arguments"},
	} {
		r := w.run(append([]string{"tokenize"}, c.args...)...)
		require.Equal(t, c.code, r.code, r.err)
		require.Contains(t, r.err, c.says)
	}
	require.False(t, exists(w.path("vault")))
}

// No argument that may be a number is repeated, wherever it stands.
func TestArgumentsAreNotRepeated(t *testing.T) {
	w := newWorld(t)
	const luhnless = "4111111111111112"
	for _, n := range []string{number, "4111 1111 1111 1111", "4111-1111-1111-1111", luhnless, "x" + luhnless} {
		for _, args := range [][]string{
			{n}, {"token", "get", n}, {"token", n}, {"tokenize", n}, {"card", n}, {"--" + n}, {"card", "--mask", n},
			{"repo", "create", n, "--generation", n}, {"keys", "rotate", "--purpose", n}, {"card", "--json=" + n},
			{"init", "--kek", n}, {"init", "--store", n + "://x"}, {"help", n}, {"completion", n},
		} {
			r := w.run(args...)
			if args[0] != "completion" { // the command library's, which shows its help
				require.NotEqual(t, ExitDone, r.code, args[0])
			}
			require.False(t, strings.Contains(r.err+r.out, "41111") || strings.Contains(r.err+r.out, "4111 1111") || strings.Contains(r.err+r.out, "4111-1111"),
				"an argument was repeated by %s", args[0])
		}
	}
	r := w.run("token", "get", number)
	require.Equal(t, ExitUsage, r.code)
	require.Contains(t, r.err, "looks like a card number")
}

// Folders may have long numbers in their names; a name that is a card number is
// refused as a path, too.
func TestPathsAreNoCards(t *testing.T) {
	const number = "4111111111111111"
	for arg, want := range map[string]bool{
		"/tmp/Test" + number + "/001/cards.csv": false,
		"--in=/tmp/x-" + number + "x/cards.csv": false,
		"/tmp/" + number + ".csv":               true,
		number + "/cards.csv":                   true,
		"--store=" + number + "://x":            true,
		number:                                  true,
		"--reason=for " + number:                true,
	} {
		require.Equal(t, want, namesCard(arg), arg)
	}
}
