package keystest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/keys"
)

// live is a model KMS with all that an administrator does; breaks breaks each KEK
// that its keys are opened as.
func live(t *testing.T, breaks func(s *kms, r *remote)) Live {
	s := newKMS(t)
	var n atomic.Int64
	open := func(t *testing.T, key, addr string) *remote {
		r := s.open(t, key, addr)
		if breaks != nil {
			breaks(s, r)
		}
		return r
	}
	newKey := func(t *testing.T) keys.KEK {
		name := fmt.Sprint("key-", n.Add(1))
		s.with(name, func(*kmsKey) {})
		return open(t, name, s.addr)
	}
	change := func(f func(k *kmsKey)) func(t *testing.T, k keys.KEK) {
		return func(t *testing.T, k keys.KEK) { s.with(k.ID(), f) }
	}
	return Live{
		NewKey:  newKey,
		Missing: func(t *testing.T) (keys.KEK, error) { return open(t, "none", s.addr), nil },
		Disable: change(func(k *kmsKey) { k.disabled = true }),
		Enable:  change(func(k *kmsKey) { k.disabled = false }),
		Destroy: change(func(k *kmsKey) { k.destroyed = true }),
		Rotate:  change((*kmsKey).rotate),
		Trim:    change(func(k *kmsKey) { k.oldest = len(k.versions) - 1 }),
		Denied: func(t *testing.T, k keys.KEK) keys.KEK {
			r := open(t, k.ID(), s.addr)
			r.token = "bad"
			return r
		},
		Server:  s.addr,
		Open:    func(t *testing.T, k keys.KEK, addr string) keys.KEK { return open(t, k.ID(), addr) },
		Restart: newKey,
		Stop:    s.stop,
		Start:   s.start,
	}
}

func TestLive(t *testing.T) {
	RunKEKLive(t, live(t, nil))
}

// TestLiveMissingIsNotOpened: a KMS that is asked when a key is opened says it
// there.
func TestLiveMissingIsNotOpened(t *testing.T) {
	for _, c := range []struct {
		err   error
		found bool
	}{
		{&keys.CallError{Call: "describe", Kind: keys.ErrNotFound}, false},
		{keys.ErrDenied, true}, {errors.New("no"), true},
	} {
		l := live(t, nil)
		l.Missing = func(t *testing.T) (keys.KEK, error) { return nil, c.err }
		require.Equal(t, c.found, len(liveFindings(t, "Missing", l)) > 0, "%v", c.err)
	}
}

// TestLiveLeavesOut: what nobody can do to a KMS is left out, and only that.
func TestLiveLeavesOut(t *testing.T) {
	l := Live{NewKey: live(t, nil).NewKey}
	for _, c := range liveChecks {
		require.NotEmpty(t, c.leftOut(&l), c.name)
	}
	RunKEKLive(t, l)
	l = live(t, nil)
	l.Enable, l.Trim = nil, nil
	for _, c := range liveChecks {
		require.Empty(t, c.leftOut(&l), c.name)
	}
	require.Empty(t, liveFindings(t, "Disabled", l))
	require.Empty(t, liveFindings(t, "Rotated", l))
	l.Hung = func(t *testing.T, k keys.KEK) keys.KEK { return l.Open(t, k, l.Server) }
	require.NotEmpty(t, liveFindings(t, "Hung", l), "what is called hung serves")
}

