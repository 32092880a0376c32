package open

import (
	"context"
	"io"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/hashicorp/vault/api"
	"google.golang.org/api/option"

	"github.com/cardseal/cardseal/backends/kek/awskms"
	"github.com/cardseal/cardseal/backends/kek/gcpkms"
	"github.com/cardseal/cardseal/backends/kek/local"
	"github.com/cardseal/cardseal/backends/kek/vaulttransit"
	"github.com/cardseal/cardseal/keys"
)

// KEK is an opened key-encryption key. It is the backend's own type, so it keeps
// the optional interfaces of package keys that its KMS can serve. Close it after
// the last manager that uses it: that ends its logins.
type KEK interface {
	keys.KEK
	io.Closer
}

var (
	_ KEK = (*awskms.KEK)(nil)
	_ KEK = (*gcpkms.KEK)(nil)
	_ KEK = (*vaulttransit.KEK)(nil)
	_ KEK = (*local.KEK)(nil)
)

// Options is what a caller brings in place of a vendor's default configuration.
// The zero value brings nothing.
type Options struct {
	// Passphrase is asked once for a local:// key that needs one, and what it
	// returned is overwritten. nil refuses such keys.
	Passphrase func() ([]byte, error)
	// AWS stands in for the default configuration. Its region gives way to the
	// ARN's.
	AWS *aws.Config
	// GrantTokens are sent with every call to AWS KMS.
	GrantTokens []string
	// Google follows the options that gcpkms.ClientOptions gives every client.
	Google []option.ClientOption
	// Vault stands in for a client from the environment. It is logged in already,
	// at the URI's host and in the URI's namespace, and stays the caller's to
	// close; a URI that says how to log in is refused.
	Vault *api.Client
}

// Schemes of the URIs.
const (
	schemeAWS    = "aws-kms"
	schemeGoogle = "gcp-kms"
	schemeVault  = "hcvault"
	schemeLocal  = "local"
)

// URI opens the key at a URI. A URI that is not of one of the forms in the package
// documentation is a [*URIError], before anything is read or called. What the
// environment lacks is [ErrConfig]. Otherwise errors are those of the backend: AWS
// and Vault are asked for the key, within ctx; Google and local make no call to a
// KMS. ctx may end once URI has returned.
func URI(ctx context.Context, uri string, o *Options) (KEK, error) {
	if o == nil {
		o = &Options{}
	}
	scheme, rest, err := split(uri)
	if err != nil {
		return nil, err
	}
	switch scheme {
	case schemeAWS:
		return openAWS(ctx, rest, o)
	case schemeGoogle:
		return openGoogle(ctx, rest, o)
	case schemeVault:
		return openVault(ctx, uri, o)
	case schemeLocal:
		return openLocal(uri, o)
	}
	return nil, &URIError{"scheme", "must be aws-kms, gcp-kms, hcvault or local"}
}

// maxURI bounds a URI in bytes.
const maxURI = 2048

// split takes a URI's scheme off.
func split(uri string) (scheme, rest string, err error) {
	if len(uri) > maxURI {
		return "", "", &URIError{"URI", "is longer than 2048 bytes"}
	}
	scheme, rest, ok := strings.Cut(uri, "://")
	if !ok {
		return "", "", &URIError{"URI", "must have the form SCHEME://…, with aws-kms, gcp-kms, hcvault or local as its scheme"}
	}
	for i := range len(rest) {
		if scheme != schemeLocal && (rest[i] <= ' ' || rest[i] > '~') {
			return "", "", &URIError{"URI", "must be printable ASCII without spaces"}
		}
	}
	return scheme, rest, nil
}

func openLocal(uri string, o *Options) (KEK, error) {
	k, err := local.Open(uri, o.Passphrase)
	if err != nil {
		return nil, ofBackend(err)
	}
	return k, nil
}
