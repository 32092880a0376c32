package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/cardseal/cardseal/internal/kmstest"
)

// localstack is LocalStack, of all its services only KMS. It keeps nothing when
// it stops; a key made with the tags _custom_id_ and _custom_key_material_ can
// be made again.
type localstack struct{}

func (localstack) build(c *cache) error { return c.installPython(kmstest.LocalStack) }

func (localstack) command(c *cache, dir, addr string) (command, error) {
	return command{
		path: c.python(kmstest.LocalStack),
		args: []string{"-m", "localstack.runtime.main"},
		env: []string{
			"GATEWAY_LISTEN=" + addr,
			"GATEWAY_SERVER=hypercorn", // the default one listens everywhere
			"SERVICES=kms",
			"STRICT_SERVICE_LOADING=1",
			"EAGER_SERVICE_LOADING=1",
			"FILESYSTEM_ROOT=" + dir,
			// Nothing is to be asked for on the internet.
			"DISABLE_EVENTS=1",
			"SKIP_SSL_CERT_DOWNLOAD=1",
			"DNS_ADDRESS=0",
		},
	}, nil
}

func (localstack) ready(ctx context.Context, _, addr string) (kmstest.Server, error) {
	return awsReady(ctx, addr)
}

// moto is moto's server. It keeps nothing when it stops. It alone checks IAM
// policies, once a test asks for it.
type moto struct{}

func (moto) build(c *cache) error { return c.installPython(kmstest.Moto) }

func (moto) command(c *cache, dir, addr string) (command, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return command{}, err
	}
	return command{
		path: c.python(kmstest.Moto),
		args: []string{"-m", "moto.server", "-H", host, "-p", port},
	}, nil
}

func (moto) ready(ctx context.Context, _, addr string) (kmstest.Server, error) {
	return awsReady(ctx, addr)
}

// awsReady lists the keys. The servers look at no signature.
func awsReady(ctx context.Context, addr string) (kmstest.Server, error) {
	s := kmstest.Server{URL: "http://" + addr}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.URL+"/", strings.NewReader("{}"))
	if err != nil {
		return s, err
	}
	req.Header.Set("Content-Type", "application/x-amz-json-1.1")
	req.Header.Set("X-Amz-Target", "TrentService.ListKeys")
	req.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=test/20200101/us-east-1/kms/aws4_request, SignedHeaders=host, Signature=0")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return s, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, 4096))
	if err == nil && (res.StatusCode != http.StatusOK || !strings.Contains(string(body), `"Keys"`)) {
		err = fmt.Errorf("%s: %s", res.Status, body)
	}
	return s, err
}

func writeFile(path string, content []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	return os.WriteFile(path, content, 0o600)
}
