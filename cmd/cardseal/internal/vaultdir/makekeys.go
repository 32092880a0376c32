package vaultdir

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/cardseal/cardseal/backends/kek/local"
	"github.com/cardseal/cardseal/keys"
)

// What [Make] refuses of several keys.
var (
	ErrTwice  = errors.New("one key is named twice")
	ErrQuorum = errors.New("the quorum is not from 1 to the number of keys")
)

// MadeKEK is a key of a new vault.
type MadeKEK struct {
	File string // path of a local key; "" for a key in a KMS
	ID   string // then its ID
}

const passphraseScheme = "passphrase:"

// checkKeys notes where the keys' files are, and refuses what cannot be made.
func checkKeys(o *MakeOptions, made *Made) (err error) {
	uris := o.KEKs
	if len(uris) == 0 {
		uris = []string{""}
	}
	if o.Quorum < 0 || o.Quorum > len(uris) {
		return ErrQuorum
	}
	for _, kek := range uris {
		if rest, ok := strings.CutPrefix(kek, passphraseScheme); ok && rest != "" {
			kek = "local:" + rest
		} else if ok {
			kek = ""
		}
		var k MadeKEK
		if kek != "" {
			if k.File, err = keyFile(kek); err != nil {
				return err
			}
		}
		if k.File != "" && slices.Contains(made.KEKs, k) {
			return ErrTwice
		}
		made.KEKs = append(made.KEKs, k)
	}
	return nil
}

// inKMS reports the URI of a key that is not made here.
func inKMS(uri string) bool {
	path, err := keyFile(uri)
	return err == nil && path == ""
}

// tryKMSs opens the keys that are in a KMS, so that nothing is made for one that does
// not serve, and notes their IDs.
func tryKMSs(ctx context.Context, o *MakeOptions, made []MadeKEK) (err error) {
	for i, uri := range o.KEKs {
		if !inKMS(uri) {
			continue
		}
		k := MadeKEK{}
		if k.ID, err = tryKMS(ctx, o, uri); err != nil {
			return err
		}
		if slices.Contains(made, k) {
			return ErrTwice // under an alias, say
		}
		made[i] = k
	}
	return nil
}

// tryKMS opens a key in a KMS and has it wrap and unwrap: a vault whose key does
// not serve would be of no use.
func tryKMS(ctx context.Context, o *MakeOptions, uri string) (id string, err error) {
	k, err := o.OpenKEK.orDefault()(ctx, uri)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, k.Close()) }()
	if c, ok := k.(keys.Checker); ok {
		return k.ID(), c.Check(ctx)
	}
	return k.ID(), nil
}

// makeKeys makes the files of keys that are in no KMS, and returns the URIs of all.
func makeKeys(dir string, o *MakeOptions, made []MadeKEK) (uris []string, err error) {
	for i := range made {
		uri := ""
		if i < len(o.KEKs) {
			uri = o.KEKs[i]
		}
		if made[i].ID == "" {
			if err := makeKey(dir, uri, o, &made[i]); err != nil {
				return nil, err
			}
			if uri, err = local.URI(made[i].File); err != nil {
				return nil, err
			}
		}
		uris = append(uris, uri)
	}
	return uris, nil
}

// makeKey makes a key's file, or leaves one alone that the caller named and that is
// there.
func makeKey(dir, uri string, o *MakeOptions, made *MadeKEK) (err error) {
	if made.File == "" {
		if made.File, err = newKeyPath(dir); err != nil {
			return err
		}
	}
	if _, err := os.Lstat(made.File); err == nil {
		return checkKey(made.File, o.Passphrase)
	}
	if err := os.MkdirAll(filepath.Dir(made.File), 0o700); err != nil {
		return err
	}
	if !strings.HasPrefix(uri, passphraseScheme) {
		return local.CreateKeyFile(made.File)
	}
	phrase, err := o.Passphrase()
	if err != nil {
		return err
	}
	defer clear(phrase)
	return local.CreatePassphraseFile(made.File, phrase, o.Params)
}

func checkKey(path string, passphrase func() ([]byte, error)) error {
	uri, err := local.URI(path)
	if err != nil {
		return err
	}
	k, err := local.Open(uri, passphrase)
	if err != nil {
		return err
	}
	return k.Close()
}
