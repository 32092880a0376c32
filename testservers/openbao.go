package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"

	"github.com/cardseal/cardseal/internal/kmstest"
)

// openbao is OpenBao with its data in files, which it unseals by itself with a
// key beside them. Killed and started again on the same folder it serves the
// same keys to the same tokens.
type openbao struct{}

func (openbao) build(c *cache) error {
	inputs, err := readAll("openbao/go.mod", "openbao/go.sum", "openbao/main.go")
	if err != nil {
		return fmt.Errorf("run this in the folder testservers: %w", err)
	}
	return c.once("bao", inputs, func(path string) error {
		return runIn("openbao", "go", "build", "-mod=readonly", "-trimpath", "-ldflags=-s -w", "-o", path, ".")
	})
}

const baoConfig = `
storage "file" { path = %[1]q }
seal "static" {
  current_key_id = "test"
  current_key    = "file://%[2]s"
}
listener "tcp" {
  address     = %[3]q
  tls_disable = true
}
listener "tcp" {
  address       = %[4]q
  tls_cert_file = %[5]q
  tls_key_file  = %[6]q
}
api_addr           = "http://%[3]s"
disable_mlock      = true
disable_clustering = true
ui                 = false
`

// baoFile is what the folder keeps besides OpenBao's own data.
const baoFile = "server.json"

func (openbao) command(c *cache, dir, addr string) (command, error) {
	known, err := readBao(dir)
	if err != nil {
		return command{}, err
	}
	certs, err := makeCerts(dir)
	if err != nil {
		return command{}, err
	}
	known.URL, known.CAFile = "http://"+addr, certs.ca
	if known.TLSURL == "" {
		tlsAddr, err := freeAddr()
		if err != nil {
			return command{}, err
		}
		known.TLSURL = "https://" + tlsAddr
	}
	if err := writeBao(dir, known); err != nil {
		return command{}, err
	}
	seal := filepath.Join(dir, "seal.key")
	if _, err := os.Stat(seal); errors.Is(err, fs.ErrNotExist) {
		key := make([]byte, 32)
		_, _ = rand.Read(key)
		if err := writeFile(seal, key); err != nil {
			return command{}, err
		}
	}
	u, err := url.Parse(known.TLSURL)
	if err != nil {
		return command{}, err
	}
	config := filepath.Join(dir, "bao.hcl")
	err = writeFile(config, fmt.Appendf(nil, baoConfig, filepath.Join(dir, "data"), seal, addr, u.Host, certs.cert, certs.key))
	return command{path: c.path("bao"), args: []string{"server", "-config=" + config, "-log-level=warn"}}, err
}

// ready initialises a server on an empty folder and mounts Transit.
func (openbao) ready(ctx context.Context, dir, addr string) (kmstest.Server, error) {
	s, err := readBao(dir)
	if err != nil {
		return s, err
	}
	if s.Token == "" {
		if s.Token, err = initBao(ctx, addr); err != nil {
			return s, err
		}
		if err := writeBao(dir, s); err != nil {
			return s, err
		}
	}
	if err := mountTransit(ctx, addr, s.Token); err != nil {
		return s, err
	}
	u, err := url.Parse(s.TLSURL)
	if err != nil {
		return s, err
	}
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", u.Host)
	if err != nil {
		return s, err
	}
	return s, conn.Close()
}

func readBao(dir string) (s kmstest.Server, err error) {
	content, err := os.ReadFile(filepath.Join(dir, baoFile))
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return s, err
	}
	return s, json.Unmarshal(content, &s)
}

func writeBao(dir string, s kmstest.Server) error {
	content, err := json.Marshal(s)
	if err != nil {
		return err
	}
	return writeFile(filepath.Join(dir, baoFile), content)
}

func readAll(paths ...string) (all []byte, err error) {
	for _, path := range paths {
		content, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		all = append(all, content...)
	}
	return all, nil
}
