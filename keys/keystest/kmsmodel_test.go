package keystest

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/json"
	"net"
	"net/http"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// kms is a model of a KMS behind HTTP, with an administrator and outages, which the
// suites for live KMSes are tried on. Its answers carry no checksum.
type kms struct {
	addr string
	srv  *http.Server
	done chan struct{}

	mu   sync.Mutex
	keys map[string]*kmsKey
}

// kmsKey is a key with versions from 0, those below oldest out of use.
type kmsKey struct {
	versions            []cipher.AEAD
	oldest              int
	disabled, destroyed bool
}

type kmsRequest struct {
	Op, Token, Key string
	In, AAD        []byte
}

type kmsAnswer struct{ Out []byte }

// Answers of the model, by what they mean.
const (
	kmsBad      = http.StatusBadRequest
	kmsDenied   = http.StatusForbidden
	kmsMissing  = http.StatusNotFound
	kmsDisabled = http.StatusLocked
)

func newKMS(t *testing.T) *kms {
	s := &kms{keys: map[string]*kmsKey{}, addr: "127.0.0.1:0"}
	s.start(t)
	t.Cleanup(func() { s.stop(t) })
	return s
}

func (s *kms) start(t *testing.T) {
	ln, err := net.Listen("tcp", s.addr)
	require.NoError(t, err)
	s.addr, s.srv, s.done = ln.Addr().String(), &http.Server{Handler: s}, make(chan struct{})
	srv, done := s.srv, s.done
	go func() { defer close(done); srv.Serve(ln) }()
}

func (s *kms) stop(t *testing.T) {
	require.NoError(t, s.srv.Close())
	<-s.done
}

// with has the administrator change a key, which is made where there is none.
func (s *kms) with(name string, change func(k *kmsKey)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.keys[name] == nil {
		s.keys[name] = &kmsKey{}
		s.keys[name].rotate()
	}
	change(s.keys[name])
}

func (k *kmsKey) rotate() {
	block, err := aes.NewCipher(randomBytes(32))
	if err != nil {
		panic(err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic(err)
	}
	k.versions = append(k.versions, aead)
}

func (s *kms) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var q kmsRequest
	if r.Method != http.MethodPost || json.NewDecoder(r.Body).Decode(&q) != nil {
		w.WriteHeader(kmsBad)
		return
	}
	out, status := s.answer(&q)
	if status != 0 {
		w.WriteHeader(status)
		return
	}
	json.NewEncoder(w).Encode(kmsAnswer{out})
}

func (s *kms) answer(q *kmsRequest) (out []byte, status int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := s.keys[q.Key]
	switch {
	case q.Token != "good":
		return nil, kmsDenied
	case k == nil:
		return nil, kmsMissing
	case k.disabled || k.destroyed:
		return nil, kmsDisabled
	}
	switch q.Op {
	case "wrap":
		return k.seal(q.In, q.AAD), 0
	case "unwrap":
		return k.open(q.In, q.AAD)
	case "rewrap":
		if out, status = k.open(q.In, q.AAD); status != 0 {
			return nil, status
		}
		return k.seal(out, q.AAD), 0
	case "check":
		return nil, 0
	}
	return nil, kmsDenied
}

func (k *kmsKey) seal(in, aad []byte) []byte {
	newest := len(k.versions) - 1
	return k.versions[newest].Seal([]byte{byte(newest)}, nil, in, aad)
}

func (k *kmsKey) open(in, aad []byte) ([]byte, int) {
	if len(in) == 0 || int(in[0]) >= len(k.versions) {
		return nil, kmsBad
	}
	if int(in[0]) < k.oldest {
		return nil, kmsDisabled
	}
	out, err := k.versions[in[0]].Open(nil, nil, in[1:], aad)
	if err != nil {
		return nil, kmsBad
	}
	return out, 0
}
