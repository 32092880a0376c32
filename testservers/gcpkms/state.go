package gcpkms

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"cloud.google.com/go/kms/apiv1/kmspb"
)

// state is every key there is. What is exported of its parts is what the file
// holds.
type state struct {
	mu   sync.Mutex
	path string
	data data
}

type data struct {
	Rings map[string]time.Time // by name: when made
	Keys  map[string]*key      // by name
}

type key struct {
	Created  time.Time
	Level    kmspb.ProtectionLevel
	Keep     time.Duration // between scheduled for destruction and destroyed
	Labels   map[string]string
	Primary  int        // number of a version, 0 for none
	Versions []*version // number 1 first
}

type version struct {
	State     kmspb.CryptoKeyVersion_CryptoKeyVersionState
	Material  []byte // 32 bytes, none once destroyed
	Mark      []byte // what ciphertexts name this version by
	Created   time.Time
	Destroy   time.Time // when it is or was to be destroyed
	Destroyed time.Time
}

const fileName = "gcpkms.json"

func openState(dir string) (*state, error) {
	s := &state{path: filepath.Join(dir, fileName)}
	content, err := os.ReadFile(s.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, err
		}
	case err != nil:
		return nil, err
	default:
		if err := json.Unmarshal(content, &s.data); err != nil {
			return nil, err
		}
	}
	if s.data.Rings == nil {
		s.data.Rings = map[string]time.Time{}
	}
	if s.data.Keys == nil {
		s.data.Keys = map[string]*key{}
	}
	return s, nil
}

// save writes the file aside and renames it, so that a server killed at any
// moment leaves a whole one.
func (s *state) save() error {
	content, err := json.Marshal(s.data)
	if err != nil {
		return err
	}
	aside := s.path + ".new"
	if err := os.WriteFile(aside, content, 0o600); err != nil {
		return err
	}
	return os.Rename(aside, s.path)
}

// ripen destroys the versions whose time has come.
func (k *key) ripen(now time.Time) {
	for _, v := range k.Versions {
		if v.State == kmspb.CryptoKeyVersion_DESTROY_SCHEDULED && !now.Before(v.Destroy) {
			v.State, v.Destroyed = kmspb.CryptoKeyVersion_DESTROYED, v.Destroy
			clear(v.Material)
			v.Material = nil
		}
	}
}
