package vaultdir

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Names of the files in a vault's folder.
const (
	SettingsFile = "settings.json"
	StoreFile    = "vault.bolt"
	AuditFile    = "audit.log"
)

// settingsVersion is the version of the settings that this program writes.
const settingsVersion = 1

// Settings says where a vault's store and keys are.
type Settings struct {
	Version int    `json:"version"`
	KEK     string `json:"kek"` // local:///path/to/key, or a URI of package backends/kek/open
	// FurtherKEKs wrap each data key as KEK does, and any one of them opens it. OldKEKs
	// only open what they wrapped: those that the vault is moved away from.
	FurtherKEKs []string `json:"furtherKEKs,omitempty"`
	OldKEKs     []string `json:"oldKEKs,omitempty"`
	// Quorum is how many of KEK and FurtherKEKs have to wrap a new data key before it is
	// used. Default all.
	Quorum int    `json:"quorum,omitempty"`
	Store  string `json:"store"` // bolt:vault.bolt, from the folder, bolt:///path or postgres://host/database
	// Codes is the URI of a PostgreSQL database of its own for security codes that are
	// to be forgotten; without it there are none.
	Codes string `json:"codes,omitempty"`
	// CodesSecond is the URI of another such database, on another machine, over which
	// and Codes the keys of security codes are split: a copy of one opens none.
	CodesSecond string `json:"codesSecond,omitempty"`
	// CodesTTL is how long a code is kept there, such as 30m: as long as every service on
	// that database keeps it. Default 15m.
	CodesTTL string `json:"codesTTL,omitempty"`
	// CodesTries and CodesGuesses are code.Options' Tries and Guesses, an issuer's codes
	// included: as many as every service on the codes allows. Default 3 and 15.
	CodesTries   int `json:"codesTries,omitempty"`
	CodesGuesses int `json:"codesGuesses,omitempty"`
}

// SettingsError is a settings file that cannot be used.
type SettingsError struct{ Path, Reason string }

func (e *SettingsError) Error() string { return e.Path + " " + e.Reason }

// UnsupportedError is a kind of key or store that this program was not built
// with.
type UnsupportedError struct{ What, Scheme string }

func (e *UnsupportedError) Error() string {
	if e.Scheme == "" {
		return "the " + e.What + " is not an address of the form SCHEME:///path"
	}
	return fmt.Sprintf("a %s of kind %q is not supported by this build", e.What, e.Scheme)
}

// readSettings reads a folder's settings. Unknown names are refused: a setting
// that is spelled wrong must not be a setting that is ignored.
func readSettings(dir string) (Settings, error) {
	path := filepath.Join(dir, SettingsFile)
	content, err := os.ReadFile(path)
	if err != nil {
		return Settings{}, err
	}
	var version struct {
		Version int `json:"version"`
	}
	if json.Unmarshal(content, &version) == nil && version.Version > settingsVersion {
		return Settings{}, &SettingsError{path, "was written by a newer version of cardseal"}
	}
	var s Settings
	d := json.NewDecoder(bytes.NewReader(content))
	d.DisallowUnknownFields()
	if err := d.Decode(&s); err != nil {
		return Settings{}, &SettingsError{path, "is not a settings file: " + reason(err)}
	}
	if _, err := d.Token(); err != io.EOF {
		return Settings{}, &SettingsError{path, "has text after the settings"}
	}
	if s.Version != settingsVersion {
		return Settings{}, &SettingsError{path, "has no version that this program knows"}
	}
	return s, nil
}

// reason is what a JSON error says without the values it may quote.
func reason(err error) string {
	if name, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		return "unknown name " + name
	}
	return "it is not the JSON that is expected"
}

// keyFile is where a local key's file lies, "" for a key in a KMS.
func keyFile(uri string) (string, error) {
	scheme, rest, ok := strings.Cut(uri, ":")
	if ok && strings.HasPrefix(rest, "//") && slices.Contains([]string{"aws-kms", "gcp-kms", "hcvault"}, scheme) {
		return "", nil // looked at when it is opened
	}
	u, err := url.Parse(uri)
	if !ok || err != nil {
		return "", &UnsupportedError{What: "KEK"}
	}
	if scheme != "local" {
		return "", &UnsupportedError{"KEK", shownScheme(scheme)}
	}
	if u.Host != "" || u.Opaque != "" || len(u.Path) < 2 {
		return "", &UnsupportedError{What: "KEK"}
	}
	return filepath.FromSlash(u.Path), nil
}

// shownScheme keeps an odd argument out of messages.
func shownScheme(s string) string {
	for _, c := range s {
		if (c < 'a' || c > 'z') && c != '-' {
			return ""
		}
	}
	return s[:min(len(s), 20)]
}
