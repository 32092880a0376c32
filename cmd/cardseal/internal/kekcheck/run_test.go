package kekcheck

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/backends/kek/open"
	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/keys/keystest"
)

// fake is a KEK with every optional interface, of which a test spoils one call.
type fake struct {
	*keystest.KEK
	check    error
	generate func() ([]byte, error)
	wrap     func() error
	lax      func(wrapped []byte, b keys.Binding) bool // opens what it must not
	refuse   error                                     // of another binding
	rewrap   func() ([]byte, error)
	version  string
	closed   bool

	dataKey []byte // that was wrapped last, and
	first   keys.Binding
}

func newFake() *fake { return &fake{KEK: keystest.NewKEK("fake"), version: "1"} }

func (f *fake) Close() error                { f.closed = true; return nil }
func (f *fake) Check(context.Context) error { return f.check }
func (f *fake) Version([]byte) string       { return f.version }

func (f *fake) GenerateDataKey(ctx context.Context, dst []byte, b keys.Binding) ([]byte, []byte, error) {
	if f.generate != nil {
		got, err := f.generate()
		return got, got, err
	}
	dataKey := bytes.Repeat([]byte{7}, keys.DataKeySize)
	wrapped, err := f.KEK.Wrap(ctx, nil, dataKey, b)
	f.dataKey, f.first = dataKey, b
	return append(dst, dataKey...), wrapped, err
}

func (f *fake) Wrap(ctx context.Context, dst, dataKey []byte, b keys.Binding) ([]byte, error) {
	if f.wrap != nil {
		return nil, f.wrap()
	}
	f.dataKey, f.first = bytes.Clone(dataKey), b
	return f.KEK.Wrap(ctx, dst, dataKey, b)
}

func (f *fake) Unwrap(ctx context.Context, dst, wrapped []byte, b keys.Binding) ([]byte, error) {
	if f.lax != nil && f.lax(wrapped, b) {
		return append(dst, f.dataKey...), nil
	}
	if f.refuse != nil && (b.KeyID != f.first.KeyID || b.Environment != f.first.Environment) {
		return nil, f.refuse
	}
	return f.KEK.Unwrap(ctx, dst, wrapped, b)
}

func (f *fake) Rewrap(_ context.Context, dst, wrapped []byte, _ keys.Binding) ([]byte, error) {
	if f.rewrap != nil {
		return f.rewrap()
	}
	return append(dst, wrapped...), nil
}

func runs(t *testing.T, k open.KEK) (failed int, steps []Step) {
	t.Helper()
	failed, err := Run(t.Context(), Options{
		Open:    func(context.Context) (open.KEK, error) { return k, nil },
		Timeout: time.Minute,
		Report:  func(s Step) error { steps = append(steps, s); return nil },
	})
	require.NoError(t, err)
	return failed, steps
}

func denied(call string) error { return &keys.CallError{Call: call, Kind: keys.ErrDenied} }

func TestRun(t *testing.T) {
	f := newFake()
	failed, got := runs(t, f)
	require.Zero(t, failed)
	require.True(t, f.closed)
	require.Len(t, got, len(steps))
	for i, s := range got {
		require.Equal(t, steps[i].name, s.Name)
		require.Equal(t, OK, s.Result)
	}
	require.Equal(t, "fake", got[0].Text)
	require.Equal(t, "1", got[len(got)-1].Text)
}

