package awskms

import (
	"bytes"
	"io"
	"net/http"
	"regexp"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/internal/kmstest"
)

var emulators = []string{kmstest.LocalStack, kmstest.Moto}

// emulator is a server that speaks KMS's protocol, of somebody else's making.
type emulator struct {
	name string
	url  string
}

// need returns an emulator that runs, or skips the test.
func need(t *testing.T, name string) emulator {
	return emulator{name, kmstest.Need(t, name).URL}
}

func (e emulator) config(region string) aws.Config {
	cfg := config(e.url, region)
	if e.name == kmstest.Moto {
		cfg.HTTPClient = &http.Client{Transport: motoAnswers{http.DefaultTransport.(*http.Transport).Clone()}}
	}
	return cfg
}

// admin is a client that makes and changes keys.
func (e emulator) admin(region string) *kms.Client { return kms.NewFromConfig(e.config(region)) }

// newKey makes a key and returns its ARN.
func (e emulator) newKey(t *testing.T, in *kms.CreateKeyInput) string {
	t.Helper()
	if in == nil {
		in = &kms.CreateKeyInput{}
	}
	if in.KeyUsage == "" {
		in.KeyUsage = types.KeyUsageTypeEncryptDecrypt // moto would leave it empty
	}
	out, err := e.admin(region).CreateKey(t.Context(), in)
	require.NoError(t, err)
	return *out.KeyMetadata.Arn
}

func (e emulator) open(t *testing.T, key string) *KEK {
	t.Helper()
	return open(t, e.config(region), key, nil)
}

// motoAnswers puts right two answers in which moto departs from KMS's
// documentation. Where a ciphertext is not of the key that was named moto denies
// access, KMS answers IncorrectKeyException; and denials by moto's IAM are XML.
type motoAnswers struct{ inner *http.Transport }

var xmlCode = regexp.MustCompile(`<Code>(\w+)</Code>`)

func (m motoAnswers) RoundTrip(r *http.Request) (*http.Response, error) {
	a, err := m.inner.RoundTrip(r)
	if err != nil || a.StatusCode != http.StatusBadRequest && a.StatusCode != http.StatusForbidden {
		return a, err
	}
	body, err := io.ReadAll(a.Body)
	_ = a.Body.Close()
	if err != nil {
		return nil, err
	}
	if code := xmlCode.FindSubmatch(body); code != nil {
		body = []byte(`{"__type":"` + string(code[1]) + `"}`)
	} else if string(body) == `{"__type":"AccessDeniedException"}` { // its others have a message
		body = []byte(`{"__type":"IncorrectKeyException"}`)
	}
	a.Header.Del("X-Amzn-ErrorType")
	a.ContentLength = int64(len(body))
	a.Body = io.NopCloser(bytes.NewReader(body))
	return a, nil
}
