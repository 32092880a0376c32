//go:build linux

package chaos

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// op is a call and its answer, a line of a history. Cards are named by their
// place in the list of cards: no history holds a number.
type op struct {
	Do     string  `json:"do"`
	Card   int     `json:"card"`
	Token  string  `json:"token,omitempty"`  // asked about
	Key    string  `json:"key,omitempty"`    // idempotency key
	Expiry int     `json:"expiry,omitempty"` // asked for, 203012 for December 2030
	Call   int64   `json:"call"`             // nanoseconds of CLOCK_MONOTONIC
	Return int64   `json:"return"`
	Got    string  `json:"got,omitempty"` // empty: nobody knows
	Is     details `json:"is,omitzero"`
}

// details is what an answer says of a token.
type details struct {
	Token   string `json:"token,omitempty"`
	Version uint64 `json:"version,omitempty"` // a reveal does not say
	Expiry  int    `json:"expiry,omitempty"`
}

// What is done.
const (
	save   = "save"
	get    = "get"
	reveal = "reveal"
	update = "update"
	remove = "delete"
	rotate = "rotate"
)

// What comes of it, besides the outcomes of a save.
const (
	unknown = ""
	active  = "active"
	deleted = "deleted" // told that the token was deleted before
	done    = "done"
	missing = "missing" // told that there is no such token
	wrong   = "wrong"   // another card's number
	busy    = "busy"    // an error which says that nothing was written
)

// clock is nanoseconds that all processes of the machine count from one moment.
// time.Now has such a reading inside, but does not give it out.
func clock() int64 {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		panic(err)
	}
	return ts.Nano()
}

// history is a file of one goroutine's calls.
type history struct {
	f *os.File
	b *bufio.Writer
	e *json.Encoder
}

func newHistory(path string) (*history, error) {
	f, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	b := bufio.NewWriter(f)
	return &history{f, b, json.NewEncoder(b)}, nil
}

func (h *history) add(o *op) error { return h.e.Encode(o) }

func (h *history) close() error { return errors.Join(h.b.Flush(), h.f.Close()) }

// readHistories reads what all goroutines wrote into a folder.
func readHistories(t *testing.T, dir string) (all []op) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "*.jsonl"))
	require.NoError(t, err)
	require.NotEmpty(t, paths)
	for _, path := range paths {
		f, err := os.Open(path)
		require.NoError(t, err)
		for d := json.NewDecoder(bufio.NewReader(f)); ; {
			var o op
			err := d.Decode(&o)
			if errors.Is(err, io.EOF) {
				break
			}
			require.NoError(t, err)
			all = append(all, o)
		}
		require.NoError(t, f.Close())
	}
	return all
}
