package cli

import (
	"bufio"
	"context"
	"errors"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/cardseal/cardseal/tokenize"
	"github.com/cardseal/cardseal/tokenize/card"
)

// tokenFlags are those of every command on one token.
type tokenFlags struct {
	repository, actor string
	json              bool
	version           uint64
}

func (f *tokenFlags) add(c *cobra.Command, changes bool) {
	flags := c.Flags()
	flags.StringVar(&f.repository, "repository", defaultRepository, "the repository's ID")
	flags.StringVar(&f.actor, "actor", "", "who asks (default the user)")
	flags.BoolVar(&f.json, "json", false, "one JSON object")
	if changes {
		flags.Uint64Var(&f.version, "expect-version", 0, "refuse a token that has another version")
	}
}

// onToken carries out a command on a token and shows what the token is then.
func (a *app) onToken(ctx context.Context, f *tokenFlags, token string, may tokenize.Permission,
	do func(*tokenize.Repository, tokenize.Caller) (tokenize.Details, error)) error {
	owner, err := actorOf(f.actor)
	if err != nil {
		return err
	}
	v, err := a.open(ctx)
	if err != nil {
		return err
	}
	defer v.Close()
	repo, err := repository(ctx, v, f.repository)
	if err != nil {
		return err
	}
	if may&tokenize.MayDelete != 0 && v.Settings.Codes != "" {
		if _, err := v.Codes(ctx, repo); err != nil { // which erases the token's with it
			return err
		}
	}
	d, err := do(repo, tokenize.Caller{Owner: owner, Permissions: may})
	if errors.Is(err, tokenize.ErrTokenNotFound) {
		return unknownToken(token, f.repository)
	}
	if err != nil {
		return err
	}
	return closed(v, a.showToken(&d, f.json))
}

func (a *app) tokenSuspend() *cobra.Command {
	return a.tokenChange("suspend", "Keep a token from giving its card, until it is activated",
		`suspend keeps a token from giving its card. Its details can still be seen and
updated, and activate takes it back. A token that is suspended already is left as it
is.`, tokenize.MaySuspend, (*tokenize.Repository).Suspend)
}

func (a *app) tokenActivate() *cobra.Command {
	return a.tokenChange("activate", "Take a suspension back",
		`activate lets a suspended token give its card again. What was deleted does not come
back.`, tokenize.MaySuspend, (*tokenize.Repository).Activate)
}

func (a *app) tokenDelete() *cobra.Command {
	return a.tokenChange("delete", "Erase a token's card for good",
		`delete erases the card behind a token, and the security codes that were put through
it. It cannot be taken back, and the token is never given out again. Copies of the
store that are older still hold the card.`,
		tokenize.MayDelete|tokenize.MayRead,
		func(r *tokenize.Repository, ctx context.Context, c tokenize.Caller, token string, expect ...tokenize.ExpectVersion) (tokenize.Details, error) {
			if err := r.Delete(ctx, c, token, expect...); err != nil {
				return tokenize.Details{}, err
			}
			return r.Get(ctx, c, token)
		})
}

// stateChange is a method of a repository.
type stateChange func(*tokenize.Repository, context.Context, tokenize.Caller, string, ...tokenize.ExpectVersion) (tokenize.Details, error)

func (a *app) tokenChange(name, short, long string, may tokenize.Permission, change stateChange) *cobra.Command {
	var f tokenFlags
	c := &cobra.Command{
		Use: name + " TOKEN", Short: short, Long: long,
		Example: "  cardseal token " + name + " 9123456789012346\n" +
			"  cardseal token " + name + " 9123456789012346 --repository SHOP --expect-version 3",
		Args: oneArgument("token"),
		RunE: action(func(c *cobra.Command, args []string) error {
			return a.onToken(c.Context(), &f, args[0], may, func(r *tokenize.Repository, who tokenize.Caller) (tokenize.Details, error) {
				return change(r, c.Context(), who, args[0], tokenize.ExpectVersion(f.version))
			})
		}),
	}
	f.add(c, true)
	return c
}

