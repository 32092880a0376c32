package keystest_test

import (
	"context"
	"crypto/fips140"
	"fmt"
	"testing"
	"testing/cryptotest"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/crypto/envelope"
	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/keys/keystest"
)

func TestFaultyIsAKEK(t *testing.T) {
	keystest.RunKEK(t, func(*testing.T) keys.KEK {
		return keystest.NewFaulty(keystest.NewKEK(fmt.Sprint(time.Now().UnixNano())))
	}, nil)
}

func TestFaulty(t *testing.T) {
	if fips140.Enabled() { // whose generators cannot be seeded where time stands still
		cryptotest.SetGlobalRandom(t, uint64(time.Now().UnixNano()))
	}
	synctest.Test(t, func(t *testing.T) {
		f := keystest.NewFaulty(keystest.NewKEK("k"))
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		one, two := make([]byte, keys.DataKeySize), make([]byte, keys.DataKeySize)
		one[0], two[0] = 1, 2
		b := keys.Binding{Environment: "e", Purpose: keys.PAN}
		wrap := func(raw []byte) []byte {
			out, err := f.Wrap(ctx, []byte("dst"), raw, b)
			require.NoError(t, err)
			require.Equal(t, "dst", string(out[:3]))
			return out[3:]
		}
		w1, w2 := wrap(one), wrap(two)
		unwrap := func(w []byte) ([]byte, error) { return f.Unwrap(ctx, nil, w, b) }
		gives := func(w, want []byte) {
			got, err := unwrap(w)
			require.NoError(t, err)
			require.Equal(t, want, got)
		}
		gives(w1, one)
		require.Equal(t, 3, f.Calls())

		f.On(5, keystest.Fail(keys.ErrDenied))
		gives(w1, one)
		got, err := unwrap(w1)
		require.Nil(t, got)
		require.ErrorIs(t, err, keys.ErrDenied)
		gives(w1, one)
		for _, c := range []struct {
			fault keystest.Fault
			err   error
		}{{keystest.Throttle(), keys.ErrThrottled}, {keystest.Lost(keys.ErrUnavailable), keys.ErrUnavailable}} {
			f.Always(c.fault)
			_, err = unwrap(w1)
			require.ErrorIs(t, err, c.err)
			_, err = f.Wrap(ctx, nil, one, b)
			require.ErrorIs(t, err, c.err)
		}
		f.Always(keystest.Stale())
		gives(w2, one)
		gives(w2, two)
		f.Always(keystest.WrongKey())
		got, err = unwrap(w2)
		require.NoError(t, err)
		require.NotEqual(t, two, got)
		f.Always(keystest.Corrupt())
		got, err = unwrap(w2)
		require.NoError(t, err)
		two[16] ^= 0x10
		require.Equal(t, two, got)
		two[16] ^= 0x10
		bad := wrap(one)
		f.Never()
		_, err = unwrap(bad)
		require.ErrorIs(t, err, keys.ErrCorrupt)

		start := time.Now()
		f.Each(keystest.SlowTail(4, time.Second))
		for range 8 {
			gives(w2, two)
		}
		require.Equal(t, 2*time.Second, time.Since(start))
		f.Always(keystest.Slow(time.Hour))
		_, err = unwrap(w1)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		f.Always(keystest.Hang())
		_, err = unwrap(w1)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, time.Minute, time.Since(start))
	})
}

// A service under test meets a KMS that throttles once: nobody notices.
func ExampleFaulty() {
	ctx := context.Background()
	kek := keystest.NewFaulty(keystest.NewKEK("test"))
	kek.On(1, keystest.Throttle())
	kekID := keys.NewKEKID()
	m, err := keys.Inline(ctx, kekID, kek, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer m.Close()
	s, err := m.Scope(keys.PAN, "shop-eu")
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = s.Seal(ctx, nil, []byte("4111111111111111"), &envelope.Additional{Field: 1})
	fmt.Println(err, kek.Calls())
	// Output: <nil> 2
}
