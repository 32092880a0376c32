package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"

	"github.com/cardseal/cardseal/cmd/cardseal/internal/vaultdir"
	"github.com/cardseal/cardseal/tokenize"
)

// defaultRepository is used where no repository is named.
const defaultRepository = "DEFAULT"

// locate finds the vault's folder.
func (a *app) locate() (dir string, named bool, err error) {
	dir, named, err = vaultdir.Locate(a.dir)
	if err != nil {
		err = &failure{err.Error()}
	}
	return dir, named, err
}

// open opens the vault, which must be there.
func (a *app) open(ctx context.Context) (*vaultdir.Vault, error) {
	dir, _, err := a.locate()
	if err != nil {
		return nil, err
	}
	return a.openAt(ctx, dir)
}

func (a *app) openAt(ctx context.Context, dir string) (*vaultdir.Vault, error) {
	v, err := vaultdir.Open(ctx, dir, &vaultdir.OpenOptions{OpenKEK: a.openKEK, Warn: a.warn, Away: func(uri string, err error) {
		text, _ := explain(&ours{err})
		a.warn("the key " + uri + " cannot be opened, and the vault's other keys serve without it: " + text)
	}})
	return v, inFolder(dir, err)
}

// inFolder words the errors of opening a vault.
func inFolder(dir string, err error) error {
	if errors.Is(err, vaultdir.ErrMissing) {
		return &failure{fmt.Sprintf("there is no vault in %s; cardseal init makes one", dir)}
	}
	if errors.Is(err, vaultdir.ErrExists) {
		return &failure{dir + " already holds a vault"}
	}
	if errors.Is(err, vaultdir.ErrInUse) {
		return &failure{"the database already holds a vault; name its key with --kek"}
	}
	if e, ok := errors.AsType[*vaultdir.SettingsError](err); ok {
		return &failure{e.Error()}
	}
	return err
}

// openOrMake opens the vault, and makes the default one on first use. A folder
// that somebody named must hold one.
func (a *app) openOrMake(ctx context.Context) (*vaultdir.Vault, error) {
	dir, named, err := a.locate()
	if err != nil {
		return nil, err
	}
	if _, err := vaultdir.Find(dir); errors.Is(err, vaultdir.ErrMissing) && !named {
		made, err := vaultdir.Make(ctx, dir, &vaultdir.MakeOptions{})
		if err != nil {
			return nil, inFolder(dir, err)
		}
		a.warn(fmt.Sprintf("made a vault in %s, its key in %s", made.Dir, made.KEKs[0].File))
	}
	return a.openAt(ctx, dir)
}

// repository finds a repository that must be there.
func repository(ctx context.Context, v *vaultdir.Vault, id string) (*tokenize.Repository, error) {
	if id == "" {
		id = defaultRepository
	}
	return v.Vault.Repository(ctx, id)
}

// repositories are the one that is named, or all but test twins, whose keys this
// program does not have.
func (a *app) repositories(ctx context.Context, v *vaultdir.Vault, id string) ([]*tokenize.Repository, error) {
	if id != "" {
		repo, err := v.Vault.Repository(ctx, id)
		return []*tokenize.Repository{repo}, err
	}
	configs, err := v.Vault.Repositories(ctx)
	if err != nil {
		return nil, err
	}
	var all []*tokenize.Repository
	for _, c := range configs {
		repo, err := v.Vault.Repository(ctx, c.ID)
		if e, ok := errors.AsType[*tokenize.Error](err); ok && e.Kind == tokenize.Unsupported {
			a.warn(c.ID + " is left out: it " + e.Explanation)
			continue
		}
		if err != nil {
			return nil, err
		}
		all = append(all, repo)
	}
	return all, nil
}

// actorOf is who is written down as having done it: who was named, else the user
// of the operating system.
func actorOf(named string) (string, error) {
	if named == "" {
		if u, err := user.Current(); err == nil {
			named = u.Username
		} else {
			named = os.Getenv("USER")
		}
	}
	for _, c := range []byte(named) {
		if c < 0x20 || c > 0x7e {
			return "", usagef("--actor must be printable ASCII")
		}
	}
	if len(named) > 255 {
		return "", usagef("--actor must be at most 255 bytes")
	}
	return named, nil
}
