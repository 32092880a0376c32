package main

import (
	"bufio"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/internal/kmstest"
)

// TestMain lets the tests run this program itself.
func TestMain(m *testing.M) {
	if os.Getenv("RUN_THE_TOOL") != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

func tool(t *testing.T, folder string, args ...string) *exec.Cmd {
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), self, args...)
	cmd.Env = append(os.Environ(), "RUN_THE_TOOL=1", "CARDSEAL_TESTSERVERS="+folder)
	return cmd
}

func sleeper(t *testing.T) *exec.Cmd {
	cmd := exec.Command("sleep", "600")
	require.NoError(t, cmd.Start())
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	t.Cleanup(func() { _ = cmd.Process.Kill(); <-ended })
	return cmd
}

func TestStopSparesAForeignProcess(t *testing.T) {
	foreign := sleeper(t)
	started, err := processStart(foreign.Process.Pid)
	require.NoError(t, err)

	folder := t.TempDir()
	c := &cache{dir: folder}
	require.NoError(t, c.writeState(state{Servers: map[string]record{
		kmstest.Moto: {
			Server:  kmstest.Server{PID: foreign.Process.Pid, URL: "http://127.0.0.1:1"},
			Started: started - 1, // another process had the same ID
		},
	}}))
	out, err := tool(t, folder, "stop", kmstest.Moto).CombinedOutput()
	require.NoError(t, err, string(out))
	require.Contains(t, string(out), "did not run")
	require.True(t, alive(foreign.Process.Pid, started))
	st, err := c.readState()
	require.NoError(t, err)
	require.Empty(t, st.Servers)

	require.NoError(t, end(foreign.Process.Pid, started)) // the right one ends
	require.False(t, alive(foreign.Process.Pid, started))
}

func TestStateFileIsItsOwnersAndWhatTestsRead(t *testing.T) {
	c := &cache{dir: t.TempDir()}
	want := kmstest.Server{PID: 7, URL: "http://127.0.0.1:1", TLSURL: "https://127.0.0.1:2", CAFile: "ca", Token: "t"}
	require.NoError(t, c.writeState(state{Servers: map[string]record{kmstest.OpenBao: {Server: want, Started: 9, Dir: "d"}}}))

	path := filepath.Join(c.dir, "servers.json")
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	var seen kmstest.State
	require.NoError(t, json.Unmarshal(content, &seen))
	require.Equal(t, kmstest.State{Tool: c.tool(), Servers: map[string]kmstest.Server{kmstest.OpenBao: want}}, seen)

	entries, err := os.ReadDir(c.dir)
	require.NoError(t, err)
	require.Len(t, entries, 1, "nothing is left aside")
}

func TestStartTimeSurvivesAwkwardNames(t *testing.T) {
	dir := t.TempDir()
	sleep, err := exec.LookPath("sleep")
	require.NoError(t, err)
	odd := filepath.Join(dir, "a) S 1 (b")
	require.NoError(t, os.Symlink(sleep, odd))
	cmd := exec.Command(odd, "600")
	require.NoError(t, cmd.Start())
	got, err := processStart(cmd.Process.Pid)
	require.NoError(t, err)
	self, err := processStart(os.Getpid())
	require.NoError(t, err)
	require.GreaterOrEqual(t, got, self)
	require.NoError(t, cmd.Process.Kill())
	_ = cmd.Wait()
	_, err = processStart(cmd.Process.Pid)
	require.Error(t, err)
	for _, pid := range []int{0, -1} {
		_, err := processStart(pid)
		require.Error(t, err)
	}
}

// served is a server that "serve" runs.
type served struct {
	kmstest.Server
	cmd *exec.Cmd
	in  io.Closer
}

// serveGoogle runs the server that needs nothing built but this program.
func serveGoogle(t *testing.T, folder, dir string, more ...string) served {
	cmd := tool(t, folder, append([]string{"serve", kmstest.GCPKMS, "--dir", dir}, more...)...)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	s := served{cmd: cmd, in: in}
	line, err := bufio.NewReader(out).ReadBytes('\n')
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(line, &s.Server))
	return s
}

