package main

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/cardseal/cardseal/internal/kmstest"
)

// patience is how long a server may take from its start until it serves.
const patience = 90 * time.Second

// spawned is a server that serves.
type spawned struct {
	kmstest.Server
	ended <-chan error
}

// spawn starts a server with its data in dir and waits until it serves. The
// process ends with this one unless it is to outlive it; in the first case the
// caller must stay on one thread of the operating system, whose end the kernel
// takes for ours.
func spawn(c *cache, s server, dir, addr string, outlive bool) (*spawned, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	how, err := s.command(c, dir, addr)
	if err != nil {
		return nil, err
	}
	logPath := filepath.Join(dir, "log.txt")
	log, err := os.OpenFile(logPath, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd := exec.Command(how.path, how.args...)
	// Only what is given: neither a proxy nor GODEBUG of the test that starts
	// the server is the server's.
	cmd.Env = append([]string{"HOME=" + dir, "PATH=/usr/local/bin:/usr/bin:/bin", "TMPDIR=" + dir}, how.env...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if !outlive {
		cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()

	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	served, err := waitReady(ctx, s, dir, addr, ended)
	if err != nil {
		_ = cmd.Process.Kill()
		return nil, fmt.Errorf("%w\n%s", err, tail(logPath))
	}
	served.PID = cmd.Process.Pid
	return &spawned{served, ended}, nil
}

func waitReady(ctx context.Context, s server, dir, addr string, ended <-chan error) (kmstest.Server, error) {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		served, err := s.ready(ctx, dir, addr)
		if err == nil {
			return served, nil
		}
		select {
		case gone := <-ended:
			return served, fmt.Errorf("the server ended at once: %w", exitOf(gone))
		case <-ctx.Done():
			return served, fmt.Errorf("the server does not serve: %w", err)
		case <-tick.C:
		}
	}
}

func exitOf(err error) error {
	if err == nil {
		return fmt.Errorf("exit status 0")
	}
	return err
}

// freeAddr is an address nobody listens at. It is below those that Linux gives to
// whoever asks for any; somebody may listen there before the server does all the same,
// and then it fails to start.
func freeAddr() (addr string, err error) {
	for range 100 {
		addr = fmt.Sprintf("127.0.0.1:%d", 20_000+rand.IntN(12_768))
		var l net.Listener
		if l, err = net.Listen("tcp", addr); err == nil {
			return addr, l.Close()
		}
	}
	return "", err
}

// tail is the end of a server's log.
func tail(path string) string {
	content, _ := os.ReadFile(path)
	content = content[max(0, len(content)-4000):]
	return strings.TrimSpace(string(bytes.ToValidUTF8(content, nil)))
}
