package gcpkms

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"cloud.google.com/go/kms/apiv1/kmspb"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"

	"github.com/cardseal/cardseal/internal/kmstest"
	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/keys/keystest"
)

var (
	_ keys.KEK       = (*KEK)(nil)
	_ keys.Checker   = (*KEK)(nil)
	_ keys.Versioned = (*KEK)(nil)
)

func TestKEK(t *testing.T) {
	addr := kmstest.Need(t, kmstest.GCPKMS).Addr()
	a := newAdmin(t, addr)
	for _, level := range []kmspb.ProtectionLevel{kmspb.ProtectionLevel_SOFTWARE, kmspb.ProtectionLevel_HSM} {
		t.Run(level.String(), func(t *testing.T) {
			keystest.RunKEK(t, func(t *testing.T) keys.KEK { return open(t, addr, a.newKey(level)) }, &keystest.KEKOptions{
				Reopen: func(t *testing.T, k keys.KEK) keys.KEK { return open(t, addr, k.ID()) },
			})
			k := open(t, addr, a.newKey(level))
			form, err := k.Wrap(t.Context(), nil, testKey, testBinding)
			require.NoError(t, err)
			require.Equal(t, "1", k.Version(form))
			require.Equal(t, level.String(), k.ProtectionLevel(form))
			a.rotate(k.ID())
			form, err = k.Wrap(t.Context(), nil, testKey, testBinding)
			require.NoError(t, err)
			require.Equal(t, "2", k.Version(form))
		})
	}
}

func TestKEKClosed(t *testing.T) {
	k := (&fake{}).serve(t)
	require.NoError(t, k.Close())
	require.NoError(t, k.Close())
	keystest.RunKEKClosed(t, k)
	require.EqualError(t, ErrClosed, "gcpkms: KEK is closed")
}

type closer struct {
	err   error
	times int
}

func (c *closer) Close() error { c.times++; return c.err }

func TestCloser(t *testing.T) {
	c := &closer{err: errors.New("from the closer")}
	k, err := New((&fake{}).serve(t).client, testName, &Options{Closer: c})
	require.NoError(t, err)
	require.Equal(t, c.err, k.Close())
	require.NoError(t, k.Close())
	require.Equal(t, 1, c.times)

	// A client that the caller keeps is left open.
	f := &fake{}
	keeps := f.serve(t)
	k, err = New(keeps.client, testName, nil)
	require.NoError(t, err)
	require.NoError(t, k.Close())
	_, err = keeps.Wrap(t.Context(), nil, testKey, testBinding)
	require.NoError(t, err)
}

func TestNotMadeByNew(t *testing.T) {
	for _, k := range []*KEK{nil, {}} {
		_, err := k.Wrap(t.Context(), nil, testKey, testBinding)
		require.ErrorContains(t, err, "not made by New")
		_, err = k.Unwrap(t.Context(), nil, nil, testBinding)
		require.ErrorContains(t, err, "not made by New")
		require.ErrorContains(t, k.Check(t.Context()), "not made by New")
		require.NoError(t, k.Close())
	}
}

func TestPrints(t *testing.T) {
	k := (&fake{}).serve(t)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%t"} {
		require.Equal(t, testName, fmt.Sprintf(verb, k), verb)
	}
	require.Equal(t, testName, k.String())
	require.Equal(t, testName, k.GoString())
}

// The data key in the client's answer is wiped, taken or not.
func TestAnswerIsWiped(t *testing.T) {
	var kept []byte
	look := func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, o ...grpc.CallOption) error {
		err := invoke(ctx, method, req, reply, cc, o...)
		if r, ok := reply.(*kmspb.DecryptResponse); ok {
			kept = r.GetPlaintext()
		}
		return err
	}
	f := &fake{}
	k := f.serve(t, grpc.WithUnaryInterceptor(look))
	form, err := k.Wrap(t.Context(), nil, testKey, testBinding)
	require.NoError(t, err)
	got, err := k.Unwrap(t.Context(), nil, form, testBinding)
	require.NoError(t, err)
	require.Equal(t, testKey, got)
	require.Equal(t, make([]byte, 32), kept)

	f.decryptAnswer = func(_ int64, r *kmspb.DecryptResponse) { bend(r.PlaintextCrc32C) }
	_, err = k.Unwrap(t.Context(), nil, form, testBinding)
	require.Error(t, err)
	require.Equal(t, make([]byte, 32), kept, "with a wrong checksum")

	f.decryptAnswer = nil
	form[1] ^= 1
	_, err = k.Unwrap(t.Context(), nil, form, testBinding)
	require.Error(t, err)
	require.Equal(t, make([]byte, 32), kept, "with a wrong check value")
}

// A data key of another length never leaves the process.
func TestDataKeyOfAnotherLength(t *testing.T) {
	f := &fake{}
	k := f.serve(t)
	for _, n := range []int{0, 16, 31, 33, 64} {
		_, err := k.Wrap(t.Context(), nil, make([]byte, n), testBinding)
		require.Error(t, err)
		var failed *keys.CallError
		require.False(t, errors.As(err, &failed))
	}
	require.Zero(t, f.calls.Load())
}
