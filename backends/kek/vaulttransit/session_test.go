package vaulttransit

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"
	"github.com/hashicorp/vault/api/auth/approle"
	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/keys"
)

// appRole makes a role that may use a key, and returns how to log in as it.
func (v *bao) appRole(name string, settings map[string]any) api.AuthMethod {
	v.t.Helper()
	mount := v.enableAuth("approle")
	settings["token_policies"] = v.policy(v.allow(name))
	role := "auth/" + mount + "/role/vault"
	v.write(role, settings)
	id, err := v.client.Logical().ReadWithContext(v.t.Context(), role+"/role-id")
	require.NoError(v.t, err)
	secret := v.write(role+"/secret-id", nil).Data["secret_id"].(string)
	file := filepath.Join(v.t.(*testing.T).TempDir(), "secret-id")
	require.NoError(v.t, os.WriteFile(file, []byte(secret), 0o600))
	how, err := approle.NewAppRoleAuth(id.Data["role_id"].(string), &approle.SecretID{FromFile: file}, approle.WithMountPath(mount))
	require.NoError(v.t, err)
	return how
}

// events are what a session did, to be waited for.
type events chan event

func (e events) see(what event) {
	select {
	case e <- what:
	default: // nobody waits any more
	}
}

// next waits for one kind of event; others pass by.
func (e events) next(t *testing.T, want event) {
	t.Helper()
	deadline := time.NewTimer(30 * time.Second)
	defer deadline.Stop()
	for {
		select {
		case got := <-e:
			if got == want {
				return
			}
		case <-deadline.C:
			require.FailNow(t, "the session never "+string(want))
		}
	}
}

func start(t *testing.T, client *api.Client, how api.AuthMethod) (*Session, events) {
	t.Helper()
	s, e, err := tryStart(t, client, how)
	require.NoError(t, err)
	return s, e
}

func tryStart(t *testing.T, client *api.Client, how api.AuthMethod) (*Session, events, error) {
	t.Helper()
	e := make(events, 100)
	s, err := login(t.Context(), client, how, e.see)
	if err != nil {
		return nil, nil, err
	}
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	e.next(t, loggedIn)
	return s, e, nil
}

// nextUnfailed waits for one kind of event; where something fails before, that is an
// error.
func (e events) nextUnfailed(t *testing.T, s *Session, want event) error {
	t.Helper()
	for {
		select {
		case got := <-e:
			switch got {
			case want:
				return nil
			case failed:
				return fmt.Errorf("failed before it %s: %w", want, s.Err())
			}
		case <-t.Context().Done():
			return t.Context().Err()
		}
	}
}

// shortLived runs a test with tokens of one second, which may end before a busy machine
// gives the session its turn. Then it is run again with a longer life of theirs.
func shortLived(t *testing.T, test func(ttl time.Duration) error) {
	t.Helper()
	var err error
	for ttl := time.Second; ttl <= 16*time.Second; ttl *= 2 {
		if err = test(ttl); err == nil {
			return
		}
	}
	require.NoError(t, err)
}

// TestAppRole: a token of one second serves for many, past its last end too.
func TestAppRole(t *testing.T) {
	v := newBao(t)
	name := v.newKey(nil)
	shortLived(t, func(ttl time.Duration) error {
		client, begin := v.as(""), time.Now()
		s, e, err := tryStart(t, client, v.appRole(name, map[string]any{"token_ttl": ttl.String(), "token_max_ttl": (3 * ttl).String()}))
		if err != nil {
			return err
		}
		first := client.Token()
		k, err := New(t.Context(), client, v.mount, name, &Options{Closer: s})
		if err != nil {
			return err
		}
		b, key := binding(), dataKey()
		wrapped, err := k.Wrap(t.Context(), nil, key, b)
		if err != nil {
			return err
		}
		for _, want := range []event{renewed, renewed, loggedIn, renewed, renewed} {
			if want == loggedIn { // renewals may fail at the last end
				e.next(t, want)
			} else if err := e.nextUnfailed(t, s, want); err != nil {
				return err
			}
			got, err := k.Unwrap(t.Context(), nil, wrapped, b)
			if err := errors.Join(err, s.Err()); err != nil {
				return err
			}
			require.Equal(t, key, got)
		}
		require.Greater(t, time.Since(begin), 2*ttl)
		require.NotEqual(t, first, client.Token())
		require.NoError(t, k.Close(), "closes the session")
		requireDone(t, s)
		return nil
	})
}

