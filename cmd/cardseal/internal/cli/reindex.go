package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/cardseal/cardseal/cmd/cardseal/internal/progress"
	"github.com/cardseal/cardseal/cmd/cardseal/internal/vaultdir"
	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/tokenize"
)

// reindexFlags are the options of reindex.
type reindexFlags struct {
	repository string
	rate       int
	leave      bool
	actor      string
	asJSON     bool
}

func (a *app) reindexCommand() *cobra.Command {
	var f reindexFlags
	c := &cobra.Command{
		Use:   "reindex",
		Short: "Replace the key that cards are found by",
		Long: `reindex makes a new data key for the index ring and computes the index value of
every card anew under it; the values under the old key are removed. Tokens stay as
they are, and keep being found all the while.

A run that was interrupted or killed is continued by the same command; so is one
that an earlier run did for some repositories only: no new key is made as long as a
repository is behind the one that is there. A repository with keys of its own gets one
of its own, whatever the others do.

A card that cannot be opened stands in the way of the end, and its token is named.
With --leave-unindexed the rotation goes past such cards: they keep their tokens, but
a card of them that is saved again is taken for a new one.`,
		Example: `  cardseal reindex
  cardseal reindex --repository SHOP --rows-per-second 2000`,
		Args: noArguments,
		RunE: action(func(c *cobra.Command, _ []string) error { return a.reindex(c.Context(), &f) }),
	}
	flags := c.Flags()
	flags.StringVar(&f.repository, "repository", "", "the repository's ID (default all)")
	flags.IntVar(&f.rate, "rows-per-second", 0, "at most so many rows a second (default as fast as it goes)")
	flags.BoolVar(&f.leave, "leave-unindexed", false, "go past cards that cannot be opened")
	flags.StringVar(&f.actor, "actor", "", "who does it, for the record (default the user)")
	flags.BoolVar(&f.asJSON, "json", false, "one JSON object a repository")
	return c
}

// reindexed is a repository as reindex tells of it.
type reindexed struct {
	Repository string `json:"repository"`
	Key        string `json:"key"`
	Changed    int64  `json:"changed"`
	Left       int64  `json:"left"`
}

func (a *app) reindex(ctx context.Context, f *reindexFlags) error {
	if f.rate < 0 {
		return usagef("--rows-per-second must not be negative")
	}
	actor, err := actorOf(f.actor)
	if err != nil {
		return err
	}
	v, err := a.open(ctx)
	if err != nil {
		return err
	}
	defer v.Close()
	repos, made, err := a.toReindex(ctx, v, f.repository)
	if err != nil {
		return err
	}
	if len(repos) == 0 {
		a.warn("no card is found by an index key yet: there is nothing to do")
	}
	caller := tokenize.Caller{Owner: actor, Permissions: tokenize.MayUpdate}
	for _, repo := range repos {
		// The first of a ring makes the key, the others take it.
		ring := indexRing(repo)
		if err := a.reindexOne(ctx, repo, caller, f, !made[ring]); err != nil {
			return closed(v, err)
		}
		made[ring] = true
	}
	return v.Close()
}

// indexRing tells the index rings of repositories apart: the scope of one that has
// keys of its own, "" for the ring that the others share.
func indexRing(repo *tokenize.Repository) string {
	if repo.Config().PerScopeKeys {
		return repo.Scope()
	}
	return ""
}

// toReindex lists the repositories that have an index key, and says of which rings the
// new key is made already: one of their repositories is in the middle of a rotation or
// has another than the ring's active key.
func (a *app) toReindex(ctx context.Context, v *vaultdir.Vault, id string) (repos []*tokenize.Repository, made map[string]bool, err error) {
	all, err := a.repositories(ctx, v, id)
	if err != nil {
		return nil, nil, err
	}
	made = map[string]bool{}
	for _, repo := range all {
		st, err := repo.IndexStatus(ctx)
		if err != nil {
			return nil, nil, err
		}
		if st.Key.IsZero() {
			has, err := hasCards(ctx, repo)
			if err != nil {
				return nil, nil, err
			}
			if !has {
				continue
			}
		}
		repos = append(repos, repo)
		// An earlier version of this program did not write down which key it used:
		// it could only be the one.
		active, err := repo.ActiveIndexKey(ctx)
		if err != nil {
			return nil, nil, err
		}
		if st.Phase > tokenize.Settled || !st.Key.IsZero() && st.Key != active {
			made[indexRing(repo)] = true
		}
	}
	return repos, made, nil
}

// hasCards reports whether a repository has a token.
func hasCards(ctx context.Context, repo *tokenize.Repository) (has bool, err error) {
	reader := tokenize.Caller{Permissions: tokenize.MayRead}
	err = repo.Each(ctx, reader, "", func(tokenize.Details) bool { has = true; return false })
	return has, err
}

func (a *app) reindexOne(ctx context.Context, repo *tokenize.Repository, c tokenize.Caller, f *reindexFlags, newKey bool) error {
	id := repo.Config().ID
	bar := progress.New(a.stderr, -1)
	p, err := repo.Reindex(ctx, tokenize.ReindexOptions{
		Caller: c, NewKey: newKey, RowsPerSecond: f.rate, LeaveUnindexed: f.leave,
		OnProgress: func(p tokenize.Progress) { bar.Update(p.Rows, p.Rows) },
		OnLeft:     a.leaves(id),
	})
	bar.Close()
	switch {
	case ctx.Err() != nil && err != nil:
		return &failure{fmt.Sprintf("interrupted in %s, %v, after %d rows; the same command goes on from there", id, p.Phase, p.Rows)}
	case errors.Is(err, tokenize.ErrUnindexed):
		return &failure{fmt.Sprintf("%s: %d cards stand in the way, named above: all others are done. "+
			"Once these can be opened or are deleted, the same command completes it; --leave-unindexed goes past them", id, p.Left)}
	case err != nil:
		return err
	}
	if f.asJSON {
		return a.printJSON(reindexed{id, keyText(p.Key), p.Changed, p.Left})
	}
	if p.Key.IsZero() {
		_, err = fmt.Fprintf(a.stdout, "%s  is found by the active key already\n", id)
	} else {
		_, err = fmt.Fprintf(a.stdout, "%s  is found by %s now; %d rows written\n", id, p.Key, p.Changed)
	}
	return err
}

// leaves names tokens of a repository that long work leaves.
func (a *app) leaves(repository string) func(token string, err error) {
	return func(token string, err error) {
		text, _ := explain(err)
		a.warn(fmt.Sprintf("%s: token %s: %s", repository, token, text))
	}
}

func keyText(id keys.KeyID) string {
	if id.IsZero() {
		return ""
	}
	return id.String()
}
