// Command cardgen writes a CSV file of synthetic card numbers, of any length, for
// tests and measurements:
//
//	go run ./internal/cardgen --rows 1000000 > cards.csv
//
// The numbers pass Luhn and lie in known ranges of several brands. They are
// distinct, and the same seed gives the same file. They are made up, not issued
// for tests: by chance one may equal a real card's number, so a file of them is
// not to be committed, published or sent anywhere.
package main

import (
	"bufio"
	"flag"
	"fmt"
	"io"
	"os"
	"strconv"

	"github.com/cardseal/cardseal/tokenize/card"
)

// pattern is a prefix and the whole length, both of one brand.
type pattern struct {
	prefix string
	length int
}

// patterns weigh brands roughly as files of merchants do.
var patterns = []pattern{
	{"4", 16}, {"4", 16}, {"4", 16}, {"4", 16},
	{"51", 16}, {"53", 16}, {"2221", 16}, {"55", 16},
	{"37", 15}, {"6011", 16}, {"36", 14}, {"3530", 16}, {"6200", 17}, {"6304", 19},
}

func main() {
	rows := flag.Int64("rows", 1000, "how many rows, at most 100 million")
	seed := flag.Uint64("seed", 1, "the same seed gives the same numbers")
	flag.Parse()
	if *rows < 0 || *rows > 100_000_000 || flag.NArg() > 0 {
		flag.Usage()
		os.Exit(2)
	}
	if err := write(os.Stdout, *rows, *seed); err != nil {
		fmt.Fprintln(os.Stderr, "cardgen:", err)
		os.Exit(1)
	}
}

func write(w io.Writer, rows int64, seed uint64) error {
	out := bufio.NewWriterSize(w, 64<<10)
	if _, err := out.WriteString("number,expiry\n"); err != nil {
		return err
	}
	var line []byte
	for i := range uint64(rows) {
		line = append(appendNumber(line[:0], i, seed), ',')
		m := mix(i ^ seed<<1 ^ 0xe)
		line = append(line, fmt.Sprintf("%02d%02d\n", m%12+1, 27+m>>8%9)...)
		if _, err := out.Write(line); err != nil {
			return err
		}
	}
	return out.Flush()
}

// appendNumber appends number i: the row's place within its pattern is scattered
// over the pattern's digits by a multiplication that is one to one.
func appendNumber(dst []byte, i, seed uint64) []byte {
	p := patterns[i%uint64(len(patterns))]
	room := p.length - len(p.prefix) - 1
	space := uint64(1)
	for range min(room, 18) {
		space *= 10
	}
	// Several patterns are alike: i, not its share of the pattern, keeps their
	// numbers apart. An odd multiple that 5 does not divide is one to one modulo
	// a power of ten.
	body := (i%space*step(seed)%space + mix(seed)%space) % space
	from := len(dst)
	dst = append(dst, p.prefix...)
	digits := strconv.FormatUint(body, 10)
	for range room - len(digits) {
		dst = append(dst, '0')
	}
	dst = append(dst, digits...)
	check, err := card.CheckDigit(dst[from:])
	if err != nil {
		panic("cardgen: " + err.Error())
	}
	return append(dst, check)
}

// step is a factor prime to ten, small enough not to overflow for any row.
func step(seed uint64) uint64 {
	return mix(seed^0x5)%9_000_000*10 + 10_000_003
}

// mix scatters bits: the finalizer of SplitMix64.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
