package open

import (
	"context"
	"errors"
	"os"
	"strings"

	"github.com/hashicorp/vault/api"
	"github.com/hashicorp/vault/api/auth/approle"

	"github.com/cardseal/cardseal/backends/kek/vaulttransit"
	"github.com/cardseal/cardseal/keys"
)

func openVault(ctx context.Context, uri string, o *Options) (KEK, error) {
	v, err := parseVault(uri)
	if err != nil {
		return nil, err
	}
	client := o.Vault
	if client == nil {
		client, err = v.newClient()
	} else {
		err = v.fits(client)
	}
	if err != nil {
		return nil, err
	}
	options := &vaulttransit.Options{Cluster: v.cluster}
	var session *vaulttransit.Session
	if o.Vault == nil {
		if session, err = v.logIn(ctx, client); err != nil {
			return nil, err
		}
		if session != nil {
			options.Closer = session
		}
	}
	k, err := vaulttransit.New(ctx, client, v.mount, v.name, options)
	if err != nil {
		return nil, errors.Join(ofBackend(err), session.Close())
	}
	return k, nil
}

// newClient makes a client of the VAULT_* variables for the URI's host.
func (v *vaultKey) newClient() (*api.Client, error) {
	conf := api.DefaultConfig()
	if conf == nil || conf.Error != nil {
		return nil, configError("a VAULT_ variable cannot be used, see VAULT_CACERT and the like")
	}
	if t := conf.TLSConfig(); t == nil || t.InsecureSkipVerify {
		return nil, configError("VAULT_SKIP_VERIFY is set: whoever is in the way would be given data keys; use VAULT_CACERT")
	}
	conf.Address, conf.AgentAddress = "https://"+v.host, ""
	client, err := api.NewClient(conf)
	if err != nil {
		// The client's error may repeat a variable, of which VAULT_HEADERS has secrets.
		return nil, configError("a VAULT_ variable cannot be used")
	}
	if v.namespace != "" {
		client.SetNamespace(v.namespace)
	}
	return client, nil
}

// fits holds the URI against a client of the caller's.
func (v *vaultKey) fits(client *api.Client) error {
	_, host, _ := strings.Cut(client.Address(), "://")
	switch {
	case !strings.EqualFold(strings.TrimSuffix(host, "/"), v.host):
		return &URIError{"host", "must be that of Options.Vault"}
	case v.auth != "":
		return &URIError{"auth", "must be left out with Options.Vault, which is logged in already"}
	case v.namespace != "" && v.namespace != strings.Trim(client.Namespace(), "/"):
		return &URIError{"namespace", "must be that of Options.Vault"}
	}
	return nil
}

// logIn logs the client in. The session is nil for a token that may not look
// itself up and so cannot be renewed: it is used as it is.
func (v *vaultKey) logIn(ctx context.Context, client *api.Client) (*vaulttransit.Session, error) {
	how, err := v.method()
	if err != nil {
		return nil, err
	}
	session, err := vaulttransit.Login(ctx, client, how)
	if (v.auth == "" || v.auth == authToken) && errors.Is(err, keys.ErrDenied) {
		return nil, nil // the first call tells whether it is good for anything
	}
	return session, err
}

// method is the way to log in that the URI names. Files are read at each login.
func (v *vaultKey) method() (api.AuthMethod, error) {
	switch v.auth {
	case authAppRole:
		var mount []approle.LoginOption
		if v.authMount != "" {
			mount = append(mount, approle.WithMountPath(v.authMount))
		}
		return approle.NewAppRoleAuth(v.roleID, &approle.SecretID{FromFile: v.secretIDFile}, mount...)
	case authKubernetes:
		return vaulttransit.Kubernetes(v.role, v.authMount, v.jwt), nil
	}
	token := os.Getenv(api.EnvVaultToken)
	if token == "" {
		return nil, configError("VAULT_TOKEN is not set; a service logs in with auth=approle or auth=kubernetes")
	}
	return vaulttransit.Token(token), nil
}
