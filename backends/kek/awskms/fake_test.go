package awskms

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/stretchr/testify/require"
)

const (
	region  = "eu-central-1"
	account = "111122223333"
	keyID   = "1234abcd-12ab-34cd-56ef-1234567890ab"
	mrkID   = "mrk-1234abcd12ab34cd56ef1234567890ab"
)

// fakeKMS is KMS as its documentation has it, as far as this package calls it:
// for answers that no emulator can be made to give. It runs beside the
// emulators, not in their place.
type fakeKMS struct {
	*httptest.Server
	aead    cipher.AEAD // of all keys: who wrapped is told by the blob
	unbound bool        // ignores the encryption context

	mu      sync.Mutex
	keys    map[string]map[string]any // DescribeKey's answers by ARN
	aliases map[string]string
	calls   []string
	grants  [][]string
	before  func(w http.ResponseWriter, op string) bool // true: has answered
	after   func(op string, answer map[string]any)
}

// request is what all operations' requests hold.
type request struct {
	KeyId, SourceKeyId, DestinationKeyId                                           string
	Plaintext, CiphertextBlob                                                      []byte
	EncryptionContext, SourceEncryptionContext, DestinationEncryptionContext       map[string]string
	EncryptionAlgorithm, SourceEncryptionAlgorithm, DestinationEncryptionAlgorithm string
	KeySpec                                                                        string
	GrantTokens                                                                    []string
}

func newFake(t testing.TB) *fakeKMS {
	key := make([]byte, 32)
	rand.Read(key)
	block, err := aes.NewCipher(key)
	require.NoError(t, err)
	f := &fakeKMS{keys: map[string]map[string]any{}, aliases: map[string]string{}}
	f.aead, err = cipher.NewGCMWithRandomNonce(block)
	require.NoError(t, err)
	f.Server = httptest.NewServer(f)
	t.Cleanup(f.Server.Close)
	return f
}

// deniedID signs for a caller without permissions.
const deniedID = "AKIDDENIED"

// newID is a key ID that no key of the fake has.
func newID() string { return strings.ToLower(rand.Text()) }

// key makes a key and returns its ARN.
func (f *fakeKMS) key(region, id string) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	arn := keyARN{"aws", region, account, id}.String()
	f.keys[arn] = map[string]any{
		"Arn": arn, "KeyId": id, "KeyUsage": "ENCRYPT_DECRYPT", "KeySpec": "SYMMETRIC_DEFAULT", "KeyState": "Enabled",
	}
	return arn
}

// config reaches the fake. Its secret is long enough for FIPS mode.
func (f *fakeKMS) config() aws.Config { return config(f.URL, region) }

func config(url, region string) aws.Config {
	return aws.Config{
		Region: region, BaseEndpoint: &url,
		Credentials: credentials("AKIDEXAMPLE"),
	}
}

func credentials(id string) aws.CredentialsProvider {
	return aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: id, SecretAccessKey: "a secret access key for tests"}, nil
	})
}

func (f *fakeKMS) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	op := strings.TrimPrefix(r.Header.Get("X-Amz-Target"), "TrentService.")
	f.mu.Lock()
	f.calls = append(f.calls, op)
	before, after := f.before, f.after
	f.mu.Unlock()
	var q request
	body, err := io.ReadAll(r.Body)
	if err == nil {
		err = json.Unmarshal(body, &q)
	}
	if err != nil {
		refuse(w, "SerializationException", http.StatusBadRequest)
		return
	}
	if before != nil && before(w, op) {
		return
	}
	// Signed for a region: Credential=ID/DATE/REGION/kms/aws4_request.
	scope := strings.Split(r.Header.Get("Authorization"), "/")
	if len(scope) < 3 {
		refuse(w, "MissingAuthenticationToken", http.StatusBadRequest)
		return
	}
	if q.GrantTokens != nil {
		f.mu.Lock()
		f.grants = append(f.grants, q.GrantTokens)
		f.mu.Unlock()
	}
	if strings.Contains(scope[0], deniedID) {
		refuse(w, "AccessDeniedException", http.StatusBadRequest)
		return
	}
	answer, code := f.answer(op, scope[2], q)
	if code != "" {
		refuse(w, code, http.StatusBadRequest)
		return
	}
	if after != nil {
		after(op, answer)
	}
	text, err := json.Marshal(answer)
	if err != nil {
		panic(err)
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	_, _ = w.Write(text)
}

// refuse answers as KMS does.
func refuse(w http.ResponseWriter, code string, status int) {
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"__type": code, "message": "as the test wants it"})
}

// set changes what the fake does from now on.
func (f *fakeKMS) set(before func(w http.ResponseWriter, op string) bool, after func(op string, answer map[string]any)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.before, f.after = before, after
}

// made returns the calls since the last time.
func (f *fakeKMS) made() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	calls := f.calls
	f.calls = nil
	return calls
}

// open opens a key with the fake's configuration.
func (f *fakeKMS) open(t *testing.T, key string) *KEK { return open(t, f.config(), key, nil) }

func open(t *testing.T, cfg aws.Config, key string, o *Options) *KEK {
	t.Helper()
	k, err := New(t.Context(), cfg, key, o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, k.Close()) })
	return k
}
