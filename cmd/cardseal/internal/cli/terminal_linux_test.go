package cli

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// openTerminal returns the near end of a pseudo-terminal, and what closes it and
// returns what was shown on it.
func openTerminal(t *testing.T) (near *os.File, show func() string) {
	t.Helper()
	near, _, show = openTypedOn(t)
	return near, show
}

// openTypedOn is openTerminal, and what types a line once the terminal does not show
// what is typed.
func openTypedOn(t *testing.T) (near *os.File, typed func(line string), show func() string) {
	t.Helper()
	far, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	require.NoError(t, err)
	t.Cleanup(func() { _ = far.Close() })
	require.NoError(t, unix.IoctlSetPointerInt(int(far.Fd()), unix.TIOCSPTLCK, 0))
	n, err := unix.IoctlGetInt(int(far.Fd()), unix.TIOCGPTN)
	require.NoError(t, err)
	near, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	require.NoError(t, err)
	t.Cleanup(func() { _ = near.Close() })
	typed = func(line string) {
		t.Helper()
		for {
			s, err := unix.IoctlGetTermios(int(near.Fd()), unix.TCGETS)
			require.NoError(t, err)
			require.NoError(t, t.Context().Err())
			if s.Lflag&unix.ECHO == 0 {
				break
			}
			runtime.Gosched()
		}
		_, err := far.WriteString(line + "\r")
		require.NoError(t, err)
	}
	return near, typed, func() string {
		_, err := near.WriteString("end")
		require.NoError(t, err)
		buf, n := make([]byte, 64<<10), 0
		for !bytes.HasSuffix(buf[:n], []byte("end")) { // what was shown may come in parts
			m, err := far.Read(buf[n:])
			require.NoError(t, err)
			n += m
		}
		return string(buf[:n])
	}
}
