package keystest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/keys"
)

func TestFaults(t *testing.T) {
	s := newKMS(t)
	s.with("one", func(*kmsKey) {})
	RunKEKFaults(t, Faults{
		Server: s.addr, Timeout: 250 * time.Millisecond,
		Open: func(t *testing.T, addr string) keys.KEK { return s.open(t, "one", addr) },
	})
}

func TestRemoteModel(t *testing.T) {
	s := newKMS(t)
	n := 0
	RunKEK(t, func(t *testing.T) keys.KEK {
		n++
		name := fmt.Sprint("key-", n)
		s.with(name, func(*kmsKey) {})
		return s.open(t, name, s.addr)
	}, &KEKOptions{Flips: 20})
}

// brokenRemotes break one promise each, which the check named must find.
var brokenRemotes = []struct {
	check, name string
	breaks      func(r *remote)
}{
	{"Refuse", "no kind", func(r *remote) { r.kind = func(err error) error { return errors.New("no") } }},
	{"Refuse", "another kind", func(r *remote) { r.kind = only(keys.ErrDenied) }},
	{"Refuse", "two kinds", func(r *remote) {
		r.kind = func(err error) error { return errors.Join(err, keys.ErrCorrupt) }
	}},
	{"Refuse", "for ever", func(r *remote) {
		var failed error
		ask := r.roundTrip
		r.roundTrip = func(req *http.Request) (*http.Response, error) {
			if failed != nil {
				return nil, failed
			}
			resp, err := ask(req)
			failed = err
			return resp, err
		}
	}},
	{"Refuse", "makes no call", func(r *remote) {
		known := map[string][]byte{}
		r.keep(func(c call, unwrap func() ([]byte, error)) ([]byte, error) {
			if known[string(c.in)] == nil {
				known[string(c.in)], _ = unwrap()
			}
			return known[string(c.in)], nil
		})
	}},
	{"Reset", "wrong key", func(r *remote) { r.kind = only(keys.ErrCorrupt) }},
	{"Truncate", "bytes beside the error", func(r *remote) {
		r.keep(func(c call, unwrap func() ([]byte, error)) ([]byte, error) {
			out, err := unwrap()
			if err != nil {
				return c.in, err
			}
			return out, nil
		})
	}},
	{"Truncate", "generated key beside the error", func(r *remote) {
		generate := r.generate
		r.generate = func(c call) ([]byte, []byte, error) {
			key, wrapped, err := generate(c)
			if err != nil {
				return randomBytes(32), nil, err
			}
			return key, wrapped, nil
		}
	}},
	{"Truncate", "data key in the error", func(r *remote) {
		wrap := r.wrap
		r.wrap = func(c call) ([]byte, error) {
			out, err := wrap(c)
			if err != nil {
				err = fmt.Errorf("wrap %x: %w", c.in, err)
			}
			return out, err
		}
	}},
	{"Truncate", "key left in dst", func(r *remote) {
		var last []byte
		r.keep(func(c call, unwrap func() ([]byte, error)) ([]byte, error) {
			out, err := unwrap()
			if err != nil {
				copy(c.dst[:cap(c.dst)], last)
			}
			last = bytes.Clone(out)
			return out, err
		})
	}},
	{"HalfOpen", "waits for ever", func(r *remote) { r.context = context.WithoutCancel }},
	{"HalfOpenMidway", "waits for ever", func(r *remote) { r.context = context.WithoutCancel }},
	{"Slow", "outage in place of the context's error", func(r *remote) {
		r.kind = func(err error) error {
			if isAny(err, ended...) {
				return keys.ErrUnavailable
			}
			return err
		}
	}},
	{"Trickle", "takes a part for the whole", func(r *remote) {
		r.read = func(body io.Reader) ([]byte, error) {
			part := make([]byte, 512)
			n, _ := body.Read(part)
			return part[:n], nil
		}
		r.kind = func(err error) error { return keys.ErrDenied }
	}},
	{"FlipAnswer", "wrap is not verified", func(r *remote) { r.verify = false }},
	{"FlipAnswer", "unwrap is not verified", func(r *remote) { r.checks = false }},
	{"FlipRequest", "wrap is not verified", func(r *remote) { r.verify = false }},
	{"FlipAnswer", "panics", func(r *remote) {
		r.kind = func(err error) error {
			if errors.Is(err, keys.ErrCorrupt) {
				panic("out of range")
			}
			return err
		}
	}},
	{"FlipAnswer", "no kind for what cannot be read", func(r *remote) {
		r.kind = func(err error) error {
			if errors.Is(err, errUnreadable) {
				return errUnreadable
			}
			return err
		}
	}},
}

// only turns every error into one kind.
func only(kind error) func(error) error {
	return func(err error) error { return &keys.CallError{Call: "any", Kind: kind, Err: io.EOF} }
}

// keep replaces Unwrap.
func (r *remote) keep(f func(c call, unwrap func() ([]byte, error)) ([]byte, error)) {
	unwrap := r.unwrap
	r.unwrap = func(c call) ([]byte, error) {
		return f(c, func() ([]byte, error) { return unwrap(c) })
	}
}

func TestFaultsAreFound(t *testing.T) {
	covered := map[string]bool{}
	for _, broken := range brokenRemotes {
		covered[broken.check] = true
		t.Run(broken.check+"/"+broken.name, func(t *testing.T) {
			t.Parallel()
			s := newKMS(t)
			s.with("one", func(*kmsKey) {})
			h := newFaultHarness(t, Faults{Server: s.addr, Timeout: 250 * time.Millisecond, Open: func(t *testing.T, addr string) keys.KEK {
				r := s.open(t, "one", addr)
				if addr != s.addr {
					broken.breaks(r)
				}
				return r
			}})
			h.watchdog, h.patience = time.Second, time.Second
			found := h.run(func(*kekHarness) { faultCheck(t, broken.check)(h) })
			require.NotEmpty(t, found, "the fault is not found")
			t.Log(found[0])
		})
	}
	for _, c := range faultChecks {
		require.True(t, covered[c.name], "nothing broken tries the check %s", c.name)
	}
}

func faultCheck(t *testing.T, name string) func(h *faultHarness) {
	for _, c := range faultChecks {
		if c.name == name {
			return c.run
		}
	}
	require.Fail(t, "no such check", name)
	return nil
}
