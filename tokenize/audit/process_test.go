package audit_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/tokenize/audit"
)

// childFile names the log that the test binary, run as a child, writes until it is
// killed.
const childFile = "CARDSEAL_AUDIT_TEST_FILE"

func TestMain(m *testing.M) {
	path := os.Getenv(childFile)
	if path == "" {
		os.Exit(m.Run())
	}
	// A process of its own has no test to take a context from.
	fmt.Fprintln(os.Stderr, writeForEver(context.Background(), path))
	os.Exit(1)
}

// fixed is a ring of keys that everybody knows, of which one is active.
type fixed byte

func (f fixed) ActiveKey(context.Context) (keys.KeyID, error) { return keys.KeyID{byte(f)}, nil }
func (f fixed) Subkey(_ context.Context, id keys.KeyID, label string) ([]byte, error) {
	if label != "cardseal audit chain" {
		return nil, errors.New("the key's label is part of the format")
	}
	return bytes.Repeat(id[:1], 32), nil
}

// Batches are written in one write of some megabytes: long enough to be killed in.
const (
	batchSize = 50
	tokenSize = 60_000
)

// writeForEver writes batches of one reveal and many saves, and says which is
// written once it is durable.
func writeForEver(ctx context.Context, path string) error {
	f, err := audit.OpenFile(path, fixed(1), nil)
	if err != nil {
		return err
	}
	events := make([]audit.Event, batchSize)
	for {
		for i := range events {
			events[i] = audit.Event{Action: audit.Save, Token: strings.Repeat("t", tokenSize), Reason: strconv.Itoa(i)}
		}
		events[0].Action = audit.Reveal
		if err := f.Record(ctx, events); err != nil {
			return err
		}
		head, _ := f.Head()
		fmt.Println(head)
	}
}

// TestKill kills a process that writes, again and again: every entry it said was
// durable is there, and the chain holds over all its lives.
func TestKill(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	for range 8 {
		c := exec.Command(os.Args[0])
		c.Env = append(os.Environ(), childFile+"="+path)
		c.Stderr = os.Stderr
		out, err := c.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, c.Start())
		said := bufio.NewScanner(out)
		require.True(t, said.Scan())
		durable := said.Text()
		// The file grows while a batch is being written: mostly it is killed in the middle.
		for from := size(t, path); size(t, path) == from; {
		}
		require.NoError(t, c.Process.Kill())
		for said.Scan() { // what it said before
			if _, err := audit.ParseAnchor(said.Text()); err == nil {
				durable = said.Text()
			}
		}
		_ = c.Wait() // it was killed
		anchor, err := audit.ParseAnchor(durable)
		require.NoError(t, err)
		f, err := os.Open(path)
		require.NoError(t, err)
		r, err := audit.Verify(t.Context(), f, fixed(1), &audit.VerifyOptions{Anchor: &anchor})
		require.NoError(t, f.Close())
		require.NoError(t, err)
		require.GreaterOrEqual(t, r.Head.Sequence, anchor.Sequence)
		t.Logf("%d entries, %d gaps, %d bytes torn", r.Lines, r.GapCount, r.Torn)
	}
}

func size(t *testing.T, path string) int64 {
	info, err := os.Stat(path)
	require.NoError(t, err)
	return info.Size()
}