func (a *app) tokenUpdate() *cobra.Command {
	var f tokenFlags
	var expiry, tokenExpiry string
	var clear []string
	var holder, email bool
	c := &cobra.Command{
		Use:   "update TOKEN",
		Short: "Change details of a token",
		Long: `update changes what is given and leaves the rest. The card's number stays: a new
number is tokenized. Holder and e-mail are read from standard input, not from
arguments, which land in the shell's history.`,
		Example: `  cardseal token update 9123456789012346 --expiry 1231
  cardseal token update 9123456789012346 --token-expiry 2030-12-31 --clear holder,email
  cardseal token update 9123456789012346 --holder-from-stdin < name.txt`,
		Args: oneArgument("token"),
		RunE: action(func(c *cobra.Command, args []string) error {
			q := tokenize.UpdateRequest{Token: args[0], ExpectVersion: f.version}
			err := parseUpdate(&q, expiry, tokenExpiry, clear)
			switch {
			case err != nil:
			case holder && email:
				err = usagef("--holder-from-stdin and --email-from-stdin go one at a time")
			case holder:
				q.Card.Holder, err = oneLine(newStdin(c.Context(), a.stdin), card.CheckHolder)
			case email:
				q.Card.Email, err = oneLine(newStdin(c.Context(), a.stdin), card.CheckEmail)
			case expiry == "" && tokenExpiry == "" && q.Clear == 0:
				err = usagef("there is nothing to change; see --help")
			}
			if err != nil {
				return err
			}
			return a.onToken(c.Context(), &f, args[0], tokenize.MayUpdate, func(r *tokenize.Repository, who tokenize.Caller) (tokenize.Details, error) {
				q.Caller = who
				return r.Update(c.Context(), q)
			})
		}),
	}
	f.add(c, true)
	flags := c.Flags()
	flags.StringVar(&expiry, "expiry", "", "the card's expiry, MMYY")
	flags.StringVar(&tokenExpiry, "token-expiry", "", "the last day on which the token serves, YYYY-MM-DD (UTC)")
	flags.BoolVar(&holder, "holder-from-stdin", false, "read the holder's name, one line")
	flags.BoolVar(&email, "email-from-stdin", false, "read the holder's e-mail address, one line")
	flags.StringSliceVar(&clear, "clear", nil, "details to take away: expiry, token-expiry, holder, email")
	return c
}

func parseUpdate(q *tokenize.UpdateRequest, expiry, tokenExpiry string, clear []string) (err error) {
	if expiry != "" {
		if q.Card.Expiry, err = card.ParseExpiryLenient(expiry); err != nil {
			return usagef("--expiry has to be written MMYY, with a month from 01 to 12")
		}
	}
	if tokenExpiry != "" {
		if q.TokenExpiry, err = tokenize.ParseDate(tokenExpiry); err != nil {
			return usagef("--token-expiry has to be a day, written YYYY-MM-DD")
		}
	}
	known := map[string]tokenize.Clear{
		"expiry": tokenize.ClearExpiry, "token-expiry": tokenize.ClearTokenExpiry,
		"holder": tokenize.ClearHolder, "email": tokenize.ClearEmail,
	}
	for _, name := range clear {
		bit, ok := known[name]
		if !ok {
			return usagef("--clear takes expiry, token-expiry, holder and email")
		}
		q.Clear |= bit
	}
	return nil
}

// oneLine reads one line, which is not empty and passes a check.
func oneLine(r io.Reader, check func(string) error) (string, error) {
	line, err := bufio.NewReader(io.LimitReader(r, 4096)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", err
	}
	line = strings.TrimRight(line, "\r\n")
	if line == "" {
		return "", usagef("standard input has no line to read")
	}
	if e, ok := errors.AsType[*card.Error](check(line)); ok {
		return "", usagef("%s %s", e.Field, e.Reason)
	}
	return line, nil
}
