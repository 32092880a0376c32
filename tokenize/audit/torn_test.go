package audit_test

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/tokenize/audit"
)

// A log that was cut short anywhere goes on: what was there stays there, and the
// chain says what of it is not its own.
func TestTorn(t *testing.T) {
	w := newWorld(t)
	content, _ := w.log()
	for n := range content {
		if n%5 != 0 && !bytes.Contains(content[max(0, n-2):min(n+2, len(content))], []byte("\n")) {
			continue // each place near a line's end, and many others
		}
		w.write("torn", content[:n])
		before, err := w.verify(content[:n], nil)
		require.NoError(t, err)
		whole := bytes.LastIndexByte(content[:n], '\n') + 1
		if content[n] == '\n' {
			whole = n // a line that lacks its end alone
		}
		require.Equal(t, int64(n-whole), before.Torn)

		f := w.open("torn", nil)
		w.record(f, full)
		head := w.head(f)
		require.NoError(t, f.Close())
		after := w.read("torn")
		require.True(t, bytes.HasPrefix(after, content[:n]), "something was dropped")
		r := w.whole("torn")
		require.Equal(t, head, r.Head)
		require.Equal(t, before.Events+1, r.Events)
		require.Zero(t, r.Torn)
		if n == whole {
			require.Zero(t, r.GapCount)
			continue
		}
		require.Equal(t, []audit.Gap{{Line: int64(bytes.Count(content[:n], []byte("\n"))) + 1, Bytes: uint64(n - whole + 1)}}, r.Gaps)
		for _, i := range []int{whole, (whole + n) / 2, n} { // what is marked cannot be changed any more, nor its end
			changed := bytes.Clone(after)
			changed[i] ^= 1
			w.altered(changed, head, "torn")
		}
	}
}

// The line that owns up to a torn one may be torn itself.
func TestTornAgain(t *testing.T) {
	w := newWorld(t)
	content, _ := w.log()
	w.write("torn", content[:len(content)-30])
	f := w.open("torn", nil)
	w.record(f, full)
	require.NoError(t, f.Close())
	once := w.read("torn")
	for n := len(content) - 30; n < len(once); n++ {
		w.write("again", once[:n])
		f := w.open("again", nil)
		w.record(f, full)
		require.NoError(t, f.Close())
		require.True(t, bytes.HasPrefix(w.read("again"), once[:n]))
		r := w.whole("again")
		require.Positive(t, r.GapCount)
		require.Zero(t, r.Torn)
	}
}

// A log of plain lines, as earlier versions wrote them, is kept as it is: the chain
// begins after it, and from then on nobody can change it unseen.
func TestPlainLines(t *testing.T) {
	w := newWorld(t)
	for name, plain := range map[string]string{
		"short": `{"time":"2026-01-02T03:04:05Z","level":"INFO","msg":"audit","action":"save"}` + "\n",
		"cut":   `{"time":"2026-01-02T03:04:05Z","level":"INFO","msg":"audit","action":"save"}` + "\n" + `{"time":"20`,
		"long":  strings.Repeat(`{"time":"2026-01-02T03:04:05Z","level":"INFO","msg":"audit"}`+"\n", 10_000),
		"other": "\n\n{\"v\":\n{\"v\":0,\"chain\":\"x\"}\n",
	} {
		t.Run(name, func(t *testing.T) {
			w := *w
			w.TB = t
			w.write(name, []byte(plain))
			_, err := audit.ReadHead(strings.NewReader(plain), int64(len(plain)))
			require.ErrorIs(t, err, audit.ErrEmpty)
			w.wrong([]byte(plain), nil, 1, audit.ErrForeign)
			f := w.open(name, nil)
			w.record(f, full)
			w.record(f, full)
			require.NoError(t, f.Close())
			content := w.read(name)
			require.True(t, strings.HasPrefix(string(content), plain))
			r := w.whole(name)
			require.Equal(t, uint64(3), r.Lines)
			size := len(plain)
			if !strings.HasSuffix(plain, "\n") {
				size++
			}
			require.Equal(t, []audit.Gap{{Line: 1, Bytes: uint64(size)}}, r.Gaps)
			for _, i := range []int{0, len(plain) / 2, size - 1} {
				content[i] ^= 4
				w.altered(content, r.Head, "plain")
				content[i] ^= 4
			}
			w.altered(content[1:], r.Head, "plain")
			w.wrong(content[size:], nil, 1, audit.ErrGap)
		})
	}
}

// The head is found from the end, however far back it is.
func TestReadHead(t *testing.T) {
	w := newWorld(t)
	content, head := w.log()
	for _, junk := range []int{0, 1, 100, audit.MaxLine - 1, audit.MaxLine, 4*audit.MaxLine - 1, 4 * audit.MaxLine, 10 * audit.MaxLine} {
		for _, end := range []string{"x", "\n", "x\n"} {
			all := append(bytes.Clone(content), strings.Repeat(end, junk/len(end))...)
			got, err := audit.ReadHead(bytes.NewReader(all), int64(len(all)))
			require.NoError(t, err)
			require.Equal(t, head, got)
		}
	}
	_, err := audit.ReadHead(bytes.NewReader(nil), 0)
	require.ErrorIs(t, err, audit.ErrEmpty)
	_, err = audit.ReadHead(bytes.NewReader(content), int64(len(content))+1)
	require.Error(t, err)
}

// Bytes that somebody appended while the file was open are a break in the chain.
func TestForeignWriter(t *testing.T) {
	w := newWorld(t)
	f := w.open("log", nil)
	w.record(f, full)
	other, err := os.OpenFile(w.path("log"), os.O_APPEND|os.O_WRONLY, 0)
	require.NoError(t, err)
	_, err = other.WriteString("mine\n")
	require.NoError(t, err)
	require.NoError(t, other.Close())
	w.record(f, full)
	w.wrong(w.read("log"), nil, 3, audit.ErrForeign)
}

func TestManyGaps(t *testing.T) {
	w := newWorld(t)
	for range 110 {
		f := w.open("log", nil)
		w.record(f, full)
		require.NoError(t, f.Close())
		w.write("log", append(w.read("log"), '{'))
	}
	f := w.open("log", nil)
	w.record(f, full)
	r := w.whole("log")
	require.Equal(t, 110, r.GapCount)
	require.Len(t, r.Gaps, 100)
	require.Equal(t, audit.Gap{Line: 3, Bytes: 2}, r.Gaps[0])
}
