package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"runtime"
	"syscall"

	"github.com/cardseal/cardseal/internal/kmstest"
)

// serve runs one server until standard input ends or a signal comes. It does not
// take the cache's lock: tests run many of these at a time.
func serve(name, dir, addr string) error {
	runtime.LockOSThread() // for spawn
	s, err := lookUp(name)
	if err != nil {
		return err
	}
	if err := onLoopback(addr); err != nil {
		return err
	}
	folder, err := kmstest.Folder()
	if err != nil {
		return err
	}
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGTERM, syscall.SIGINT)
	inputEnded := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		close(inputEnded)
	}()
	if addr == "" {
		if addr, err = freeAddr(); err != nil {
			return err
		}
	}
	p, err := spawn(&cache{dir: folder}, s, dir, addr, false)
	if err != nil {
		return err
	}
	started, err := processStart(p.PID)
	if err != nil {
		return err
	}
	if err := json.NewEncoder(os.Stdout).Encode(p.Server); err != nil {
		return err
	}
	select {
	case gone := <-p.ended:
		return fmt.Errorf("the server ended: %w", exitOf(gone))
	case <-asked:
	case <-inputEnded:
	}
	if err := end(p.PID, started); err != nil {
		return err
	}
	<-p.ended // all of it is gone, its sockets too
	return nil
}

// onLoopback refuses an address that others could reach.
func onLoopback(addr string) error {
	if addr == "" {
		return nil
	}
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return err
	}
	if ip := net.ParseIP(host); ip == nil || !ip.IsLoopback() {
		return fmt.Errorf("%s is not a loopback address", addr)
	}
	return nil
}
