package rows

import (
	"bytes"
	"encoding/csv"
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
)

// readAll reads every line; one that is too long is "…".
func readAll(t *testing.T, r *Reader) (lines []string, ends []int64) {
	t.Helper()
	for {
		line, err := r.Next()
		if errors.Is(err, io.EOF) {
			return lines, ends
		}
		if errors.Is(err, ErrTooLong) {
			line = []byte("…")
		} else {
			require.NoError(t, err)
		}
		lines, ends = append(lines, string(line)), append(ends, r.Offset())
		require.Equal(t, int64(len(lines)), r.Line())
	}
}

func TestReader(t *testing.T) {
	most := strings.Repeat("x", MaxLine)
	for _, c := range []struct {
		name, text string
		want       []string
	}{
		{"empty", "", nil},
		{"no line end", "a\nb", []string{"a", "b"}},
		{"line end", "a\nb\n", []string{"a", "b"}},
		{"CRLF", "a\r\n\r\nb\r\n", []string{"a", "", "b"}},
		{"byte order mark", "\ufeffa\n\ufeffb", []string{"a", "\ufeffb"}},
		{"longest", most + "\r\n" + most + "\n" + most, []string{most, most, most}},
		{"longer", most + "x\na\n" + most + "x", []string{"…", "a", "…"}},
		{"much longer", strings.Repeat(most, 7) + "\na", []string{"…", "a"}},
		{"long and nothing", strings.Repeat("x", 2*(MaxLine+2)), []string{"…"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			whole, ends := readAll(t, NewReader(strings.NewReader(c.text), 0, 0))
			require.Equal(t, c.want, whole)
			if len(ends) > 0 {
				require.Equal(t, int64(len(c.text)), ends[len(ends)-1])
			}
			slow, _ := readAll(t, NewReader(iotest.OneByteReader(strings.NewReader(c.text)), 0, 0))
			require.Equal(t, c.want, slow)
			// Going on from each line's end reads the rest.
			for i, at := range ends {
				r := NewReader(strings.NewReader(c.text[at:]), at, int64(i+1))
				for _, want := range c.want[i+1:] {
					line, err := r.Next()
					if errors.Is(err, ErrTooLong) {
						line = []byte("…")
					}
					require.Equal(t, want, string(line))
				}
			}
		})
	}
}

func TestReaderAgain(t *testing.T) {
	r := NewReader(strings.NewReader("\ufeffa\nb\n"), 0, 0)
	_, err := r.Next()
	require.NoError(t, err)
	r.Again()
	require.Equal(t, []int64{0, 0}, []int64{r.Offset(), r.Line()})
	lines, ends := readAll(t, r)
	require.Equal(t, []string{"a", "b"}, lines)
	require.Equal(t, []int64{5, 7}, ends)
}

func TestReaderReportsItsInput(t *testing.T) {
	broken := errors.New("broken")
	r := NewReader(io.MultiReader(strings.NewReader("a\nhalf"), iotest.ErrReader(broken)), 0, 0)
	_, err := r.Next()
	require.NoError(t, err)
	_, err = r.Next()
	require.ErrorIs(t, err, broken)
}

// A line of 40 MB costs no memory.
func TestLongLineInConstantMemory(t *testing.T) {
	r := NewReader(io.MultiReader(io.LimitReader(endless{}, 40<<20), strings.NewReader("\na\n")), 0, 0)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := r.Next()
	runtime.ReadMemStats(&after)
	require.ErrorIs(t, err, ErrTooLong)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(1<<20))
	line, err := r.Next()
	require.NoError(t, err)
	require.Equal(t, "a", string(line))
	require.Equal(t, MaxLine+2, r.r.Size())
}

type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = '4'
	}
	return len(p), nil
}

func TestHoldsPAN(t *testing.T) {
	for text, want := range map[string]bool{
		"4111111111111111": true, "4111 1111 1111 1111": true, "4111-1111 1111-1111": true,
		"x4111111111111111y": true, "see 4111111111111111, please": true, "4111111111111111 12/29": true, "4111111111111111 1229": true,
		"12 4111111111111111": true, "--pan=4111111111111111": true,
		"": false, "4111111111111112": false, "4111  1111 1111 1111": false, "411111": false, "order 7": false,
		"41111111111111110000000000": false, "4111111111111111111111": false, "2026-11-23 10:00:00": false,
	} {
		require.Equal(t, want, HoldsPAN(text), text)
	}
}

func TestHeader(t *testing.T) {
	h, err := ParseHeader([]byte(" Number ,\"a, b\",4111111111111111,12345678,,\x01"))
	require.NoError(t, err)
	i, ok := h.Find("pan", "number")
	require.True(t, ok && i == 0)
	require.Equal(t, "Number, a, b, column 3, column 4, column 5, column 6", h.Names())
	require.Equal(t, "column 9", h.Name(8))
	_, err = ParseHeader([]byte(`"open`))
	require.ErrorIs(t, err, ErrQuote)
	for name, want := range map[string]bool{"CVC": true, "Card-Security-Code": true, "my_cvv_here": true, "cvc 2": true, "city": false, "ref": false} {
		require.Equal(t, want, IsCodeName(name), name)
	}
	for line, want := range map[string]bool{"4111 1111": true, " 4-1\t": true, "": false, "-": false, "4a": false, "number": false} {
		require.Equal(t, want, IsNumbers([]byte(line)), line)
	}
}

// A field that was written reads back the same.
func FuzzField(f *testing.F) {
	f.Add("a", "b,\"c")
	f.Add(" ", "\"")
	f.Fuzz(func(t *testing.T, a, b string) {
		if strings.ContainsAny(a+b, "\r\n") || a+b == "" {
			return
		}
		line := AppendField(append(AppendField(nil, []byte(a)), ','), []byte(b))
		var s Splitter
		fields, err := s.Split(line)
		require.NoError(t, err)
		require.Equal(t, []string{a, b}, []string{string(fields[0]), string(fields[1])})
		other, err := csv.NewReader(bytes.NewReader(line)).Read()
		require.NoError(t, err)
		require.Equal(t, []string{a, b}, other)
	})
}

// Whatever stands in a line, splitting it neither fails otherwise than by quotes
// nor spoils the next line.
func FuzzSplit(f *testing.F) {
	f.Add([]byte(`a,"b`))
	f.Add([]byte(`"a""b",c`))
	f.Fuzz(func(t *testing.T, line []byte) {
		if bytes.ContainsAny(line, "\n") {
			return
		}
		var s Splitter
		if _, err := s.Split(line); err != nil {
			require.ErrorIs(t, err, ErrQuote)
		}
		fields, err := s.Split([]byte(`"x",y`))
		require.NoError(t, err)
		require.Len(t, fields, 2)
		require.Equal(t, "x", string(fields[0]))
	})
}
