package vaulttransit

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/vault/api"
	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/keys"
)

// office hands out tokens in a bubble, without a network.
type office struct {
	mu               sync.Mutex
	logins, renewals counter
	login            error                // of the next logins
	ttl              int                  // of a token, in seconds
	fixed            bool                 // tokens cannot be renewed
	renewal          func() (int, string) // nil: a full life more
}

func (o *office) client(t *testing.T) *api.Client {
	config := api.DefaultConfig()
	config.Address = "http://vault.invalid"
	config.HttpClient = &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.renewals.v.Add(1)
		status, body := 200, `{"auth":{"client_token":"t","renewable":true,"lease_duration":100}}`
		if o.renewal != nil {
			status, body = o.renewal()
		}
		if status == 0 {
			return nil, io.ErrUnexpectedEOF
		}
		return &http.Response{StatusCode: status, Body: io.NopCloser(strings.NewReader(body)), Request: r, Header: http.Header{}}, nil
	})}
	c, err := api.NewClient(config)
	require.NoError(t, err)
	return c
}

func (o *office) Login(context.Context, *api.Client) (*api.Secret, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.login != nil {
		return nil, o.login
	}
	o.logins.v.Add(1)
	return &api.Secret{Auth: &api.SecretAuth{ClientToken: "t", Renewable: !o.fixed, LeaseDuration: o.ttl}}, nil
}

type counter struct{ v atomic.Int64 }

func (c *counter) n() int { return int(c.v.Load()) }

// change changes what it says from now on.
func (o *office) change(login error, renewal func() (int, string)) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.login, o.renewal = login, renewal
}

// inBubble runs a session of an office on a clock of its own.
func inBubble(t *testing.T, o *office, f func(t *testing.T, s *Session)) {
	synctest.Test(t, func(t *testing.T) {
		s, err := Login(t.Context(), o.client(t), o)
		require.NoError(t, err)
		f(t, s)
		require.NoError(t, s.Close())
		require.NoError(t, s.Close())
		requireDone(t, s)
		logins, renewals := o.logins.n(), o.renewals.n()
		pass(time.Hour)
		require.Equal(t, logins, o.logins.n(), "a login after Close")
		require.Equal(t, renewals, o.renewals.n(), "a renewal after Close")
	})
}

// pass lets time go by in the bubble.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func TestRenewsInTime(t *testing.T) {
	o := &office{ttl: 100}
	inBubble(t, o, func(t *testing.T, s *Session) {
		pass(49 * time.Second)
		require.Zero(t, o.renewals.n(), "before half the life")
		pass(18 * time.Second)
		require.Equal(t, 1, o.renewals.n(), "by two thirds of it")
		pass(time.Hour)
		require.InDelta(t, 62, o.renewals.n(), 11)
		require.Equal(t, 1, o.logins.n())
	})
}

func TestTokenWithoutEnd(t *testing.T) {
	o := &office{}
	inBubble(t, o, func(t *testing.T, s *Session) {
		pass(1000 * time.Hour)
		require.Zero(t, o.renewals.n())
		require.Equal(t, 1, o.logins.n())
	})
}

func TestTokenThatCannotBeRenewed(t *testing.T) {
	o := &office{ttl: 100, fixed: true}
	inBubble(t, o, func(t *testing.T, s *Session) {
		pass(1000 * time.Second)
		require.Zero(t, o.renewals.n())
		require.InDelta(t, 18, o.logins.n(), 3)
		require.NoError(t, s.Err())
	})
}

// TestLastEndIsNear: a renewal that adds little is followed by a login, long
// before the end.
func TestLastEndIsNear(t *testing.T) {
	o := &office{ttl: 100, renewal: func() (int, string) {
		return 200, `{"auth":{"renewable":true,"lease_duration":49}}`
	}}
	inBubble(t, o, func(t *testing.T, s *Session) {
		pass(67 * time.Second)
		require.Equal(t, 2, o.logins.n())
	})
}

