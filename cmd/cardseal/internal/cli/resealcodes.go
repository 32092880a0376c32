package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/cardseal/cardseal/cmd/cardseal/internal/vaultdir"
	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/tokenize"
)

// resealedCount is a repository as reseal tells of its codes or capture keys.
type resealedCount struct {
	Ring       keys.Purpose `json:"ring"`
	Repository string       `json:"repository"`
	Changed    int          `json:"changed"`
	Unopened   bool         `json:"unopened,omitempty"` // some codes could not be
}

// resealCodes goes on with the next repository where codes of one cannot be opened.
func (a *app) resealCodes(ctx context.Context, v *vaultdir.Vault, f *resealFlags) error {
	if f.rate > 0 {
		return usagef("--rows-per-second is for ring pan")
	}
	actor, err := actorOf(f.actor)
	if err != nil {
		return err
	}
	repos, err := a.repositories(ctx, v, f.repository)
	if err != nil {
		return err
	}
	left := false
	for _, repo := range repos {
		if !repo.Config().IssuerCodes {
			if f.repository != "" {
				return usagef("repository %s keeps no security codes as their issuer", f.repository)
			}
			continue
		}
		r, err := resealCodesOf(ctx, v, repo, actor)
		if err != nil {
			return err
		}
		left = left || r.Unopened
		if err := a.showResealedCodes(&r, f.asJSON); err != nil {
			return err
		}
	}
	if left {
		a.warn("security codes that cannot be opened stay under their keys; all others are done")
		return errPart
	}
	return nil
}

func resealCodesOf(ctx context.Context, v *vaultdir.Vault, repo *tokenize.Repository, actor string) (resealedCount, error) {
	r := resealedCount{Ring: keys.CVC, Repository: repo.Config().ID}
	codes, err := v.Codes(ctx, repo)
	if err != nil {
		return r, err
	}
	defer codes.Close()
	r.Changed, err = codes.Reseal(ctx, tokenize.Caller{Owner: actor, Permissions: tokenize.MayUpdate})
	switch {
	case ctx.Err() != nil && err != nil:
		return r, &failure{fmt.Sprintf("interrupted in %s after %d security codes; the same command goes on from there", r.Repository, r.Changed)}
	case errors.Is(err, tokenize.ErrUnsealed):
		r.Unopened = true
		return r, nil
	}
	return r, err
}

func (a *app) showResealedCodes(r *resealedCount, asJSON bool) error {
	if asJSON {
		return a.printJSON(r)
	}
	_, err := fmt.Fprintf(a.stdout, "%s  %d security codes sealed anew\n", r.Repository, r.Changed)
	return err
}
