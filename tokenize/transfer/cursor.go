package transfer

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"

	"github.com/cardseal/cardseal/tokenize"
)

// cursorVersion is raised when a cursor comes to mean something else.
const cursorVersion = 1

// maxCursor bounds what is read of one, in bytes.
const maxCursor = 64 << 20

// cursor is what is written down with a batch: where it begins and ends, and what
// came before it.
type cursor struct {
	Version int       `json:"v"`
	After   []byte    `json:"after,omitempty"` // the batch begins behind it
	Last    []byte    `json:"last,omitempty"`  // position of its last record
	Count   int       `json:"count,omitempty"` // of its records; 0: nothing is left to be told of
	Records int64     `json:"records"`         // before it
	Refused int64     `json:"refused"`         // of them
	Unsaved []unsaved `json:"unsaved,omitempty"`
}

// unsaved is a record of the batch that was refused before it came to be saved.
type unsaved struct {
	At          int                `json:"at"` // counted from 0
	Cause       tokenize.Cause     `json:"c"`
	Field       string             `json:"f,omitempty"`
	Kind        tokenize.FieldKind `json:"k,omitempty"`
	Support     string             `json:"s,omitempty"`
	Explanation string             `json:"x,omitempty"`
}

func unsavedAs(at int, e *tokenize.Error) unsaved {
	return unsaved{at, e.Cause, e.Field, e.Kind, e.SupportCode, e.Explanation}
}

func (u *unsaved) error() *tokenize.Error {
	return &tokenize.Error{Cause: u.Cause, Field: u.Field, Kind: u.Kind, SupportCode: u.Support, Explanation: u.Explanation}
}

func (c cursor) encode() ([]byte, error) {
	c.Version = cursorVersion
	return json.Marshal(c)
}

// errCursor is a record that this version did not write.
func errCursor() error {
	return &tokenize.Error{Cause: tokenize.ServerFailed, SupportCode: "JOB_UNREADABLE",
		Explanation: "what an earlier call of this job wrote down cannot be read by this version"}
}

func decodeCursor(b []byte) (c cursor, err error) {
	if len(b) > maxCursor {
		return cursor{}, errCursor()
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&c); err != nil || d.More() || c.Version != cursorVersion || !c.sound() {
		return cursor{}, errCursor()
	}
	return c, nil
}

func (c *cursor) sound() bool {
	if c.Count < 0 || c.Count > tokenize.MaxBatch || c.Records < 0 || c.Refused < 0 || c.Refused > c.Records ||
		len(c.After) > MaxPosition || len(c.Last) > MaxPosition || (c.Count > 0) != (len(c.Last) > 0) {
		return false
	}
	before := -1
	for i := range c.Unsaved {
		if at := c.Unsaved[i].At; at <= before || at >= c.Count {
			return false
		}
		before = c.Unsaved[i].At
	}
	return true
}

// job is a named job of a repository; without a name nothing is written down.
type job struct {
	repo   *tokenize.Repository
	caller tokenize.Caller
	id     tokenize.Job
	named  bool
}

func jobOf(ctx context.Context, repo *tokenize.Repository, c tokenize.Caller, kind, name string) (job, error) {
	j := job{repo: repo, caller: c, named: name != ""}
	if !j.named {
		return j, nil
	}
	var err error
	j.id, err = repo.JobOf(ctx, c, "transfer "+kind, strings.NewReader(name))
	return j, err
}

// last is where the job stands, and what was written down with it.
func (j *job) last(ctx context.Context) (cursor, []tokenize.StepRow, error) {
	if !j.named {
		return cursor{}, nil, nil
	}
	s, found, err := j.repo.LastStep(ctx, j.caller, j.id)
	if err != nil || !found {
		return cursor{}, nil, err
	}
	c, err := decodeCursor(s.Cursor)
	return c, s.Rows, err
}

// save saves a batch, and writes the cursor down with it.
func (j *job) save(ctx context.Context, c *cursor, reqs []tokenize.SaveRequest) ([]tokenize.SaveResult, error) {
	if !j.named {
		return j.repo.SaveBatch(ctx, reqs)
	}
	text, err := c.encode()
	if err != nil {
		return nil, err
	}
	return j.repo.SaveStep(ctx, j.id, text, reqs)
}

// Forget forgets the import and the export of that name: the next one begins anew.
// None of that name is no error.
func Forget(ctx context.Context, repo *tokenize.Repository, c tokenize.Caller, name string) error {
	for _, kind := range []string{kindImport, kindExport} {
		j, err := jobOf(ctx, repo, c, kind, name)
		if err == nil && j.named {
			err = repo.EndJob(ctx, c, j.id)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
