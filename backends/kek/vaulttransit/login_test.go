package vaulttransit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"
	"github.com/hashicorp/vault/api/auth/approle"
	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/keys"
)

// TestTokens: the tokens an operator makes.
func TestTokens(t *testing.T) {
	v := newBao(t)
	make := func(r api.TokenCreateRequest) string {
		s, err := v.client.Auth().Token().CreateWithContext(t.Context(), &r)
		require.NoError(t, err)
		return s.Auth.ClientToken
	}
	yes, no := true, false

	client := v.as("")
	s, _ := start(t, client, Token(v.client.Token())) // without end: nothing is due
	require.Equal(t, v.client.Token(), client.Token())
	_, ends := s.lease.wait(0)
	require.False(t, ends)

	shortLived(t, func(ttl time.Duration) error {
		client := v.as("")
		s, e, err := tryStart(t, client, Token(make(api.TokenCreateRequest{Period: ttl.String(), Renewable: &yes})))
		for range 4 {
			if err == nil {
				err = e.nextUnfailed(t, s, renewed)
			}
		}
		if err == nil {
			_, err = client.Auth().Token().LookupSelfWithContext(t.Context())
		}
		return err
	})
	shortLived(t, func(ttl time.Duration) error {
		s, e, err := tryStart(t, v.as(""), Token(make(api.TokenCreateRequest{TTL: ttl.String(), Renewable: &no})))
		if err != nil {
			return err
		}
		e.next(t, failed) // no second login is possible
		require.ErrorIs(t, s.Err(), keys.ErrDenied)
		return nil
	})

	_, err := Login(t.Context(), v.as(""), Token("s.nonsense"))
	require.ErrorIs(t, err, keys.ErrDenied)
	require.NotContains(t, fmt.Sprintf("%v %+v %#v", err, err, err), "nonsense")
}

func TestLoginFails(t *testing.T) {
	v := newBao(t)
	_, err := Login(t.Context(), nil, Token("x"))
	require.Error(t, err)
	_, err = Login(t.Context(), v.as(""), nil)
	require.Error(t, err)

	wrong, err := approle.NewAppRoleAuth("role", &approle.SecretID{FromString: "secret-id-in-clear"})
	require.NoError(t, err)
	client := v.as("")
	_, err = Login(t.Context(), client, wrong)
	require.Error(t, err)
	require.NotContains(t, err.Error(), "secret-id-in-clear")
	require.Empty(t, client.Token())

	missing, err := approle.NewAppRoleAuth("role", &approle.SecretID{FromFile: filepath.Join(t.TempDir(), "none")})
	require.NoError(t, err)
	_, err = Login(t.Context(), v.as(""), missing)
	require.ErrorIs(t, err, keys.ErrDenied)
	require.ErrorIs(t, err, os.ErrNotExist)

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = Login(ctx, v.as(""), Token(v.client.Token()))
	require.ErrorIs(t, err, context.Canceled)
	_, err = Login(t.Context(), newClient(t, "http://127.0.0.1:1", ""), Token("x"))
	require.ErrorIs(t, err, keys.ErrUnavailable)

	for _, secret := range []*api.Secret{nil, {}, {Auth: &api.SecretAuth{}}} {
		_, err = Login(t.Context(), v.as(""), method(func(context.Context) (*api.Secret, error) { return secret, nil }))
		require.ErrorIs(t, err, keys.ErrUnavailable)
	}
	var none *Session
	require.NoError(t, none.Close())
	require.NoError(t, errors.Join((&Session{}).Close(), (&Session{}).Err()))
}

// method is an auth method of a test's own.
type method func(ctx context.Context) (*api.Secret, error)

func (m method) Login(ctx context.Context, _ *api.Client) (*api.Secret, error) { return m(ctx) }

// TestNoTokenPrints: an auth method or a session may end in somebody's log.
func TestNoTokenPrints(t *testing.T) {
	how := Token("hvs.secret")
	s := &Session{how: how, lease: lease{token: hide("hvs.secret")}}
	for _, value := range []any{
		how, s, struct{ M api.AuthMethod }{how}, struct{ m api.AuthMethod }{how}, struct{ s *Session }{s}, Options{Closer: s},
	} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			require.NotContains(t, fmt.Sprintf(verb, value), "secret", verb)
			require.NotContains(t, fmt.Sprintf(verb, value), fmt.Sprintf("%x", "hvs.secret"), verb)
		}
		text, err := json.Marshal(value)
		require.NoError(t, err)
		require.NotContains(t, string(text), "secret")
	}
}

// TestTokensLastSecond: Vault says 0 both of a token without end and of one that
// ends within the second.
func TestTokensLastSecond(t *testing.T) {
	for expires, want := range map[string]int{`null`: 0, `"2026-01-01T00:00:00Z"`: 1} {
		o := &office{renewal: func() (int, string) { return 200, `{"data":{"ttl":0,"renewable":true,"expire_time":` + expires + `}}` }}
		secret, err := Token("x").Login(t.Context(), o.client(t))
		require.NoError(t, err)
		require.Equal(t, want, secret.Auth.LeaseDuration)
	}
}
