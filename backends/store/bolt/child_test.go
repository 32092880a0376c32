package bolt_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"testing"

	"github.com/cardseal/cardseal/backends/store/bolt"
	"github.com/cardseal/cardseal/crypto/envelope"
	"github.com/cardseal/cardseal/tokenize/store"
)

// Some promises are about processes. TestMain runs the test binary as a child
// that plays one of these parts with the file it is given.
const (
	childRole = "CARDSEAL_BOLT_TEST_ROLE"
	childFile = "CARDSEAL_BOLT_TEST_FILE"
)

var roles = map[string]func(ctx context.Context, path string) error{
	"hold":  hold,
	"write": writeForEver,
}

func TestMain(m *testing.M) {
	role := os.Getenv(childRole)
	if role == "" {
		os.Exit(m.Run())
	}
	// A process of its own has no test to take a context from.
	if err := roles[role](context.Background(), os.Getenv(childFile)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// child is a running child process.
type child struct {
	*exec.Cmd
	in  io.WriteCloser
	out *bufio.Scanner
}

func start(t *testing.T, role, path string) *child {
	t.Helper()
	c := &child{Cmd: exec.Command(os.Args[0])}
	c.Env = append(os.Environ(), childRole+"="+role, childFile+"="+path)
	c.Stderr = os.Stderr
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	c.in, c.out = in, bufio.NewScanner(out)
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	return c
}

// line reads a line of the child's output.
func (c *child) line() (string, bool) {
	ok := c.out.Scan()
	return c.out.Text(), ok
}

// hold keeps the file open until its input ends.
func hold(ctx context.Context, path string) error {
	db, err := bolt.Open(ctx, path, &bolt.Options{Create: true})
	if err != nil {
		return err
	}
	fmt.Println("open")
	if _, err := io.Copy(io.Discard, os.Stdin); err != nil {
		return err
	}
	return db.Close()
}

const batchRows = 20

// killKey is the data key of the rows that writeForEver writes.
var killKey = envelope.KeyID{1}

// writeForEver writes one batch after the other, each with the job's state in
// it, and prints the number of each that was acknowledged.
func writeForEver(ctx context.Context, path string) error {
	db, err := bolt.Open(ctx, path, &bolt.Options{Create: true})
	if err != nil {
		return err
	}
	c := db.Cards()
	if err := c.OpenFence(ctx, killKey); err != nil {
		return err
	}
	next := 0
	if state, err := c.Job(ctx, store.JobID{1}); err == nil {
		if next, err = strconv.Atoi(string(state)); err != nil {
			return err
		}
		next++
	}
	for ; ; next++ {
		var w []store.Write
		for i := range batchRows {
			w = append(w, store.Write{Row: killRow(next, i), Unique: true})
		}
		out, err := c.Write(ctx, w, &store.Job{ID: store.JobID{1}, State: strconv.AppendInt(nil, int64(next), 10)})
		if err != nil {
			return err
		}
		for _, o := range out {
			if o.Result != store.Written {
				return fmt.Errorf("batch %d: outcome %d", next, o.Result)
			}
		}
		fmt.Println(next)
	}
}

func killRow(batch, i int) store.Row {
	token := fmt.Sprintf("%d-%d", batch, i)
	rec := make([]byte, 104)
	rec[0], rec[1] = 1, 1
	copy(rec[2:], killKey[:])
	v := store.IndexValue{Key: envelope.KeyID{2}}
	copy(v.Value[:], token)
	return store.Row{
		Token: token, Status: store.Active, Order: "o" + token,
		Sealed: []store.Sealed{{Field: 1, Record: rec}}, Index: []store.IndexValue{v},
	}
}
