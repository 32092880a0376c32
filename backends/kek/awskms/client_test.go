package awskms

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/smithy-go/logging"
	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/keys"
)

// However the configuration would have it: one call, one request.
func TestTriesOnce(t *testing.T) {
	f := newFake(t)
	arn := f.key(region, keyID)
	for name, change := range map[string]func(*aws.Config){
		"defaults": func(*aws.Config) {},
		"attempts": func(c *aws.Config) { c.RetryMaxAttempts = 5 },
		"adaptive": func(c *aws.Config) { c.RetryMode = aws.RetryModeAdaptive; c.RetryMaxAttempts = 4 },
		"retryer": func(c *aws.Config) {
			c.Retryer = func() aws.Retryer {
				return retry.NewStandard(func(o *retry.StandardOptions) { o.MaxAttempts = 7 })
			}
			c.RetryMaxAttempts = 6
		},
	} {
		cfg := f.config()
		change(&cfg)
		k := open(t, cfg, arn, nil)
		stored, err := k.Wrap(t.Context(), nil, make([]byte, 32), binding())
		require.NoError(t, err)
		for _, status := range []int{400, 429, 500, 503} {
			f.set(func(w http.ResponseWriter, _ string) bool { refuse(w, "ThrottlingException", status); return true }, nil)
			f.made()
			for call, try := range calls {
				_, err := try(t.Context(), k, stored)
				require.ErrorIs(t, err, keys.ErrThrottled, "%s %s", name, call)
				require.Len(t, f.made(), 1, "%s %s", name, call)
			}
			_, err := New(t.Context(), cfg, arn, nil)
			require.ErrorIs(t, err, keys.ErrThrottled)
			require.Len(t, f.made(), 1)
		}
		f.set(nil, nil)
	}
}

// net/http looks once more behind a request's body that it has sent, perhaps only
// when the vendor's client has closed it already. That it finds its end must not
// look like a failure.
func TestBodyThatIsLookedBehind(t *testing.T) {
	f := newFake(t)
	arn := f.key(region, keyID)
	cfg := f.config()
	sent := &keepingBodies{}
	cfg.HTTPClient = sent
	k := open(t, cfg, arn, nil)
	_, err := k.Wrap(t.Context(), nil, make([]byte, 32), binding())
	require.NoError(t, err)
	require.NotEmpty(t, sent.bodies)
	for _, body := range sent.bodies {
		n, err := io.Copy(io.Discard, body)
		require.NoError(t, err)
		require.Zero(t, n)
	}
}

// keepingBodies keeps the bodies of what it sends.
type keepingBodies struct{ bodies []io.Reader }

func (c *keepingBodies) Do(r *http.Request) (*http.Response, error) {
	c.bodies = append(c.bodies, r.Body)
	return http.DefaultClient.Do(r)
}

// The client learns the right time from the answer that refused its signature,
// so that the manager's next try succeeds.
func TestWrongClock(t *testing.T) {
	f := newFake(t)
	k, stored := wrappedKey(t, f)
	f.set(func(w http.ResponseWriter, _ string) bool {
		w.Header().Set("Date", "Tue, 01 Jan 2041 00:00:00 GMT")
		refuse(w, "InvalidSignatureException", http.StatusBadRequest)
		return true
	}, nil)
	got, err := k.Unwrap(t.Context(), nil, stored, binding())
	failsWith(t, got, err, decrypt, keys.ErrUnavailable)
	got, err = k.Unwrap(t.Context(), nil, stored, binding())
	failsWith(t, got, err, decrypt, keys.ErrDenied) // the time was not it
}

// A client told to log bodies would log data keys.
func TestLogsNoBodies(t *testing.T) {
	f := newFake(t)
	log := &testLog{}
	cfg := f.config()
	cfg.Logger = log
	cfg.ClientLogMode = aws.LogRequestWithBody | aws.LogResponseWithBody | aws.LogRequest | aws.LogResponse | aws.LogRetries
	k := open(t, cfg, f.key(region, keyID), nil)
	dataKey := bytes.Repeat([]byte("k3y!"), 8)
	stored, err := k.Wrap(t.Context(), nil, dataKey, binding())
	require.NoError(t, err)
	_, err = k.Unwrap(t.Context(), nil, stored, binding())
	require.NoError(t, err)
	require.Contains(t, log.text.String(), "TrentService.Encrypt", "it logs at all")
	require.NotContains(t, log.text.String(), base64.StdEncoding.EncodeToString(dataKey)[:40])
	require.NotContains(t, log.text.String(), "CiphertextBlob")
}

type testLog struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *testLog) Logf(_ logging.Classification, format string, v ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	fmt.Fprintf(&l.text, format, v...)
}

func TestGrantTokens(t *testing.T) {
	f := newFake(t)
	tokens := []string{"one", "two"}
	k := open(t, f.config(), f.key(region, keyID), &Options{GrantTokens: tokens})
	tokens[0] = "changed" // ours is a copy
	stored, err := k.Wrap(t.Context(), nil, make([]byte, 32), binding())
	require.NoError(t, err)
	for _, try := range calls {
		_, err := try(t.Context(), k, stored)
		require.NoError(t, err)
	}
	require.NotEmpty(t, f.grants)
	for _, got := range f.grants {
		require.Equal(t, []string{"one", "two"}, got)
	}
}

func TestCredentialsFail(t *testing.T) {
	f := newFake(t)
	arn := f.key(region, keyID)
	for name, c := range map[string]struct {
		provider aws.CredentialsProvider
		kind     error
	}{
		"none":      {nil, keys.ErrDenied},
		"anonymous": {aws.AnonymousCredentials{}, keys.ErrDenied},
		"empty":     {failing(errors.New("no credentials were found")), keys.ErrDenied},
		"network":   {failing(fmt.Errorf("metadata: %w", context.DeadlineExceeded)), keys.ErrUnavailable},
	} {
		cfg := f.config()
		cfg.Credentials = c.provider
		_, err := New(t.Context(), cfg, arn, nil)
		failsWith(t, nil, err, describeKey, c.kind)
		require.NotErrorIs(t, err, context.DeadlineExceeded, name)
	}
}

func failing(err error) aws.CredentialsProvider {
	return aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) { return aws.Credentials{}, err })
}

// A KEK shows its ID, whoever prints it and how.
func TestPrints(t *testing.T) {
	f := newFake(t)
	k := open(t, f.config(), f.key(region, keyID), &Options{GrantTokens: []string{"grant-token"}})
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%T%v"} {
		text := fmt.Sprintf(verb, k)
		if verb != "%T%v" {
			require.Equal(t, fullARN, text, verb)
		}
		// Within a caller's struct, where fmt calls no methods.
		text += fmt.Sprintf(verb, struct{ kek *KEK }{k}) + fmt.Sprintf(verb, []*KEK{k})
		for _, secret := range []string{"AKIDEXAMPLE", "a secret access key", "grant-token"} {
			require.NotContains(t, text, secret, verb)
		}
	}
}
