package faultproxy_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/internal/faultproxy"
)

// echo is a server that answers each byte with the next one, so that question and
// answer differ. It returns its address.
func echo(t *testing.T) string {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var all sync.WaitGroup
	t.Cleanup(func() { ln.Close(); all.Wait() })
	all.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer c.Close()
				buf := make([]byte, 1024)
				for {
					n, err := c.Read(buf)
					for i := range n {
						buf[i]++
					}
					if _, werr := c.Write(buf[:n]); err != nil || werr != nil {
						return
					}
				}
			})
		}
	})
	return ln.Addr().String()
}

func start(t *testing.T) *faultproxy.Proxy {
	p, err := faultproxy.New(echo(t))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, p.Close()) })
	return p
}

// dial connects by way of the proxy. Nothing a test waits for takes so long as the
// deadline.
func dial(t *testing.T, p *faultproxy.Proxy) net.Conn {
	c, err := net.Dial("tcp", p.Addr())
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	require.NoError(t, c.SetDeadline(time.Now().Add(30*time.Second)))
	return c
}

func say(t *testing.T, c net.Conn, text string) {
	_, err := c.Write([]byte(text))
	require.NoError(t, err)
}

// hear reads n bytes and compares.
func hear(t *testing.T, c net.Conn, want string) {
	got := make([]byte, len(want))
	_, err := io.ReadFull(c, got)
	require.NoError(t, err)
	require.Equal(t, want, string(got))
}

func serves(t *testing.T, p *faultproxy.Proxy) {
	c := dial(t, p)
	say(t, c, "abc")
	hear(t, c, "bcd")
}

// isReset expects a new connection to be reset, which may show before dialing is
// done.
func isReset(t *testing.T, p *faultproxy.Proxy) {
	c, err := net.Dial("tcp", p.Addr())
	if err == nil {
		_, err = c.Read(make([]byte, 1))
		c.Close()
	}
	require.ErrorIs(t, err, syscall.ECONNRESET)
}

// silent expects that nothing comes and that the connection stays open.
func silent(t *testing.T, c net.Conn) {
	require.NoError(t, c.SetReadDeadline(time.Now().Add(20*time.Millisecond)))
	n, err := c.Read(make([]byte, 1))
	require.Zero(t, n)
	var timeout net.Error
	require.ErrorAs(t, err, &timeout)
	require.True(t, timeout.Timeout(), err)
	require.NoError(t, c.SetReadDeadline(time.Now().Add(30*time.Second)))
}

func TestPass(t *testing.T) {
	p := start(t)
	c := dial(t, p)
	large := bytes.Repeat([]byte("a"), 100_000)
	go c.Write(large)
	got := make([]byte, len(large))
	_, err := io.ReadFull(c, got)
	require.NoError(t, err)
	require.Equal(t, bytes.Repeat([]byte("b"), 100_000), got)
	serves(t, p)
	require.Equal(t, faultproxy.Counts{Connections: 2, Requested: 100_003, Answered: 100_003}, p.Counts())
}

func TestRefuse(t *testing.T) {
	p := start(t)
	old := dial(t, p)
	say(t, old, "a")
	hear(t, old, "b")
	p.Set(faultproxy.Fault{Mode: faultproxy.Refuse, Keep: true})
	say(t, old, "b")
	hear(t, old, "c") // accepted before
	isReset(t, p)
	require.EqualValues(t, 1, p.Counts().Hits)
	p.Set(faultproxy.Fault{})
	serves(t, p)
}

func TestReset(t *testing.T) {
	for _, at := range []int64{0, 1, 2} {
		p := start(t)
		p.Set(faultproxy.Fault{Mode: faultproxy.Reset, At: at})
		c := dial(t, p)
		say(t, c, "abc")
		got, err := io.ReadAll(c)
		require.ErrorIs(t, err, syscall.ECONNRESET)
		require.True(t, bytes.HasPrefix([]byte("bcd")[:at], got), "%q", got) // a reset may overtake the rest
		require.EqualValues(t, 1, p.Counts().Hits)
		p.Set(faultproxy.Fault{})
		serves(t, p)
	}
}

func TestTruncate(t *testing.T) {
	for _, at := range []int64{0, 1, 2} {
		p := start(t)
		p.Set(faultproxy.Fault{Mode: faultproxy.Truncate, At: at})
		c := dial(t, p)
		say(t, c, "abc")
		got, err := io.ReadAll(c)
		require.NoError(t, err)
		require.Equal(t, "bcd"[:at], string(got))
		for _, n := range []int64{7, 11} { // more is taken, and not answered
			say(t, c, "more")
			require.Eventually(t, func() bool { return p.Counts().Answered == n }, 30*time.Second, time.Millisecond)
		}
		p.Set(faultproxy.Fault{})
		serves(t, p)
	}
}

func TestAnswerShorterThanTheFault(t *testing.T) {
	for _, mode := range []faultproxy.Mode{faultproxy.Reset, faultproxy.Truncate, faultproxy.Flip} {
		p := start(t)
		p.Set(faultproxy.Fault{Mode: mode, At: 3})
		serves(t, p)
		require.Zero(t, p.Counts().Hits)
	}
}

