package vaulttransit

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"net/url"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/cardseal/cardseal/keys"
)

// Times of a session. Each attempt to renew or to log in has its own limit.
const (
	attempt   = 30 * time.Second
	firstWait = 100 * time.Millisecond
	lastWait  = 30 * time.Second
)

// lease is a token's life.
type lease struct {
	token     hidden
	renewable bool
	first     time.Duration // what the login gave; 0: without end
	ttl       time.Duration // what the last renewal gave
	from      time.Time
}

func (l lease) left() time.Duration { return l.ttl - time.Since(l.from) }

// spent reports whether renewals have come up against the token's last end.
func (l lease) spent() bool { return l.ttl < l.first/2 }

// wait is how long to leave the token alone: until half to two thirds of its life
// have passed, by chance, so that processes that began together part. After a
// failure it is what attempts wait for, but not past the half of what is left.
func (l lease) wait(failures int) (wait time.Duration, ends bool) {
	if failures > 0 {
		wait = min(firstWait<<min(failures-1, 10), lastWait)
		if left := l.left(); l.first > 0 && left > 0 {
			wait = min(wait, max(left/2, firstWait))
		}
		return wait/2 + chance(wait/2), true
	}
	wait = l.ttl/2 + chance(l.ttl/6) - time.Since(l.from)
	return max(wait, firstWait), l.first > 0
}

// chance draws a time below d. Its bias is far below what a wait is worth.
func chance(d time.Duration) time.Duration {
	if d <= 0 {
		return 0
	}
	var b [8]byte
	rand.Read(b[:])
	return time.Duration(binary.BigEndian.Uint64(b[:]) % uint64(d))
}

var errNoToken = errors.New("vaulttransit: the login gave no token")

// logIn gets a token and gives it to the client; the turn is held.
func (s *Session) logIn(ctx context.Context) error {
	c := call{capability: "log in"}
	secret, err := s.how.Login(ctx, s.own)
	switch {
	case err != nil:
		return s.report(failed, loginFailed(ctx, c, err))
	case secret == nil || secret.Auth == nil || secret.Auth.ClientToken == "":
		return s.report(failed, c.failed(keys.ErrUnavailable, errNoToken))
	}
	ttl := time.Duration(secret.Auth.LeaseDuration) * time.Second
	s.lease = lease{hide(secret.Auth.ClientToken), secret.Auth.Renewable, ttl, ttl, time.Now()}
	s.client.SetToken(secret.Auth.ClientToken)
	return s.report(loggedIn, nil)
}

// renew asks for a longer life of the token; the turn is held.
func (s *Session) renew(ctx context.Context) error {
	c := call{capability: "update", path: "auth/token/renew-self"}
	secret, err := s.as(s.lease.token()).Auth().Token().RenewSelfWithContext(ctx, 0)
	switch {
	case err != nil:
		return s.report(failed, classify(ctx, c, err))
	case secret == nil || secret.Auth == nil:
		return s.report(failed, c.failed(keys.ErrUnavailable, errNotVault))
	}
	s.lease.renewable = secret.Auth.Renewable
	s.lease.ttl = time.Duration(secret.Auth.LeaseDuration) * time.Second
	s.lease.from = time.Now()
	return s.report(renewed, nil)
}

// lookUp asks whether a token lives.
func (s *Session) lookUp(ctx context.Context, token string) error {
	_, err := s.as(token).Auth().Token().LookupSelfWithContext(ctx)
	if err == nil {
		return nil
	}
	return classify(ctx, call{capability: "read", path: "auth/token/lookup-self"}, err)
}

// as is the session's client under a token.
func (s *Session) as(token string) *api.Client { return as(s.own, token) }

func as(client *api.Client, token string) *api.Client {
	return client.WithRequestCallbacks(func(r *api.Request) { r.ClientToken = token })
}

// loginFailed gives a failed login its kind. What is neither Vault's answer nor
// the network's fault is the method's own: no secret where one should be.
func loginFailed(ctx context.Context, c call, err error) error {
	var answer *api.ResponseError
	var sent *url.Error
	if ended(ctx, err) != nil || errors.As(err, &answer) || errors.As(err, &sent) {
		e := classify(ctx, c, err)
		if badRequest(e) { // a wrong role or secret ID
			e.Kind = keys.ErrDenied
		}
		return e
	}
	return c.failed(keys.ErrDenied, err)
}
