package cli

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/cardseal/cardseal/cmd/cardseal/internal/rows"
	"github.com/cardseal/cardseal/cmd/cardseal/internal/vaultdir"
	"github.com/cardseal/cardseal/tokenize"
	"github.com/cardseal/cardseal/tokenize/code"
)

func (a *app) cvcCommand() *cobra.Command {
	c := group("cvc", "Security codes of cards",
		"  cardseal cvc put 9123456789012346 < code.txt\n  cardseal cvc verify 9123456789012346 --wallet apple",
		a.cvcPut(), a.cvcVerify(), a.cvcStatus(), a.cvcUnblock(), a.cvcReset(),
		a.cvcAllocate(), a.cvcRetrieve(), a.cvcAuthorized(), a.cvcErasures())
	c.Long = `Security codes are read from standard input, or asked for on a terminal, never from
arguments, and nothing but cvc retrieve gives one out.

Whoever did not issue the cards must not keep their codes after authorization, even
encrypted (PCI DSS 3.3.1). So the codes of a repository are forgotten: they lie, with
the keys they are sealed under, in a PostgreSQL database of their own (cardseal init
--codes). A code is given out for 15 minutes, or what "codesTTL" in settings.json says;
25 minutes later at most its key is destroyed and in no process's memory any more. That
needs a process that sweeps, a service or cardseal cvc erasures once a minute. A code
belongs to an owner (--owner-type and --owner, by default the vault's own) and a card.

A repository of an issuer (cardseal repo create --issuer-codes) keeps its cards' codes
in the vault's store until their token is deleted or given another number (PCI DSS
3.3.3). They have no owner.

Wrong codes are counted, apart for the card itself and each wallet: three in a row
block a counter, and fifteen in all are what a code takes in its life. Where services
allow others (code.Options), write theirs into settings.json as "codesTries" and
"codesGuesses": each program goes by its own.`
	return c
}

// cvcFlags are those of every command on security codes.
type cvcFlags struct {
	repository, actor string
	ownerType, owner  string
	json              bool // --json
}

func (f *cvcFlags) add(c *cobra.Command, owned bool) {
	flags := c.Flags()
	flags.StringVar(&f.repository, "repository", defaultRepository, "the repository's ID")
	actorFlag(c, &f.actor)
	if owned {
		flags.StringVar(&f.ownerType, "owner-type", "", "whose code it is: Referrer, MerchantGroup, Merchant or Site (default the vault's own)")
		flags.StringVar(&f.owner, "owner", "", "the owner's ID")
	}
}

func (f *cvcFlags) addJSON(c *cobra.Command) {
	c.Flags().BoolVar(&f.json, "json", false, "one JSON object")
}

func (f *cvcFlags) parseOwner() (o code.Owner, err error) {
	if f.ownerType == "" && f.owner == "" {
		return o, nil
	}
	if f.ownerType == "" || f.owner == "" {
		return o, usagef("--owner-type and --owner go together")
	}
	if o.Type, err = code.ParseOwnerType(f.ownerType); err != nil {
		return o, usagef("--owner-type must be Referrer, MerchantGroup, Merchant or Site")
	}
	o.ID = f.owner
	return o, nil
}

// wallets are the counters that options name.
var wallets = map[string]code.Counter{"google": code.GooglePay, "apple": code.ApplePay, "samsung": code.SamsungPay}

func parseWallets(flag string, names []string) (list []code.Counter, err error) {
	for _, name := range names {
		w, ok := wallets[name]
		if !ok {
			return nil, usagef("--%s takes google, apple and samsung", flag)
		}
		list = append(list, w)
	}
	return list, nil
}

// codeCall is what a command on security codes works with.
type codeCall struct {
	vault  *vaultdir.Vault
	codes  *code.Codes
	caller tokenize.Caller
	owner  code.Owner
}

// onCodes opens the service of a repository's security codes and carries out a command
// on it.
func (a *app) onCodes(ctx context.Context, f *cvcFlags, may tokenize.Permission,
	do func(q *codeCall, repo *tokenize.Repository) error) error {
	var q codeCall
	var err error
	if q.owner, err = f.parseOwner(); err != nil {
		return err
	}
	if q.caller.Owner, err = actorOf(f.actor); err != nil {
		return err
	}
	q.caller.Permissions = may
	if q.vault, err = a.open(ctx); err != nil {
		return err
	}
	defer q.vault.Close()
	repo, err := repository(ctx, q.vault, f.repository)
	if err != nil {
		return err
	}
	if q.codes, err = q.vault.Codes(ctx, repo); err != nil {
		return withoutCodes(q.vault, err)
	}
	return closed(q.vault, do(&q, repo))
}

// onCode is onCodes for the code of one token.
func (a *app) onCode(ctx context.Context, f *cvcFlags, token string, may tokenize.Permission, do func(q *codeCall) error) error {
	return a.onCodes(ctx, f, may, func(q *codeCall, _ *tokenize.Repository) error { return f.explain(do(q), token) })
}

// withoutCodes says what a vault lacks that has no place for codes.
func withoutCodes(v *vaultdir.Vault, err error) error {
	if !errors.Is(err, vaultdir.ErrNoCodes) {
		return err
	}
	return &failure{"the vault has no database for security codes that are to be forgotten: name one in " + v.Dir + "/" + vaultdir.SettingsFile +
		` as "codes": "postgres://host/database", and make its tables with cardseal store migrate`}
}

// lostAnswer says of a call that counts, erases or draws what to do when nobody knows
// whether it was carried out: to give the same command again is not to ask.
func lostAnswer(err error, text string) error {
	if errors.Is(err, tokenize.ErrOutcomeUnknown) {
		return &failure{"the answer to the last commit was lost: " + text}
	}
	return err
}

// explain words what the library says of one code. It repeats neither token nor owner.
func (f *cvcFlags) explain(err error, token string) error {
	if errors.Is(err, tokenize.ErrTokenNotFound) {
		if rows.HoldsPAN(token) {
			return unknownToken(token, f.repository)
		}
		return &failure{"there is no such token in repository " + f.repository + ", or no security code of this owner's for its card"}
	}
	if e, ok := errors.AsType[*tokenize.Error](err); ok && e.Field == "policy" {
		return usagef("repository %s %s", f.repository, e.Explanation)
	}
	return err
}