// TestRenewalRefused: a token that is dead, or may not renew itself.
func TestRenewalRefused(t *testing.T) {
	o := &office{ttl: 100, renewal: func() (int, string) { return 403, `{"errors":["permission denied"]}` }}
	inBubble(t, o, func(t *testing.T, s *Session) {
		pass(67 * time.Second)
		require.Equal(t, 2, o.logins.n())
		require.NoError(t, s.Err())
	})
}

// TestVaultIsAway: the session tries on, ever more slowly, says so, and is back
// soon after Vault is.
func TestVaultIsAway(t *testing.T) {
	o := &office{ttl: 100}
	inBubble(t, o, func(t *testing.T, s *Session) {
		away := func() (int, string) { return 0, "" }
		o.change(nil, away)
		pass(67 * time.Second)
		require.ErrorIs(t, s.Err(), keys.ErrUnavailable)
		require.Equal(t, 1, o.logins.n(), "the token lives")
		o.change(errors.New("cannot reach anything"), away)
		pass(10 * time.Minute) // past the token's end
		require.Error(t, s.Err())
		require.Less(t, o.renewals.n(), 30, "tries as fast as it can")
		o.change(nil, nil)
		pass(lastWait)
		require.NoError(t, s.Err())
		require.Equal(t, 2, o.logins.n())
		pass(time.Hour)
		require.Equal(t, 2, o.logins.n())
	})
}

// TestRenewalComesBackInTime: a short outage costs no login.
func TestRenewalComesBackInTime(t *testing.T) {
	o := &office{ttl: 100}
	inBubble(t, o, func(t *testing.T, s *Session) {
		o.change(nil, func() (int, string) { return 503, `{"errors":["Vault is sealed"]}` })
		pass(80 * time.Second)
		require.ErrorIs(t, s.Err(), keys.ErrUnavailable)
		o.change(nil, nil)
		pass(15 * time.Second)
		require.NoError(t, s.Err())
		require.Equal(t, 1, o.logins.n())
	})
}

// TestAnswersWithoutToken: what parses and gives no lease is a failure.
func TestAnswersWithoutToken(t *testing.T) {
	o := &office{ttl: 100, renewal: func() (int, string) { return 200, `{"data":{"x":1}}` }}
	inBubble(t, o, func(t *testing.T, s *Session) {
		pass(67 * time.Second)
		require.ErrorIs(t, s.Err(), keys.ErrUnavailable)
	})
}

// TestCloseWhileLoggingIn: Close ends a login that hangs.
func TestCloseWhileLoggingIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first := true
		s, err := Login(t.Context(), (&office{}).client(t), method(func(ctx context.Context) (*api.Secret, error) {
			if !first {
				<-ctx.Done()
				return nil, ctx.Err()
			}
			first = false
			return &api.Secret{Auth: &api.SecretAuth{ClientToken: "t", LeaseDuration: 10}}, nil
		}))
		require.NoError(t, err)
		pass(8 * time.Second) // it hangs now
		before := time.Now()
		require.NoError(t, s.Close())
		require.Equal(t, before, time.Now())
	})
}

// TestEndOfLoginsContext: it ends the login, not the session.
func TestEndOfLoginsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &office{ttl: 100}
		ctx, cancel := context.WithCancel(t.Context())
		s, err := Login(ctx, o.client(t), o)
		require.NoError(t, err)
		cancel()
		pass(67 * time.Second)
		require.Equal(t, 1, o.renewals.n())
		require.NoError(t, s.Close())
	})
}

func TestWaits(t *testing.T) {
	require.Zero(t, chance(0))
	l := lease{first: time.Hour, ttl: time.Hour, from: time.Now()}
	for failures := range 100 {
		wait, ends := l.wait(failures)
		require.True(t, ends)
		require.Positive(t, wait)
		if failures > 0 {
			require.LessOrEqual(t, wait, lastWait)
		}
	}
	l.from = l.from.Add(-59*time.Minute - 58*time.Second)
	for range 100 {
		wait, _ := l.wait(30)
		require.LessOrEqual(t, wait, time.Second, "past the token's end")
	}
}
