// Package kmstest gives tests the servers that the tool in testservers runs on
// loopback: KMS, and PostgreSQL.
package kmstest

import (
	"encoding/json"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Names of the servers.
const (
	OpenBao    = "openbao"
	LocalStack = "localstack"
	Moto       = "moto"
	GCPKMS     = "gcpkms"
	Postgres   = "postgres" // no KMS, but run by the same tool
)

// Server is a server that runs on loopback.
type Server struct {
	PID    int    `json:"pid"`
	URL    string `json:"url"`              // http://127.0.0.1:PORT; gRPC without TLS for gcpkms; postgres:// with an administrator's password
	TLSURL string `json:"tlsURL,omitempty"` // the same server behind TLS, where it has that
	CAFile string `json:"caFile,omitempty"` // the certificate to trust for TLSURL
	Token  string `json:"token,omitempty"`  // an administrator's, for openbao
}

// Addr is the server's host and port.
func (s Server) Addr() string {
	u, err := url.Parse(s.URL)
	if err != nil {
		return s.URL
	}
	return u.Host
}

// State is what the tool writes when it starts servers.
type State struct {
	Tool    string            `json:"tool"` // path of the tool's binary
	Servers map[string]Server `json:"servers"`
}

// Folder is where the tool keeps what it builds, and servers.json.
func Folder() (string, error) {
	if dir := os.Getenv("CARDSEAL_TESTSERVERS"); dir != "" {
		return dir, nil
	}
	cache, err := os.UserCacheDir()
	return filepath.Join(cache, "cardseal-testservers"), err
}

// Need returns a server that runs, or skips the test with a line that says how
// to start it. Under CI a missing server fails the test.
func Need(t testing.TB, name string) Server {
	t.Helper()
	s, err := Find(name)
	if err == nil {
		return s
	}
	if os.Getenv("CI") != "" {
		t.Fatalf("%s does not run: %v", name, err)
	}
	t.Skipf("%s does not run; start it with: go -C testservers run . start", name)
	return Server{}
}

// Find returns a server that runs.
func Find(name string) (Server, error) {
	state, err := readState()
	if err != nil {
		return Server{}, err
	}
	s, ok := state.Servers[name]
	if !ok {
		return Server{}, os.ErrNotExist
	}
	c, err := net.DialTimeout("tcp", s.Addr(), 5*time.Second)
	if err != nil {
		return Server{}, err
	}
	return s, c.Close()
}

func readState() (s State, err error) {
	dir, err := Folder()
	if err != nil {
		return s, err
	}
	content, err := os.ReadFile(filepath.Join(dir, "servers.json"))
	if err != nil {
		return s, err
	}
	return s, json.Unmarshal(content, &s)
}
