package vaulttransit

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/hashicorp/vault/api"
)

// Token is the auth method of a token that was made elsewhere, with
// "vault token create" for instance. [Login] looks the token up and renews it
// where it can be; at its last end no second login is possible, so take a periodic
// token for a process that stays.
func Token(token string) api.AuthMethod { return &tokenMethod{hide(token)} }

type tokenMethod struct{ token hidden }

// hidden is a token that no verb of fmt prints: in a field that is not exported
// fmt calls no methods, but of a function it shows the address alone.
type hidden func() string

func hide(token string) hidden { return func() string { return token } }

// Login implements api.AuthMethod.
func (t *tokenMethod) Login(ctx context.Context, client *api.Client) (*api.Secret, error) {
	secret, err := as(client, t.token()).Auth().Token().LookupSelfWithContext(ctx)
	if err != nil {
		return nil, err
	}
	if secret == nil {
		return nil, errNotVault
	}
	ttl, _ := secret.TokenTTL()
	if ttl < time.Second && secret.Data["expire_time"] != nil {
		ttl = time.Second // its last; 0 means without end
	}
	renewable, _ := secret.TokenIsRenewable()
	return &api.Secret{Auth: &api.SecretAuth{
		ClientToken: t.token(), Renewable: renewable, LeaseDuration: int(ttl / time.Second),
	}}, nil
}

// Format keeps the token from being printed, whatever the verb.
func (t *tokenMethod) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, "token") }
