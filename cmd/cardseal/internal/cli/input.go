package cli

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/cardseal/cardseal/cmd/cardseal/internal/rows"
)

// input is a file of rows, or standard input, after a look at its first line.
type input struct {
	name   string // as messages have it
	file   *os.File
	again  *os.File // file, if it can be read again
	size   int64    // -1 where it is not known
	reader *rows.Reader
	first  []byte // the first line; the reader stands behind it
}

func (a *app) openInput(path string) (*input, error) {
	in := &input{name: path, size: -1}
	var r io.Reader = a.stdin
	if path == "-" {
		in.name = "standard input"
	} else {
		f, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		in.file, r = f, f
		info, err := f.Stat()
		if err == nil && info.IsDir() {
			err = &failure{path + " is a folder"}
		}
		if err != nil {
			f.Close()
			return nil, err
		}
		if info.Mode().IsRegular() {
			in.again, in.size = f, info.Size()
		}
	}
	in.reader = rows.NewReader(r, 0, 0)
	if err := in.look(); err != nil {
		in.Close()
		return nil, err
	}
	return in, nil
}

// look reads the first line and refuses what is no text.
func (in *input) look() error {
	line, err := in.reader.Next()
	switch {
	case errors.Is(err, io.EOF):
		return &failure{in.name + " is empty: there is neither a header nor a row"}
	case errors.Is(err, rows.ErrTooLong):
		return usagef("the first line of %s is longer than 65536 bytes and can be no header", in.name)
	case err != nil:
		return err
	case bytes.HasPrefix(line, []byte{0xff, 0xfe}), bytes.HasPrefix(line, []byte{0xfe, 0xff}):
		return usagef("%s is text in UTF-16; it has to be UTF-8", in.name)
	case bytes.IndexByte(line, 0) >= 0:
		return usagef("%s is not text", in.name)
	}
	in.first = bytes.Clone(line)
	return nil
}

func (in *input) Close() {
	if in.file != nil {
		in.file.Close()
	}
}

// column finds a column by the option's value, or by the names it usually has.
func column(h rows.Header, in *input, flag, named string, usual ...string) (int, error) {
	wanted := usual
	if named != "" {
		wanted = []string{named}
	}
	i, ok := h.Find(wanted...)
	if !ok {
		shown := strings.Join(wanted, ", ")
		if named != "" {
			shown = rows.ShownName(named, 0)
		}
		return 0, usagef("%s has no column %s; it has: %s. Its first line has to be a header; --%s names the column",
			in.name, shown, h.Names(), flag)
	}
	if h.Count(h.Raw(i)) > 1 {
		return 0, usagef("%s has more than one column %s", in.name, h.Name(i))
	}
	return i, nil
}

// paths makes the paths of a run's files absolute and refuses those that meet.
func paths(in, out, rejects *string) error {
	for _, p := range []*string{in, out, rejects} {
		if *p == "" || *p == "-" {
			continue
		}
		abs, err := filepath.Abs(*p)
		if err != nil {
			return err
		}
		*p = abs
	}
	if *out != "-" && *out == *in || *rejects != "" && (*rejects == *out || *rejects == *in) {
		return usagef("--in, --out and --rejects have to be different files")
	}
	if *rejects == "-" {
		return usagef("--rejects has to be a file")
	}
	if *out == "-" {
		return nil
	}
	info, err := os.Stat(filepath.Dir(*out))
	if err == nil && !info.IsDir() {
		err = &failure{filepath.Dir(*out) + " is not a folder"}
	}
	return err
}
