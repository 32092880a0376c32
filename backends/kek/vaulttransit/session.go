package vaulttransit

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/cardseal/cardseal/keys"
)

// Session keeps a client logged in. It is safe for concurrent use.
type Session struct {
	client *api.Client // the caller's, which is given the tokens
	own    *api.Client // asks for them, without retries of its own
	how    api.AuthMethod
	stop   context.CancelFunc
	done   chan struct{}
	sooner chan struct{} // the lease changed: the wait begins anew
	turn   chan struct{} // held by whoever talks to Vault about the token
	seen   func(event)   // for tests; nil
	lease  lease         // guarded by turn
	blind  bool          // a fresh token may not look itself up; guarded by turn

	mu  sync.Mutex
	err error
}

// event is what a session did.
type event string

const (
	loggedIn event = "logged in"
	renewed  event = "renewed"
	failed   event = "failed"
)

// Login logs the client in by an auth method and keeps its token alive until the
// session is closed: it renews the token after half its life, and logs in again
// where it cannot be renewed, where renewing no longer adds much to its life, and
// where it was revoked. The methods are [Token], those of
// github.com/hashicorp/vault/api/auth/approle and .../kubernetes, and any other;
// one that logs in a second time with a secret of one use fails then.
//
// The first login is made once, within ctx, and its failure is returned as a
// keys.CallError. ctx's values live on in the session, its end does not end it.
func Login(ctx context.Context, client *api.Client, how api.AuthMethod) (*Session, error) {
	return login(ctx, client, how, nil)
}

func login(ctx context.Context, client *api.Client, how api.AuthMethod, seen func(event)) (*Session, error) {
	if client == nil || how == nil {
		return nil, errors.New("vaulttransit: a login needs a client and an auth method")
	}
	own, err := quiet(client)
	if err != nil {
		return nil, err
	}
	s := &Session{
		client: client, own: own, how: how, seen: seen,
		done: make(chan struct{}), sooner: make(chan struct{}, 1), turn: make(chan struct{}, 1),
	}
	if err := s.logIn(ctx); err != nil {
		return nil, err
	}
	ctx, s.stop = context.WithCancel(context.WithoutCancel(ctx))
	go s.keep(ctx)
	return s, nil
}

// Close ends renewal and waits for it. The client keeps its token, which ends with
// its own lifetime: Close does not revoke it. It always returns nil.
func (s *Session) Close() error {
	if s == nil || s.stop == nil {
		return nil
	}
	s.stop()
	<-s.done
	return nil
}

// Err is why the last renewal or login failed, nil where it did not: for health
// checks. While it is not nil the session goes on trying.
func (s *Session) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// Format keeps the token from being printed, whatever the verb.
func (s *Session) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "vaulttransit.Session") }

// keep renews until ctx ends.
func (s *Session) keep(ctx context.Context) {
	defer close(s.done)
	for failures := 0; ctx.Err() == nil; {
		if s.take(ctx) != nil {
			return
		}
		wait, ends := s.lease.wait(failures)
		<-s.turn
		var due <-chan time.Time // nil: a token without end
		timer := time.NewTimer(wait)
		if ends || failures > 0 {
			due = timer.C
		}
		select {
		case <-ctx.Done():
		case <-s.sooner:
			failures = 0
		case <-due:
			if failures++; s.refresh(ctx) == nil {
				failures = 0
			}
		}
		timer.Stop()
	}
}

// refresh renews the token or logs in again.
func (s *Session) refresh(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, attempt)
	defer cancel()
	if err := s.take(ctx); err != nil {
		return err
	}
	defer func() { <-s.turn }()
	if s.lease.renewable && s.lease.left() > 0 {
		err := s.renew(ctx)
		switch {
		case err != nil && !errors.Is(err, keys.ErrDenied):
			return err // the token may live; the next try comes before its end
		case err == nil && !s.lease.spent():
			return nil
		}
	}
	return s.logIn(ctx)
}

// replaced reports whether a token that Vault refused is not, or no longer, the
// client's: it was dead, and the session has logged in again. A token that lives
// was refused by policy.
func (s *Session) replaced(ctx context.Context, token string) bool {
	ctx, cancel := context.WithTimeout(ctx, attempt)
	defer cancel()
	select {
	case <-s.done:
		return false
	default:
	}
	if s.take(ctx) != nil {
		return false
	}
	defer func() { <-s.turn }()
	if s.client.Token() != token {
		return true
	}
	if s.blind || !errors.Is(s.lookUp(ctx, token), keys.ErrDenied) || s.logIn(ctx) != nil {
		return false
	}
	s.blind = errors.Is(s.lookUp(ctx, s.lease.token()), keys.ErrDenied)
	select {
	case s.sooner <- struct{}{}:
	default:
	}
	return s.lease.token() != token
}

// take waits for the turn.
func (s *Session) take(ctx context.Context) error {
	select {
	case s.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// report keeps what happened.
func (s *Session) report(e event, err error) error {
	s.mu.Lock()
	s.err = err
	s.mu.Unlock()
	if s.seen != nil {
		s.seen(e)
	}
	return err
}
