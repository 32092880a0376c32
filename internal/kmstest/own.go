package kmstest

import (
	"bufio"
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Own is a server of one test's own, which it may stop and start again without
// harm to other tests. Its data outlives a stop where the server has any way to
// keep it.
type Own struct {
	Server
	t    *testing.T
	tool string
	name string
	dir  string
	cmd  *exec.Cmd
	in   interface{ Close() error }
}

// StartOwn starts a server for this test; the test's end stops it.
func StartOwn(t *testing.T, name string) *Own {
	t.Helper()
	Need(t, name) // skips or fails where nothing is built
	state, err := readState()
	require.NoError(t, err)
	o := &Own{t: t, tool: state.Tool, name: name, dir: t.TempDir()}
	o.Start()
	t.Cleanup(func() {
		if o.cmd != nil {
			o.Stop()
		}
	})
	return o
}

// Start starts the server again, at the same address.
func (o *Own) Start() {
	o.t.Helper()
	args := []string{"serve", o.name, "--dir", o.dir}
	if o.URL != "" {
		args = append(args, "--addr", o.Addr())
	}
	// The tool ends when its standard input does, so that no server outlives a
	// test that was killed.
	o.cmd = exec.Command(o.tool, args...)
	in, err := o.cmd.StdinPipe()
	require.NoError(o.t, err)
	o.in = in
	out, err := o.cmd.StdoutPipe()
	require.NoError(o.t, err)
	var said strings.Builder
	o.cmd.Stderr = &said
	require.NoError(o.t, o.cmd.Start())
	line, err := bufio.NewReader(out).ReadBytes('\n') // once it serves: one JSON object
	if err != nil {
		_ = o.cmd.Wait()
		o.t.Fatalf("%s did not start: %s", o.name, said.String())
	}
	require.NoError(o.t, json.Unmarshal(line, &o.Server))
}

// Stop kills the server, as a crash would.
func (o *Own) Stop() {
	o.t.Helper()
	o.signal(os.Kill)
}

// End asks the server to end (SIGINT), as its operator would, and waits until it has.
func (o *Own) End() {
	o.t.Helper()
	o.signal(os.Interrupt)
}

func (o *Own) signal(s os.Signal) {
	o.t.Helper()
	p, err := os.FindProcess(o.PID)
	require.NoError(o.t, err)
	require.NoError(o.t, p.Signal(s))
	if s == os.Kill {
		_ = o.in.Close()
	}
	_ = o.cmd.Wait() // the tool reports that its server ended
	_ = o.in.Close()
	o.cmd = nil
}
