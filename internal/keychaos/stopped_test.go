//go:build linux

package keychaos

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/cardseal/cardseal/internal/chaostest"
)

// stopped is a process that saves cards and is stopped meanwhile.
type stopped struct {
	*exec.Cmd
	in    io.WriteCloser
	file  *os.File
	out   *bufio.Reader
	lines []string // until it was stopped
	rest  []string // and since
	freed bool     // before the others
}

func startSaving(t *testing.T, p *plan) *stopped {
	t.Helper()
	s := &stopped{Cmd: chaostest.Child(t, p)}
	s.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} // it would stay for ever
	var err error
	s.in, err = s.StdinPipe()
	require.NoError(t, err)
	out, err := s.StdoutPipe()
	require.NoError(t, err)
	s.file = out.(*os.File)
	s.out = bufio.NewReader(s.file)
	require.NoError(t, s.Start())
	return s
}

// stop sends SIGSTOP at the moment the plan says, and returns once it has arrived.
func (s *stopped) stop(t *testing.T, p *plan) {
	t.Helper()
	for at := 1 + rand.IntN(60); len(s.lines) == 0 || s.lines[len(s.lines)-1] != held; {
		line, err := s.out.ReadString('\n')
		require.NoError(t, err, "it ended before it was stopped")
		s.lines = append(s.lines, strings.TrimSpace(line))
		if p.HoldAt == 0 && len(s.lines) == at {
			<-time.After(rand.N(3 * time.Millisecond))
			break
		}
	}
	require.NoError(t, s.Process.Signal(unix.SIGSTOP))
	require.NoError(t, unix.Waitid(unix.P_PID, s.Process.Pid, nil, unix.WSTOPPED, nil))
	if p.HoldAt > 0 {
		_, err := s.in.Write([]byte("\n")) // it goes on as soon as it is continued
		require.NoError(t, err)
	}
	for { // what it said until then
		require.NoError(t, s.file.SetReadDeadline(time.Now().Add(10*time.Millisecond)))
		line, err := s.out.ReadString('\n')
		if err != nil {
			require.ErrorIs(t, err, os.ErrDeadlineExceeded)
			break
		}
		s.lines = append(s.lines, strings.TrimSpace(line))
	}
	require.NoError(t, s.file.SetReadDeadline(time.Time{}))
}

// goOn continues the process.
func (s *stopped) goOn(t *testing.T) { require.NoError(t, s.Process.Signal(unix.SIGCONT)) }

// end reads what else the process says until it ends.
func (s *stopped) end(t *testing.T) {
	t.Helper()
	all, err := io.ReadAll(s.out)
	require.NoError(t, err)
	s.rest = strings.Split(strings.TrimSpace(string(all)), "\n")
	require.NoError(t, s.Wait())
}

// where is what the process did when it was stopped.
func (s *stopped) where() string {
	at := len(s.lines) - 1
	if s.lines[at] == held {
		return "at " + s.lines[at-1]
	}
	word, _, _ := strings.Cut(s.lines[at], " ")
	if word == "in" || word == "after" {
		return s.lines[at]
	}
	return "between saves"
}

// collect takes the tokens that a process was told of, and counts what it did.
func (s *stopped) collect(t *testing.T, tokens map[int]string, did map[string]int) {
	t.Helper()
	var i int
	var what string
	for _, line := range slices.Concat(s.lines, s.rest) {
		if n, _ := fmt.Sscanf(line, "saved %d %s", &i, &what); n == 2 {
			tokens[i] = what
		} else if n, _ := fmt.Sscanf(line, "refused %d %s", &i, &what); n > 0 {
			did["refused "+what]++
		}
	}
	// A save that was under way and has to write twice was refused the first time.
	writes := 0
	for _, line := range s.rest {
		if strings.HasPrefix(line, "saved ") || strings.HasPrefix(line, "refused ") {
			break
		}
		if line == "after cards.Write" {
			writes++
		}
	}
	if writes > 1 {
		did["fenced"]++
	}
}
