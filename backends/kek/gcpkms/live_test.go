package gcpkms

import (
	"context"
	"net"
	"testing"
	"time"

	"cloud.google.com/go/kms/apiv1/kmspb"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/cardseal/cardseal/internal/faultproxy"
	"github.com/cardseal/cardseal/internal/kmstest"
	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/keys/keystest"
)

// nobody makes every call one of a caller who has no permission.
func nobody(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, o ...grpc.CallOption) error {
	return invoke(metadata.AppendToOutgoingContext(ctx, "x-test-caller", "nobody"), method, req, reply, cc, o...)
}

func TestKEKLive(t *testing.T) {
	addr := kmstest.Need(t, kmstest.GCPKMS).Addr()
	a := newAdmin(t, addr)
	var own *kmstest.Own
	keystest.RunKEKLive(t, keystest.Live{
		NewKey: func(t *testing.T) keys.KEK { return open(t, addr, a.newKey(kmspb.ProtectionLevel_HSM)) },
		Missing: func(t *testing.T) (keys.KEK, error) {
			return open(t, addr, a.ring+"/cryptoKeys/missing"), nil
		},
		Disable: func(_ *testing.T, k keys.KEK) { a.disable(k.ID()) },
		Enable:  func(_ *testing.T, k keys.KEK) { a.enable(k.ID()) },
		Destroy: func(_ *testing.T, k keys.KEK) { a.destroy(k.ID(), true) },
		Rotate:  func(_ *testing.T, k keys.KEK) { a.rotate(k.ID()) },
		Trim:    func(_ *testing.T, k keys.KEK) { a.destroy(k.ID(), false) },
		Denied: func(t *testing.T, k keys.KEK) keys.KEK {
			return open(t, addr, k.ID(), grpc.WithUnaryInterceptor(nobody))
		},
		// Not by Server and Open, which count bytes to see that a call is under way:
		// while gRPC connects calls wait and send none.
		Hung: func(t *testing.T, k keys.KEK) keys.KEK { return hung(t, addr, k.ID()) },
		Restart: func(t *testing.T) keys.KEK {
			own = kmstest.StartOwn(t, kmstest.GCPKMS)
			return open(t, own.Addr(), newAdmin(t, own.Addr()).newKey(kmspb.ProtectionLevel_SOFTWARE))
		},
		Stop:  func(*testing.T) { own.Stop() },
		Start: func(*testing.T) { own.Start() },
	})
}

// hung opens a key by a connection that has served and then hangs.
func hung(t *testing.T, addr, name string) *KEK {
	t.Helper()
	p, err := faultproxy.New(addr)
	require.NoError(t, err)
	t.Cleanup(func() { _ = p.Close() })
	k := open(t, p.Addr(), name)
	require.NoError(t, k.Check(t.Context()))
	p.Set(faultproxy.Fault{Mode: faultproxy.HalfOpen, Keep: true})
	return k
}

// A server that takes a connection and says nothing on it, ever: gRPC is not
// connected yet and the call waits for that, but no longer than its context.
func TestHangingConnection(t *testing.T) {
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = lis.Close() })
	k, err := New(dial(t, lis.Addr().String()), testName, nil)
	require.NoError(t, err)
	for name := range k.calls(t.Context(), nil) {
		ctx, cancel := contextOf(t)
		if name == callEncrypt { // a context that is cancelled; the others run out
			time.AfterFunc(20*time.Millisecond, cancel)
		} else {
			var done context.CancelFunc
			ctx, done = context.WithTimeout(ctx, 20*time.Millisecond)
			t.Cleanup(done)
		}
		_, err := k.calls(ctx, wellFormed())[name]()
		require.ErrorIs(t, err, ctx.Err(), name)
		require.NotErrorIs(t, err, keys.ErrUnavailable, name)
	}
}

// Without TLS, whose seal would hide what the checksums are for.
func TestKEKFaults(t *testing.T) {
	addr := kmstest.Need(t, kmstest.GCPKMS).Addr()
	name := newAdmin(t, addr).newKey(kmspb.ProtectionLevel_HSM)
	keystest.RunKEKFaults(t, keystest.Faults{
		Server: addr,
		Open:   func(t *testing.T, addr string) keys.KEK { return struct{ keys.KEK }{spoilt(t, addr, name)} },
	})
}

// Check is left out above, since its data key is another each time and the
// checksum of one in sixteen is shorter: its answers have no length to cut them
// by. Here bits of them turn: what comes of it is no failure or one with a kind.
func TestCheckFaults(t *testing.T) {
	addr := kmstest.Need(t, kmstest.GCPKMS).Addr()
	name := newAdmin(t, addr).newKey(kmspb.ProtectionLevel_HSM)
	p, err := faultproxy.New(addr)
	require.NoError(t, err)
	t.Cleanup(func() { _ = p.Close() })
	k := spoilt(t, p.Addr(), name)
	failed := 0
	for i := range 64 {
		p.Set(faultproxy.Fault{Mode: faultproxy.Flip, At: int64(i * 12), Bit: uint8(i)})
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		if err := k.Check(ctx); err != nil {
			failed++
			var call *keys.CallError
			require.ErrorAs(t, err, &call)
			require.Contains(t, []error{
				keys.ErrNotFound, keys.ErrDisabled, keys.ErrDenied, keys.ErrThrottled,
				keys.ErrUnavailable, keys.ErrCorrupt, context.DeadlineExceeded,
			}, call.Kind)
		}
		cancel()
	}
	require.NotZero(t, failed)
	p.Set(faultproxy.Fault{})
	require.Eventually(t, func() bool { return k.Check(t.Context()) == nil }, time.Minute, 10*time.Millisecond)
}

// spoilt opens a key by a connection that faults are done to.
func spoilt(t *testing.T, addr, name string) *KEK {
	t.Helper()
	return open(t, addr, name, grpc.WithUnaryInterceptor(unhurried), grpc.WithConnectParams(quick()),
		// No pings to measure the connection by: an exchange has its length.
		grpc.WithInitialWindowSize(1<<20), grpc.WithInitialConnWindowSize(1<<20))
}

// quick has gRPC connect anew at once, and unhurried keeps a failed call until it
// has: without a connection gRPC fails calls in no time, and the suite's next call
// would not get as far as its fault.
func quick() grpc.ConnectParams {
	return grpc.ConnectParams{
		Backoff:           backoff.Config{BaseDelay: time.Millisecond, Multiplier: 1, MaxDelay: time.Millisecond},
		MinConnectTimeout: 5 * time.Second,
	}
}

func unhurried(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, o ...grpc.CallOption) error {
	err := invoke(ctx, method, req, reply, cc, o...)
	if status.Code(err) == codes.Unavailable {
		for end := time.Now().Add(50 * time.Millisecond); ; {
			s := cc.GetState()
			if s == connectivity.Ready || s == connectivity.Idle {
				break
			}
			wait, done := context.WithDeadline(ctx, end)
			changed := cc.WaitForStateChange(wait, s)
			done()
			if !changed {
				break
			}
		}
	}
	return err
}
