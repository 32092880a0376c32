package transfer_test

import (
	"bytes"
	"os"
	"strings"
)

// lines is a file of "key value" lines that a process goes on with.
type lines struct {
	file *os.File
	last string // the key of its last line
}

// openLines cuts off what a killed process left of a line.
func openLines(path string) (*lines, error) {
	text, err := os.ReadFile(path)
	if err != nil && !os.IsNotExist(err) {
		return nil, err
	}
	text = text[:bytes.LastIndexByte(text, '\n')+1]
	l := &lines{}
	if l.file, err = os.OpenFile(path, os.O_WRONLY|os.O_CREATE, 0o600); err != nil {
		return nil, err
	}
	if err := l.file.Truncate(int64(len(text))); err != nil {
		return nil, err
	}
	if _, err := l.file.Seek(0, 2); err != nil {
		return nil, err
	}
	all := strings.Split(string(text), "\n")
	if len(all) > 1 {
		l.last, _, _ = strings.Cut(all[len(all)-2], " ")
	}
	return l, nil
}

func (l *lines) add(text string) error {
	if _, err := l.file.WriteString(text); err != nil {
		return err
	}
	return l.file.Sync()
}
