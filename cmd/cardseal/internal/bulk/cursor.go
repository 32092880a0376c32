package bulk

import (
	"bytes"
	"encoding/json"
	"errors"
)

// cursorVersion is raised when a cursor comes to mean something else.
const cursorVersion = 1

// cursor is where a batch begins.
type cursor struct {
	Version int   `json:"v"`
	Offset  int64 `json:"offset"`  // of its first line in the input, in bytes
	Line    int64 `json:"line"`    // how many lines of the input come before
	Lines   int   `json:"lines"`   // of the batch, whose results are recorded with it
	Out     int64 `json:"out"`     // lengths of the files aside, in bytes
	Rejects int64 `json:"rejects"` // likewise
	Rows    int64 `json:"rows"`    // how many rows come before, and
	Refused int64 `json:"refused"` // how many of them were refused
	// Whole says that no batch follows: the files have their final lengths and
	// may have their names already.
	Whole bool `json:"whole"`
}

// errCursor is a record that this version of the program did not write.
var errCursor = errors.New("what an earlier run of this command wrote down cannot be read by this version of cardseal")

func (c cursor) encode() ([]byte, error) {
	c.Version = cursorVersion
	return json.Marshal(c)
}

func decodeCursor(b []byte) (c cursor, err error) {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&c); err != nil || c.Version != cursorVersion || c.Lines < 0 || c.Lines > 1_000_000 {
		return c, errCursor
	}
	return c, nil
}
