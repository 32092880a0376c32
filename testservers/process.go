package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

var errGone = errors.New("no such process")

// processStart is when a process started, in clock ticks since the machine did.
// With the process ID it names one process: an ID alone may by now be another's.
func processStart(pid int) (uint64, error) {
	if pid <= 0 {
		return 0, errGone
	}
	content, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, errGone
	}
	// The second field is the name in parentheses, which may hold anything; the
	// third is the state, the 22nd the time (man 5 proc_pid_stat).
	at := strings.LastIndexByte(string(content), ')')
	fields := strings.Fields(string(content[at+1:]))
	if len(fields) < 20 {
		return 0, fmt.Errorf("process %d: unreadable stat", pid)
	}
	// A dead process may wait for its parent to look at it. While threads of it
	// still end its sockets are open.
	if fields[0] == "Z" || fields[0] == "X" {
		threads, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
		if err != nil || len(threads) < 2 {
			return 0, errGone
		}
	}
	return strconv.ParseUint(fields[19], 10, 64)
}

// alive tells whether the process is still the one that started at that time.
func alive(pid int, started uint64) bool {
	at, err := processStart(pid)
	return err == nil && at == started
}

// end asks the process to end, then makes it. It does nothing to another process
// that has the same ID by now.
func end(pid int, started uint64) error {
	for _, s := range []struct {
		signal   syscall.Signal
		patience time.Duration
	}{
		// PostgreSQL waits for its clients to go after the first, and ends at the second.
		{syscall.SIGTERM, time.Second}, {syscall.SIGINT, 5 * time.Second}, {syscall.SIGKILL, 5 * time.Second},
	} {
		if !alive(pid, started) {
			return nil
		}
		if err := syscall.Kill(pid, s.signal); err != nil && !errors.Is(err, syscall.ESRCH) {
			return err
		}
		for until := time.Now().Add(s.patience); time.Now().Before(until); time.Sleep(10 * time.Millisecond) {
			if !alive(pid, started) {
				return nil
			}
		}
	}
	return fmt.Errorf("process %d does not end", pid)
}
