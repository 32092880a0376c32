package cli

import (
	"context"
	"net"
	"os"
	"strings"
	"time"

	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/cardseal/cardseal/backends/kek/open"
)

// envGoogleEndpoint names a server on loopback, without TLS or credentials, to
// ask in place of Google Cloud KMS: the vendor's client has no variable for that.
const envGoogleEndpoint = "CARDSEAL_GCP_KMS_ENDPOINT"

// openTime is how long a KMS may take to answer for a vault's key. What is called
// later is bounded by the key manager.
const openTime = 10 * time.Second

// openKEK opens a KEK for a vault.
func (a *app) openKEK(ctx context.Context, uri string) (open.KEK, error) {
	passphrase := a.passphrase(ctx, false) // may take longer
	ctx, cancel := context.WithTimeout(ctx, openTime)
	defer cancel()
	return a.dialKEK(ctx, uri, passphrase)
}

func (a *app) dialKEK(ctx context.Context, uri string, passphrase func() ([]byte, error)) (open.KEK, error) {
	o := &open.Options{Passphrase: passphrase}
	if strings.HasPrefix(uri, "gcp-kms:") {
		var err error
		if o.Google, err = a.googleOptions(); err != nil {
			return nil, err
		}
	}
	return open.URI(ctx, uri, o)
}

func (a *app) googleOptions() ([]option.ClientOption, error) {
	endpoint := os.Getenv(envGoogleEndpoint)
	if endpoint == "" {
		return nil, nil
	}
	host, _, err := net.SplitHostPort(endpoint)
	if ip := net.ParseIP(host); err != nil || ip == nil || !ip.IsLoopback() {
		return nil, usagef("%s must be an address on loopback, such as 127.0.0.1:9090: nothing there is encrypted", envGoogleEndpoint)
	}
	a.warn("development only: " + envGoogleEndpoint + " stands in for Google Cloud KMS")
	return []option.ClientOption{
		option.WithEndpoint(endpoint), option.WithoutAuthentication(),
		option.WithGRPCDialOption(grpc.WithTransportCredentials(insecure.NewCredentials())),
	}, nil
}
