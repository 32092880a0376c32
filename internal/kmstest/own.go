package kmstest

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

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
	addr string
	cmd  *exec.Cmd
	in   interface{ Close() error }
}

// StartOwn starts a server for this test; the test's end stops it.
func StartOwn(t *testing.T, name string) *Own {
	t.Helper()
	Need(t, name) // skips or fails where nothing is built
	state, err := readState()
	require.NoError(t, err)
	o := &Own{t: t, tool: state.Tool, name: name, dir: t.TempDir(), addr: reserve(t)}
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
	// The tool ends when its standard input does, so that no server outlives a
	// test that was killed.
	o.cmd = exec.Command(o.tool, "serve", o.name, "--dir", o.dir, "--addr", o.addr)
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

// Stop kills the server, as a crash would, and waits until nothing of it runs.
func (o *Own) Stop() {
	o.t.Helper()
	o.signal(os.Kill)
	o.deserted()
}

// deserted waits until no process works in the server's folder. A process that serves a
// connection of PostgreSQL's ends when it notices that the server's first one is gone;
// until then it answers.
func (o *Own) deserted() {
	o.t.Helper()
	dir, err := filepath.EvalSymlinks(o.dir)
	require.NoError(o.t, err)
	look := time.NewTicker(10 * time.Millisecond)
	defer look.Stop()
	for until := time.Now().Add(time.Minute); ; <-look.C {
		links, err := filepath.Glob("/proc/[0-9]*/cwd") // none where there is no such folder
		require.NoError(o.t, err)
		if !slices.ContainsFunc(links, func(link string) bool {
			at, err := os.Readlink(link)
			return err == nil && strings.HasPrefix(at+"/", dir+"/")
		}) {
			return
		}
		require.True(o.t, time.Now().Before(until), "processes of a server that was killed still work in %s", dir)
	}
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

// reserve is an address for a server that is not always there. A socket that is bound
// to it and does not listen keeps the system from giving the port to whoever asks for
// any; a server that asks for this one, as servers do, shares it.
func reserve(t *testing.T) string {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	require.NoError(t, err)
	t.Cleanup(func() { _ = syscall.Close(fd) })
	syscall.CloseOnExec(fd)
	require.NoError(t, syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1))
	require.NoError(t, syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}))
	bound, err := syscall.Getsockname(fd)
	require.NoError(t, err)
	return fmt.Sprintf("127.0.0.1:%d", bound.(*syscall.SockaddrInet4).Port)
}
