package open

import (
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzURI takes the parsers over whatever may stand in a settings file. What they
// let through is canonical enough to be put together again.
func FuzzURI(f *testing.F) {
	for _, c := range badURIs {
		f.Add(c.uri)
	}
	for _, uri := range []string{
		"aws-kms://arn:aws:kms:eu-central-1:111122223333:alias/cards",
		"gcp-kms://projects/my-project/locations/global/keyRings/r/cryptoKeys/k",
		"hcvault://[::1]:8200/a/b/keys/k?auth=approle&role-id=r&secret-id-file=/f&namespace=n&auth-mount=m&cluster=c",
		"hcvault://v/t/keys/k?auth=kubernetes&role=r&jwt-file=/j",
		"local:///path",
	} {
		f.Add(uri)
	}
	f.Fuzz(func(t *testing.T, uri string) {
		scheme, rest, err := split(uri)
		if err == nil {
			switch scheme {
			case schemeAWS:
				var region string
				if region, err = parseARN(rest); err == nil {
					require.Contains(t, rest, ":kms:"+region+":")
				}
			case schemeGoogle:
				if err = checkName(rest); err == nil {
					require.Equal(t, 7, strings.Count(rest, "/"))
				}
			case schemeVault:
				var v vaultKey
				if v, err = parseVault(uri); err == nil {
					u, perr := url.Parse(uri)
					require.NoError(t, perr)
					require.Equal(t, u.Path, "/"+v.mount+"/keys/"+v.name)
					require.Nil(t, u.User)
					require.NotContains(t, v.host, "@")
				}
			}
		}
		if err != nil {
			require.IsType(t, &URIError{}, err)
		}
	})
}