// brokenLives break one promise each, which the check named must find.
var brokenLives = []struct {
	check, name string
	breaks      func(s *kms, r *remote)
}{
	{"Missing", "another kind", swaps(keys.ErrNotFound, keys.ErrDenied)},
	{"Missing", "made on first use", func(s *kms, r *remote) { s.with(r.key, func(*kmsKey) {}) }},
	{"Disabled", "as an outage", swaps(keys.ErrDisabled, keys.ErrUnavailable)},
	{"Disabled", "as corrupt", swaps(keys.ErrDisabled, keys.ErrCorrupt)},
	{"Disabled", "not noticed", func(s *kms, r *remote) {
		known := map[string][]byte{}
		r.keep(func(c call, unwrap func() ([]byte, error)) (out []byte, err error) {
			if known[string(c.in)] == nil {
				if known[string(c.in)], err = unwrap(); err != nil {
					return nil, err
				}
			}
			return known[string(c.in)], nil
		})
	}},
	{"Disabled", "for ever", func(s *kms, r *remote) {
		var off error
		inner := r.roundTrip
		r.roundTrip = func(req *http.Request) (*http.Response, error) {
			if off != nil {
				return nil, off
			}
			resp, err := inner(req)
			if err == nil && resp.StatusCode == kmsDisabled {
				off = statusError(kmsDisabled)
			}
			return resp, err
		}
	}},
	{"Destroyed", "as an outage", swaps(keys.ErrDisabled, keys.ErrUnavailable)},
	{"Denied", "as an outage", swaps(keys.ErrDenied, keys.ErrUnavailable)},
	{"Denied", "check passes", func(s *kms, r *remote) { r.check = func(context.Context) error { return nil } }},
	{"Denied", "bytes beside the error", func(s *kms, r *remote) {
		wrap := r.wrap
		r.wrap = func(c call) ([]byte, error) {
			out, err := wrap(c)
			if err != nil {
				return c.in, err
			}
			return out, nil
		}
	}},
	{"Rotated", "old versions are gone", func(s *kms, r *remote) {
		unwrap := r.unwrap
		r.unwrap = func(c call) ([]byte, error) {
			gone := false
			s.with(r.key, func(k *kmsKey) { gone = int(c.in[16]) < len(k.versions)-1 })
			if gone {
				return nil, keys.ErrCorrupt
			}
			return unwrap(c)
		}
	}},
	{"Rotated", "not moved", func(s *kms, r *remote) {
		r.rewrap = func(c call) ([]byte, error) { return append(c.dst, c.in...), nil }
	}},
	{"Rotated", "moved to something else", func(s *kms, r *remote) {
		rewrap := r.rewrap
		r.rewrap = func(c call) ([]byte, error) {
			out, err := rewrap(c)
			if err == nil {
				out[len(out)-1] ^= 1
			}
			return out, err
		}
	}},
	{"Rotated", "one version for all", func(s *kms, r *remote) { r.version = func([]byte) string { return "1" } }},
	{"Rotated", "versions of some only", func(s *kms, r *remote) {
		r.version = func(w []byte) string { return []string{"", "1", "2"}[w[16]] }
	}},
	{"Rotated", "trimmed is corrupt", swaps(keys.ErrDisabled, keys.ErrCorrupt)},
	{"Hung", "waits for ever", func(s *kms, r *remote) { r.context = context.WithoutCancel }},
	{"Hung", "as an outage", swaps(context.Canceled, keys.ErrUnavailable)},
	{"Hung", "a deadline as an outage", swaps(context.DeadlineExceeded, keys.ErrUnavailable)},
	{"Hung", "dawdles", func(s *kms, r *remote) {
		r.kind = func(err error) error { pause(context.Background(), 2*promptly); return err }
	}},
	{"Restarted", "as denied", swaps(keys.ErrUnavailable, keys.ErrDenied)},
	{"Restarted", "never again", func(s *kms, r *remote) {
		var failed atomic.Bool
		inner := r.roundTrip
		r.roundTrip = func(req *http.Request) (*http.Response, error) {
			if failed.Load() {
				return nil, errors.New("gave up")
			}
			resp, err := inner(req)
			failed.CompareAndSwap(false, err != nil)
			return resp, err
		}
	}},
	{"Restarted", "wrapped without the server", func(s *kms, r *remote) {
		wrap := r.wrap
		var down atomic.Bool
		r.wrap = func(c call) ([]byte, error) {
			out, err := wrap(c)
			if err != nil && !down.Swap(true) {
				return randomBytes(77), nil
			}
			return out, err
		}
	}},
	{"Restarted", "not noticed", func(s *kms, r *remote) {
		r.keep(func(c call, unwrap func() ([]byte, error)) ([]byte, error) {
			out, err := unwrap()
			if errors.Is(err, keys.ErrUnavailable) {
				return make([]byte, 32), nil
			}
			return out, err
		})
	}},
}

// swaps reports one kind as another.
func swaps(from, to error) func(s *kms, r *remote) {
	return func(s *kms, r *remote) {
		r.kind = func(err error) error {
			if errors.Is(err, from) {
				return &keys.CallError{Call: "any", Kind: to}
			}
			return err
		}
	}
}

func TestLiveFaultsAreFound(t *testing.T) {
	covered := map[string]bool{}
	for _, broken := range brokenLives {
		covered[broken.check] = true
		t.Run(broken.check+"/"+broken.name, func(t *testing.T) {
			t.Parallel()
			found := liveFindings(t, broken.check, live(t, broken.breaks))
			require.NotEmpty(t, found, "the fault is not found")
			t.Log(found[0])
		})
	}
	for _, c := range liveChecks {
		require.True(t, covered[c.name], "nothing broken tries the check %s", c.name)
	}
}

func liveFindings(t *testing.T, check string, l Live) []string {
	for _, c := range liveChecks {
		if c.name == check {
			h := newLiveHarness(t, &l)
			h.watchdog, h.patience = time.Second, time.Second
			return h.run(func(*kekHarness) { c.run(h) })
		}
	}
	require.Fail(t, "no such check", check)
	return nil
}