// linked makes the copy of the tool that the cache folder holds: a script, for
// our own binary is a test.
func linked(t *testing.T) (folder string) {
	self, err := os.Executable()
	require.NoError(t, err)
	folder = t.TempDir()
	script := "#!/bin/sh\nRUN_THE_TOOL=1 exec " + strconv.Quote(self) + " \"$@\"\n"
	require.NoError(t, os.WriteFile(filepath.Join(folder, "testservers"), []byte(script), 0o700))
	return folder
}

func TestServeEndsWithItsInputAndTakesTheServerAlong(t *testing.T) {
	ends := map[string]func(served){
		"standard input": func(s served) { _ = s.in.Close() },
		"SIGTERM":        func(s served) { _ = s.cmd.Process.Signal(syscall.SIGTERM) },
		"SIGKILL":        func(s served) { _ = s.cmd.Process.Kill() },
	}
	for name, finish := range ends {
		t.Run(name, func(t *testing.T) {
			s := serveGoogle(t, linked(t), t.TempDir())
			require.NotEqual(t, s.cmd.Process.Pid, s.PID)
			started, err := processStart(s.PID)
			require.NoError(t, err)
			finish(s)
			err = s.cmd.Wait()
			require.Equal(t, name == "SIGKILL", err != nil, "%v", err)
			require.Eventually(t, func() bool { return !alive(s.PID, started) }, time.Minute, 10*time.Millisecond)
		})
	}
}

func TestServeAgainAtTheSameAddress(t *testing.T) {
	folder, dir := linked(t), t.TempDir()
	first := serveGoogle(t, folder, dir)
	require.NoError(t, syscall.Kill(first.PID, syscall.SIGKILL))
	require.Error(t, first.cmd.Wait(), "a server that was killed is an error")
	second := serveGoogle(t, folder, dir, "--addr", first.Addr())
	require.Equal(t, first.URL, second.URL)
	require.NotEqual(t, first.PID, second.PID)
	require.NoError(t, second.in.Close())
	require.NoError(t, second.cmd.Wait())
}

func TestRefusals(t *testing.T) {
	for _, args := range [][]string{
		{},
		{"dance"},
		{"start", "nothing"},
		{"status", "nothing"},
		{"serve"},
		{"serve", kmstest.GCPKMS},
		{"serve", "nothing", "--dir", "d"},
		{"serve", kmstest.GCPKMS, "--dir", "d", "--addr", "0.0.0.0:80"},
		{"serve", kmstest.GCPKMS, "--dir", "d", "--addr", ":80"},
		{"serve", kmstest.GCPKMS, "--dir", "d", "more"},
		{childCommand, "d", "0.0.0.0:80"},
	} {
		t.Run(strings.Join(args, " "), func(t *testing.T) {
			cmd := tool(t, t.TempDir(), args...)
			cmd.Dir = t.TempDir()
			out, err := cmd.CombinedOutput()
			require.Error(t, err)
			require.Equal(t, 1, cmd.ProcessState.ExitCode(), string(out))
		})
	}
}

func TestOnceMakesAgainOnlyWhenInputsChange(t *testing.T) {
	c := &cache{dir: t.TempDir()}
	made := 0
	thing := func(path string) error { made++; return os.WriteFile(path, nil, 0o600) }
	for range 2 {
		require.NoError(t, c.once("thing", []byte("a"), thing))
	}
	require.Equal(t, 1, made)
	require.NoError(t, c.once("thing", []byte("b"), thing))
	require.Equal(t, 2, made)
	require.NoError(t, os.Remove(c.path("thing")))
	require.NoError(t, c.once("thing", []byte("b"), thing))
	require.Equal(t, 3, made)
	require.ErrorIs(t, c.once("thing", []byte("c"), func(string) error { return io.ErrUnexpectedEOF }), io.ErrUnexpectedEOF)
	require.NoError(t, c.once("thing", []byte("b"), thing))
	require.Equal(t, 4, made, "a failure leaves nothing that counts as made")
}
