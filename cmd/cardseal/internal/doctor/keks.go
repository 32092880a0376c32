package doctor

import (
	"context"
	"errors"
	"os"

	"github.com/cardseal/cardseal/backends/kek/local"
	"github.com/cardseal/cardseal/cmd/cardseal/internal/vaultdir"
	"github.com/cardseal/cardseal/keys"
)

// keks looks at each of the vault's KEKs.
func (c *checkup) keks(ctx context.Context, found vaultdir.Found, open vaultdir.OpenKEK) {
	c.ids = map[string]bool{}
	unknown := false
	for _, k := range found.KEKs {
		subject, id := "key", ""
		if k.Old {
			subject = "old key"
		}
		if k.File != "" {
			id = c.key(ctx, subject, k.File)
		} else {
			id = c.kms(ctx, subject, k.URI, open)
		}
		c.ids[id] = !k.Old
		unknown = unknown || id == ""
	}
	if unknown {
		c.ids = nil
	}
}

// key looks at a key in a file and returns its ID, "" where it was not opened.
func (c *checkup) key(ctx context.Context, subject, path string) (id string) {
	c.say(Fail, subject, "%s is a key in a file: development only. Keys of real cards belong into a KMS or HSM (PCI DSS 3.6.1.2)", path)
	c.file(subject, path, Fail)
	if vaultdir.Inside(c.dir, path) {
		c.say(Fail, subject, "the key lies in the vault's own folder: a copy of the vault is a copy of its key (PCI DSS 3.6.1)")
	} else {
		c.say(OK, subject, "the key lies outside the vault's folder")
	}
	uri, err := local.URI(path)
	if err != nil {
		c.say(Fail, subject, "the key's path is not usable")
		return ""
	}
	k, err := local.Open(uri, nil)
	switch {
	case errors.Is(err, local.ErrNoPassphrase):
		c.say(OK, subject, "the key is guarded by a passphrase, which was not asked for")
	case err != nil:
		c.say(Fail, subject, "the key cannot be opened: %s", wording(err))
	default:
		defer k.Close()
		var kek keys.KEK = k
		if checker, ok := kek.(keys.Checker); ok && checker.Check(ctx) != nil {
			c.say(Fail, subject, "the key does not unwrap what it wrapped")
		} else {
			c.say(OK, subject, "the key wraps and unwraps")
		}
		return k.ID()
	}
	return ""
}

// wording is an error of opening a key file without the file's content.
func wording(err error) string {
	if e, ok := errors.AsType[*local.FileError](err); ok {
		return e.Reason
	}
	if os.IsNotExist(err) {
		return "it is not there"
	}
	return "it cannot be read"
}
