package cli

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/cardseal/cardseal/cmd/cardseal/internal/vaultdir"
	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/tokenize"
	"github.com/cardseal/cardseal/tokenize/audit"
)

func (a *app) keysRetire() *cobra.Command {
	return a.keyChange("retire", "Take an active key out of use for sealing",
		`retire takes a ring's active key out of use for sealing. It goes on opening what it
sealed, and the next seal makes a new key; rotate does both in one step. Services
that use the same store may seal under it for as long as their seal lease, five
minutes by default. A retired key does not become active again.`, audit.RetireKey, (*keys.Manager).Retire)
}

func (a *app) keysDisable() *cobra.Command {
	return a.keyChange("disable", "Take a key out of use, until it is enabled",
		`disable keeps a key from sealing and opening. What it sealed cannot be read until the
key is enabled; nothing is lost. Services that have the key in memory go on opening
with it for an hour at most, unless they are set otherwise.`, audit.DisableKey, (*keys.Manager).Disable)
}

func (a *app) keysEnable() *cobra.Command {
	return a.keyChange("enable", "Let a disabled key open again",
		`enable lets a disabled key open again what it sealed. It does not seal again,
whatever it was before.`, audit.EnableKey, (*keys.Manager).Enable)
}

func (a *app) keyChange(name, short, long string, what audit.Action, change func(*keys.Manager, context.Context, keys.KeyID) error) *cobra.Command {
	const lost = "the data key was changed, but the audit log could not be written; see cardseal keys list"
	var actor string
	var asJSON bool
	c := &cobra.Command{
		Use: name + " ID", Short: short, Long: long,
		Example: "  cardseal keys " + name + " " + exampleKey,
		Args:    oneArgument("key's ID"),
		RunE: action(func(c *cobra.Command, args []string) error {
			id, err := parseKeyID(args[0])
			if err != nil {
				return err
			}
			who, err := actorOf(actor)
			if err != nil {
				return err
			}
			v, err := a.open(c.Context())
			if err != nil {
				return err
			}
			defer v.Close()
			r, repository, err := findKey(c.Context(), v, id)
			if err != nil {
				return err
			}
			var unread error // no failure of the change, which was made
			err = recorded(c.Context(), v, keyEvent(what, who, repository, r), lost, func(e *audit.Event) error {
				was := r.State
				if err := change(v.Keys, c.Context(), id); err != nil {
					return keyError(err)
				}
				if r, _, unread = findKey(c.Context(), v, id); unread == nil && r.State == was {
					e.Outcome = audit.Unchanged
				}
				return nil
			})
			if err != nil {
				return err
			}
			if unread != nil {
				a.warn("the data key was changed, but could not be read again; see cardseal keys list")
				return unread
			}
			return closed(v, a.showKey(listed(repository, r, time.Now()), asJSON))
		}),
	}
	actorFlag(c, &actor)
	c.Flags().BoolVar(&asJSON, "json", false, "one JSON object")
	return c
}

// exampleKey is a data key's ID in help texts.
const exampleKey = "3f8a1c5e7b2d4960a1b2c3d4e5f60718"

// parseKeyID reads an ID as keys list shows it, and does not repeat it.
func parseKeyID(text string) (id keys.KeyID, err error) {
	b, err := hex.DecodeString(text)
	if err != nil || len(b) != len(id) {
		return id, usagef("a key's ID has %d hexadecimal digits; see cardseal keys list", hex.EncodedLen(len(id)))
	}
	return keys.KeyID(b), nil
}

// isKeyID reports an argument that can only be a data key's ID: it may have digits
// in it that pass as a card number.
func isKeyID(arg string) bool {
	_, err := parseKeyID(arg)
	return err == nil && strings.ContainsAny(arg, "abcdefABCDEF")
}

// findKey finds the record of a key of the vault, and the repository whose own it is.
func findKey(ctx context.Context, v *vaultdir.Vault, id keys.KeyID) (found *keys.Record, repository string, err error) {
	err = eachKey(ctx, v, "", func(of string, r *keys.Record) error {
		if r.ID == id {
			found, repository = r, of
		}
		return nil
	})
	if err == nil && found == nil {
		err = errNoKey
	}
	return found, repository, err
}

var errNoKey = &failure{"there is no such data key in this vault; see cardseal keys list"}

// keyError says in plain words why a key's state was not changed.
func keyError(err error) error {
	if e, ok := errors.AsType[*keys.StateError](err); ok {
		switch {
		case e.From == keys.Destroyed:
			return &failure{"the data key was destroyed, which cannot be taken back"}
		case e.To == keys.Destroyed:
			return &failure{"the data key is " + e.From.String() + ": retire or disable it first"}
		}
		return &failure{fmt.Sprintf("the data key is %v and cannot become %v", e.From, e.To)}
	}
	if e, ok := errors.AsType[*keys.EarlyError](err); ok {
		return &failure{"services may seal under the data key until " + e.Until.Format(time.RFC3339) + "; try again then"}
	}
	if e, ok := errors.AsType[*keys.InUseError](err); ok {
		return inUse(e.Records, "")
	}
	switch {
	case errors.Is(err, keys.ErrNotRotatable):
		return &failure{"the active index key cannot be taken out of use: cards would not be found; cardseal reindex replaces it first"}
	case errors.Is(err, tokenize.ErrKeyNamed):
		return errNamed
	case errors.Is(err, keys.ErrNotFound):
		return errNoKey
	}
	return err
}

var errNamed = &failure{"a repository finds its cards or makes its tokens under the data key, and would stand still without it: " +
	"it is not destroyed; see cardseal keys census"}

func inUse(records uint64, p keys.Purpose) error {
	ring := ""
	if p == keys.CVC || p == keys.Capture {
		ring = " --ring " + string(p)
	}
	return &failure{fmt.Sprintf("%d records need the data key: cardseal reseal%s brings them under the active one, --shred loses them for good", records, ring)}
}
