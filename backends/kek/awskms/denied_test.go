package awskms

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/internal/kmstest"
	"github.com/cardseal/cardseal/keys"
)

// uses are the permissions that each call needs, the one that it asks for first
// before the others.
var uses = map[string][]string{
	encrypt: {encrypt, decrypt}, generateDataKey: {generateDataKey, decrypt}, decrypt: {decrypt}, reEncrypt: {reEncrypt},
	describeKey: {generateDataKey, decrypt}, // Check goes on without kms:DescribeKey
}

// TestPermissions takes one permission after the other from a user of moto's IAM
// and sees the error name it: what the package's documentation says is needed is
// needed, and enough.
func TestPermissions(t *testing.T) {
	m := newMotoIAM(t)
	arn := m.newKey(t, nil)
	all := []string{describeKey, generateDataKey, encrypt, decrypt, reEncrypt}
	stored, err := m.open(t, arn).Wrap(t.Context(), nil, make([]byte, 32), binding())
	require.NoError(t, err)
	user := m.user(t)
	for _, missing := range append(all, "nothing") {
		var allowed []string
		for _, p := range all {
			if p != missing {
				allowed = append(allowed, p)
			}
		}
		m.allow(t, allowed)
		k := open(t, user, arn, nil)
		for call, try := range calls {
			got, err := try(t.Context(), k, stored)
			denied := false
			for _, needed := range uses[call] {
				denied = denied || needed == missing
			}
			if !denied {
				require.NoError(t, err, "%s without %s", call, missing)
				continue
			}
			failsWith(t, got, err, missing, keys.ErrDenied)
		}
		if missing == describeKey {
			_, err := New(t.Context(), user, k.key.key, nil)
			failsWith(t, nil, err, describeKey, keys.ErrDenied)
		}
		m.enforce(t, false)
	}
	m.enforce(t, true)
	for name, c := range map[string]aws.Credentials{
		"an unknown user": {AccessKeyID: "AKIAUNKNOWN", SecretAccessKey: "a secret access key for tests"},
		"a wrong secret":  {AccessKeyID: m.accessKey, SecretAccessKey: "a secret access key for tests"},
	} {
		cfg := user
		cfg.Credentials = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) { return c, nil })
		_, err := New(t.Context(), cfg, arn, nil)
		require.ErrorIs(t, err, keys.ErrDenied, name)
	}
	m.enforce(t, false)
}

// motoIAM is a moto server of one test's own whose permissions can be switched on.
type motoIAM struct {
	emulator
	accessKey string
}

func newMotoIAM(t *testing.T) *motoIAM {
	return &motoIAM{emulator: emulator{kmstest.Moto, kmstest.StartOwn(t, kmstest.Moto).URL}}
}

// user makes a user and returns his configuration.
func (m *motoIAM) user(t *testing.T) aws.Config {
	m.iam(t, "CreateUser", nil)
	answer := m.iam(t, "CreateAccessKey", nil)
	field := func(name string) string {
		found := regexp.MustCompile("<" + name + ">(.*)</" + name + ">").FindStringSubmatch(answer)
		require.NotNil(t, found, name)
		return found[1]
	}
	m.accessKey = field("AccessKeyId")
	c := aws.Credentials{AccessKeyID: m.accessKey, SecretAccessKey: field("SecretAccessKey")}
	cfg := m.config(region)
	cfg.Credentials = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) { return c, nil })
	return cfg
}

// allow gives the user these permissions and no others, and has them enforced.
func (m *motoIAM) allow(t *testing.T, permissions []string) {
	// moto knows one permission where KMS has ReEncryptFrom and ReEncryptTo.
	actions := strings.Split(strings.ReplaceAll(strings.Join(permissions, ","), reEncrypt, "kms:ReEncrypt*"), ",")
	policy, err := json.Marshal(map[string]any{"Version": "2012-10-17", "Statement": []any{
		map[string]any{"Effect": "Allow", "Action": actions, "Resource": "*"},
	}})
	require.NoError(t, err)
	m.iam(t, "PutUserPolicy", url.Values{"PolicyName": {"card-vault"}, "PolicyDocument": {string(policy)}})
	m.enforce(t, true)
}

func (m *motoIAM) iam(t *testing.T, action string, more url.Values) string {
	form := url.Values{"Action": {action}, "Version": {"2010-05-08"}, "UserName": {"vault"}}
	for name, values := range more {
		form[name] = values
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, m.url, strings.NewReader(form.Encode()))
	require.NoError(t, err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	// Not signed, but moto finds the service here.
	r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=AKID/20260101/us-east-1/iam/aws4_request, SignedHeaders=host, Signature=none")
	return send(t, r)
}

// enforce has moto look at signatures and permissions, or not.
func (m *motoIAM) enforce(t *testing.T, on bool) {
	after := "inf" // calls that nobody looks at
	if on {
		after = "0"
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, m.url+"/moto-api/reset-auth", strings.NewReader(after))
	require.NoError(t, err)
	send(t, r)
}

func send(t *testing.T, r *http.Request) string {
	a, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	defer a.Body.Close()
	body, err := io.ReadAll(a.Body)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, a.StatusCode, string(body))
	return string(body)
}
