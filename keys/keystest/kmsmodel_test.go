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
// suites for live KMSes are tried on. Its answers carry no checksum. While it is
// stopped its port stays its own, where all connections are reset: given back, the
// port might be another's by the time it is started again.
type kms struct {
	addr string
	port net.Listener
	srv  *http.Server
	done chan struct{}

	mu   sync.Mutex
	now  *shift
	keys map[string]*kmsKey
}

// shift is what one server, from start to stop, accepts of what comes to the port.
type shift struct {
	net.Listener
	taken chan net.Conn
	over  chan struct{}
	end   func()
}

func (s *shift) Accept() (net.Conn, error) {
	select {
	case c := <-s.taken:
		return c, nil
	case <-s.over:
		return nil, net.ErrClosed
	}
}

func (s *shift) Close() error { s.end(); return nil }

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
	port, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s := &kms{keys: map[string]*kmsKey{}, addr: port.Addr().String(), port: port}
	s.start(t)
	var accepting sync.WaitGroup
	accepting.Go(s.accept)
	t.Cleanup(func() { s.stop(t); port.Close(); accepting.Wait() })
	return s
}

func (s *kms) accept() {
	for {
		c, err := s.port.Accept()
		if err != nil {
			return // closed
		}
		s.mu.Lock()
		now := s.now
		s.mu.Unlock()
		select {
		case now.taken <- c:
		case <-now.over:
			c.(*net.TCPConn).SetLinger(0)
			c.Close()
		}
	}
}

func (s *kms) start(*testing.T) {
	now := &shift{Listener: s.port, taken: make(chan net.Conn), over: make(chan struct{})}
	now.end = sync.OnceFunc(func() { close(now.over) })
	s.mu.Lock()
	s.now = now
	s.mu.Unlock()
	s.srv, s.done = &http.Server{Handler: s}, make(chan struct{})
	srv, done := s.srv, s.done
	go func() { defer close(done); srv.Serve(now) }()
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