func TestHalfOpen(t *testing.T) {
	p := start(t)
	p.Set(faultproxy.Fault{Mode: faultproxy.HalfOpen})
	c := dial(t, p)
	say(t, c, "abc")
	require.Eventually(t, func() bool { return p.Counts().Hits == 1 }, 30*time.Second, time.Millisecond)
	silent(t, c)
	require.EqualValues(t, 1, p.Counts().Hits)
	p.Set(faultproxy.Fault{Keep: true}) // what was lost is lost
	_, err := c.Read(make([]byte, 1))
	require.Error(t, err)
	require.NotErrorIs(t, err, os.ErrDeadlineExceeded)
	serves(t, p)
}

func TestSlow(t *testing.T) {
	p := start(t)
	p.Set(faultproxy.Fault{Mode: faultproxy.Slow, Every: 5 * time.Millisecond})
	c := dial(t, p)
	began := time.Now()
	say(t, c, "abcd")
	hear(t, c, "bcde")
	require.GreaterOrEqual(t, time.Since(began), 15*time.Millisecond)
	p.Set(faultproxy.Fault{Mode: faultproxy.Slow, Every: time.Hour})
	c = dial(t, p)
	say(t, c, "abc")
	silent(t, c)
	p.Set(faultproxy.Fault{Keep: true}) // the rest comes at once
	hear(t, c, "bcd")
}

func TestFlip(t *testing.T) {
	p := start(t)
	p.Set(faultproxy.Fault{Mode: faultproxy.Flip, At: 1, Bit: 5})
	for range 2 { // once per connection
		c := dial(t, p)
		say(t, c, "abc")
		hear(t, c, "bCd")
		say(t, c, "abc")
		hear(t, c, "bcd")
	}
	p.Set(faultproxy.Fault{Mode: faultproxy.Flip, Request: true, At: 4, Bit: 8})
	c := dial(t, p)
	say(t, c, "abc")
	hear(t, c, "bcd")
	say(t, c, "abc")
	hear(t, c, "bdd") // b became c before the server saw it
	require.EqualValues(t, 3, p.Counts().Hits)
}

// A fault takes hold of connections that are open: it ends them, or with Keep
// counts from where they stand.
func TestOpenConnections(t *testing.T) {
	p := start(t)
	c := dial(t, p)
	say(t, c, "abc")
	hear(t, c, "bcd")
	p.Set(faultproxy.Fault{Mode: faultproxy.Flip, At: 1, Bit: 5, Keep: true})
	say(t, c, "abc")
	hear(t, c, "bCd")
	p.Set(faultproxy.Fault{Mode: faultproxy.HalfOpen, Keep: true})
	say(t, c, "abc")
	silent(t, c)
	p.Set(faultproxy.Fault{})
	_, err := c.Read(make([]byte, 1))
	require.Error(t, err)
	idle := dial(t, p)
	say(t, idle, "abc")
	hear(t, idle, "bcd")
	p.Set(faultproxy.Fault{})
	_, err = idle.Read(make([]byte, 1))
	require.ErrorIs(t, err, io.EOF)
}

func TestServerThatIsAway(t *testing.T) {
	p, err := faultproxy.New("127.0.0.1:1") // a port that is nobody's
	require.NoError(t, err)
	defer p.Close()
	isReset(t, p)
}

func TestClose(t *testing.T) {
	for _, f := range []faultproxy.Fault{{}, {Mode: faultproxy.HalfOpen}, {Mode: faultproxy.Slow, Every: time.Hour}} {
		p, err := faultproxy.New(echo(t))
		require.NoError(t, err)
		p.Set(f)
		c := dial(t, p)
		say(t, c, "abc")
		require.Eventually(t, func() bool { return p.Counts().Requested == 3 }, 30*time.Second, time.Millisecond)
		require.NoError(t, p.Close())
		_, err = io.ReadAll(c)
		if err != nil {
			require.ErrorIs(t, err, syscall.ECONNRESET)
		}
		require.NoError(t, p.Close())
		p.Set(faultproxy.Fault{})
		_, err = net.Dial("tcp", p.Addr())
		require.Error(t, err)
	}
}

// TestSetBesideTraffic looks for races, and for bytes altered while nothing is to
// alter them.
func TestSetBesideTraffic(t *testing.T) {
	p := start(t)
	var clients sync.WaitGroup
	stop := make(chan struct{})
	for range 4 {
		clients.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				c, err := net.Dial("tcp", p.Addr())
				if err != nil {
					continue
				}
				c.SetDeadline(time.Now().Add(30 * time.Second))
				c.Write([]byte("abc"))
				got, err := io.ReadAll(io.LimitReader(c, 3))
				if err == nil && len(got) == 3 && string(got) != "bcd" {
					t.Errorf("heard %q", got)
				}
				if e := net.Error(nil); errors.As(err, &e) && e.Timeout() {
					t.Error("a connection hangs though its fault was taken away")
				}
				c.Close()
			}
		})
	}
	for i := range 200 {
		p.Set(faultproxy.Fault{Mode: []faultproxy.Mode{faultproxy.Pass, faultproxy.Refuse, faultproxy.Reset,
			faultproxy.HalfOpen, faultproxy.Slow, faultproxy.Truncate}[i%6], At: int64(i % 3), Every: time.Hour})
	}
	p.Set(faultproxy.Fault{})
	close(stop)
	clients.Wait()
}