// Each fault is found, by the step it belongs to and no other.
func TestFaults(t *testing.T) {
	for _, c := range []struct {
		step   string
		result Result
		spoil  func(*fake)
	}{
		{"is in order", Fail, func(f *fake) { f.check = errors.New("x") }},
		{"generates a data key", Fail, func(f *fake) { f.generate = func() ([]byte, error) { return nil, denied("g") } }},
		{"generates a data key", Fail, func(f *fake) { f.generate = func() ([]byte, error) { return make([]byte, 31), nil } }},
		{"wraps a data key", Note, func(f *fake) { f.wrap = func() error { return denied("w") } }},
		{"wraps a data key", Fail, func(f *fake) { f.wrap = func() error { return keys.ErrUnavailable } }},
		{"refuses another key ID", Fail, func(f *fake) {
			f.lax = func(_ []byte, b keys.Binding) bool { return b.KeyID != f.first.KeyID }
		}},
		{"refuses another creation time", Fail, func(f *fake) {
			f.lax = func(_ []byte, b keys.Binding) bool { return !b.Created.Equal(f.first.Created) }
		}},
		{"refuses another environment", Fail, func(f *fake) {
			f.lax = func(_ []byte, b keys.Binding) bool { return b.Environment != f.first.Environment }
		}},
		{"refuses another scope", Fail, func(f *fake) {
			f.lax = func(_ []byte, b keys.Binding) bool { return b.Scope != f.first.Scope }
		}},
		{"refuses another purpose", Fail, func(f *fake) {
			f.lax = func(_ []byte, b keys.Binding) bool { return b.Purpose != f.first.Purpose }
		}},
		{"refuses altered bytes", Fail, func(f *fake) {
			var sound []byte
			f.lax = func(wrapped []byte, b keys.Binding) bool {
				if sound == nil {
					sound = bytes.Clone(wrapped)
				}
				return !bytes.Equal(sound, wrapped)
			}
		}},
		{"rewraps it", Note, func(f *fake) { f.rewrap = func() ([]byte, error) { return nil, denied("r") } }},
		{"rewraps it", Fail, func(f *fake) { f.rewrap = func() ([]byte, error) { return nil, keys.ErrThrottled } }},
		{"rewraps it", Fail, func(f *fake) { f.rewrap = func() ([]byte, error) { return []byte("x"), nil } }},
		{"tells its version", Fail, func(f *fake) { f.version = "" }},
	} {
		f := newFake()
		c.spoil(f)
		failed, got := runs(t, f)
		require.Len(t, got, len(steps))
		for _, s := range got {
			want := OK
			if s.Name == c.step {
				want = c.result
			}
			require.Equal(t, want, s.Result, "%s: %s", c.step, s.Name)
		}
		require.Equal(t, c.result == Fail, failed == 1, c.step)
	}
}

// A policy may refuse another binding before the cipher does. A KMS that is away
// refuses nothing.
func TestRefusedBy(t *testing.T) {
	f := newFake()
	f.refuse = denied("d")
	failed, got := runs(t, f)
	require.Zero(t, failed)
	require.Equal(t, Step{Name: "refuses another key ID", Result: OK, Text: "by the key's policy"}, got[5])
	f.refuse = &keys.CallError{Call: "d", Kind: keys.ErrUnavailable}
	failed, got = runs(t, f)
	require.Equal(t, 2, failed)
	require.Equal(t, "unavailable", got[5].Kind)
}

// Without the permissions for both ways to a data key both fail.
func TestNoDataKey(t *testing.T) {
	f := newFake()
	f.generate = func() ([]byte, error) { return nil, denied("g") }
	f.wrap = func() error { return denied("w") }
	failed, got := runs(t, f)
	require.Equal(t, 2, failed)
	require.Equal(t, Step{"wraps a data key", Fail, got[3].Text, "w", "denied"}, got[3])
	require.Len(t, got, 4, "there is nothing to try further")
}

// A KEK that gives another data key back is found, whoever wrapped it.
func TestAnotherDataKey(t *testing.T) {
	f := newFake()
	f.lax = func([]byte, keys.Binding) bool {
		f.dataKey = make([]byte, keys.DataKeySize)
		return true
	}
	_, got := runs(t, f)
	require.Equal(t, Fail, got[4].Result)
	require.Contains(t, got[4].Text, "another data key comes back")
}

// Without the optional interfaces their steps are left out.
func TestPlainKEK(t *testing.T) {
	failed, got := runs(t, struct {
		*keystest.KEK
		io.Closer
	}{keystest.NewKEK("plain"), io.NopCloser(nil)})
	require.Zero(t, failed)
	require.Len(t, got, len(steps)-4)
}

// A step ends with its time; the run with its context, without a verdict on the
// step that was cut off.
func TestTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hung := func(ctx context.Context) (open.KEK, error) {
			<-ctx.Done()
			return nil, &keys.CallError{Call: "open", Kind: ctx.Err()}
		}
		var got []Step
		o := Options{Open: hung, Timeout: time.Hour, Report: func(s Step) error { got = append(got, s); return nil }}
		start := time.Now()
		failed, err := Run(t.Context(), o)
		require.NoError(t, err)
		require.Equal(t, 1, failed)
		require.Equal(t, time.Hour, time.Since(start))
		require.Equal(t, "timeout", got[0].Kind)

		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		got = nil
		_, err = Run(ctx, o)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Empty(t, got)
	})
}