func requireDone(t *testing.T, s *Session) {
	t.Helper()
	select {
	case <-s.done:
	default:
		require.FailNow(t, "the session's goroutine runs on")
	}
}

// TestRevoked: a session whose token is revoked logs in again: when a KEK is
// refused, and when the renewal is.
func TestRevoked(t *testing.T) {
	v := newBao(t)
	name := v.newKey(nil)
	b, key := binding(), dataKey()
	wrapped, err := v.open(name).Wrap(t.Context(), nil, key, b)
	require.NoError(t, err)
	revoke := func(c *api.Client) error {
		return v.client.Auth().Token().RevokeTreeWithContext(t.Context(), c.Token())
	}

	client := v.as("")
	s, e := start(t, client, v.appRole(name, map[string]any{"token_ttl": "1h"}))
	k := v.openWith(client, name, &Options{Closer: s})
	require.NoError(t, revoke(client))
	_, err = k.Unwrap(t.Context(), nil, wrapped, b)
	isKind(t, keys.ErrUnavailable, err, "update "+v.path("decrypt", name)) // the manager tries again
	e.next(t, loggedIn)
	_, err = k.Unwrap(t.Context(), nil, wrapped, b)
	require.NoError(t, err)

	shortLived(t, func(ttl time.Duration) error {
		short := v.as("")
		s, e, err := tryStart(t, short, v.appRole(name, map[string]any{"token_ttl": ttl.String()}))
		if err == nil {
			err = e.nextUnfailed(t, s, renewed)
		}
		if err == nil {
			err = revoke(short)
		}
		if err != nil {
			return err
		}
		e.next(t, failed)
		e.next(t, loggedIn)
		k, err := New(t.Context(), short, v.mount, name, nil)
		if err != nil {
			return err
		}
		_, err = k.Unwrap(t.Context(), nil, wrapped, b)
		return err
	})
}

// TestRefusedByPolicy: a refusal of a token that lives stays one, and costs no
// login.
func TestRefusedByPolicy(t *testing.T) {
	v := newBao(t)
	name, other := v.newKey(nil), v.newKey(nil)
	for _, settings := range []map[string]any{
		{"token_ttl": "1h"},
		{"token_ttl": "1h", "token_no_default_policy": true}, // may not look itself up
	} {
		client := v.as("")
		s, _ := start(t, client, v.appRole(name, settings))
		var last string
		for try := range 3 {
			_, err := New(t.Context(), client, v.mount, other, &Options{Closer: s})
			if settings["token_no_default_policy"] != nil && try == 0 {
				require.ErrorIs(t, err, keys.ErrUnavailable, "once, to be sure")
			} else {
				require.ErrorIs(t, err, keys.ErrDenied)
				require.True(t, last == "" || last == client.Token(), "a new token for a refusal by policy")
			}
			last = client.Token()
		}
	}
}

// TestBadCiphertextAsksNoSession: only a refusal can come of a dead token.
func TestBadCiphertextAsksNoSession(t *testing.T) {
	v := newBao(t)
	name := v.newKey(nil)
	client := v.as("")
	s, _ := start(t, client, v.appRole(name, map[string]any{"token_ttl": "1h"}))
	k := v.openWith(client, name, &Options{Closer: s})
	b := binding()
	wrapped, err := k.Wrap(t.Context(), nil, dataKey(), b)
	require.NoError(t, err)
	asked := 0
	require.NoError(t, s.take(t.Context()))
	s.own = hooked(t, client, func(*http.Request) { asked++ })
	<-s.turn
	b.Scope = "other"
	_, err = k.Unwrap(t.Context(), nil, wrapped, b)
	require.ErrorIs(t, err, keys.ErrCorrupt)
	require.Zero(t, asked)
}

// TestManyAreRefused: callers that meet one dead token share one login.
func TestManyAreRefused(t *testing.T) {
	v := newBao(t)
	name := v.newKey(nil)
	client := v.as("")
	s, e := start(t, client, v.appRole(name, map[string]any{"token_ttl": "1h"}))
	token := client.Token()
	require.NoError(t, v.client.Auth().Token().RevokeTreeWithContext(t.Context(), token))
	answers := make(chan bool)
	for range 8 {
		go func() { answers <- s.replaced(t.Context(), token) }()
	}
	for range 8 {
		require.True(t, <-answers)
	}
	e.next(t, loggedIn)
	require.Empty(t, e)
	require.NoError(t, s.Close())
	require.False(t, s.replaced(t.Context(), client.Token()), "closed")
}
