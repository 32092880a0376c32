package cli

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/cardseal/cardseal/cmd/cardseal/internal/bulk"
	"github.com/cardseal/cardseal/cmd/cardseal/internal/vaultdir"
	"github.com/cardseal/cardseal/tokenize"
)

func (a *app) cvcAllocate() *cobra.Command {
	var f cvcFlags
	c := &cobra.Command{
		Use:   "allocate TOKEN",
		Short: "Draw a security code for an issued card",
		Long: `allocate draws a random code for a card in an issuer's repository: 4 digits for
American Express, 3 for the others but UATP, whose cards carry none, and another one
than is there. It shows no code; cardseal cvc retrieve writes it to a file.`,
		Example: "  cardseal cvc allocate 9123456789012346 --repository ISSUED",
		Args:    oneArgument("token"),
		RunE: action(func(c *cobra.Command, args []string) error {
			return a.onCode(c.Context(), &f, args[0], tokenize.MaySaveCode|tokenize.MayVerifyCode, func(q *codeCall) error {
				if err := q.codes.Allocate(c.Context(), q.caller, args[0]); err != nil {
					return lostAnswer(err, "another code may be there or not, cardseal cvc status says since when; the same command again draws one more")
				}
				return a.showCodeStatus(c.Context(), q, args[0], f.json)
			})
		}),
	}
	f.add(c, false)
	f.addJSON(c)
	return c
}

func (a *app) cvcAuthorized() *cobra.Command {
	var f cvcFlags
	c := &cobra.Command{
		Use:   "authorized TOKEN",
		Short: "Erase a card's security code, since the payment was authorized",
		Long: `authorized says that the payment was authorized, or will not be: the owner's code for
the card is erased at once (PCI DSS 3.3.1). One that is gone already is no error. Of a
deleted token what was put through that token is erased, and nothing that was put
through another token of the card: name one that is not deleted. An issuer's codes are
not erased so; cardseal token delete erases them with the card.`,
		Example: "  cardseal cvc authorized 9123456789012346 --owner-type Merchant --owner M-1",
		Args:    oneArgument("token"),
		RunE: action(func(c *cobra.Command, args []string) error {
			return a.onCode(c.Context(), &f, args[0], tokenize.MaySaveCode, func(q *codeCall) error {
				err := q.codes.Authorized(c.Context(), q.caller, q.owner, args[0])
				if err == nil {
					a.warn("the security code is erased; of a deleted token, what was put through that token")
				}
				return err
			})
		}),
	}
	f.add(c, true)
	return c
}

func (a *app) cvcRetrieve() *cobra.Command {
	var f cvcFlags
	var out string
	c := &cobra.Command{
		Use:   "retrieve TOKEN",
		Short: "Write a card's security code to a file",
		Long: `retrieve writes a code to a new file, mode 0600, and nothing else into it. It is never
written onto a terminal, and written down in the audit log before it is given out. A
code that is no issuer's is given out once, and erased by that.`,
		Example: "  cardseal cvc retrieve 9123456789012346 --out code.txt\n  cardseal cvc retrieve 9123456789012346 --out - | ./authorize",
		Args:    oneArgument("token"),
		RunE: action(func(c *cobra.Command, args []string) error {
			if err := errors.Join(needs("out", out), a.refuseTerminal(out, "security codes")); err != nil {
				return err
			}
			return a.onCode(c.Context(), &f, args[0], tokenize.MayRevealCode, func(q *codeCall) error {
				return a.retrieve(c.Context(), q, args[0], out)
			})
		}),
	}
	f.add(c, true)
	c.Flags().StringVar(&out, "out", "", `file for the code, "-" for standard output if that is no terminal`)
	_ = c.MarkFlagFilename("out")
	return c
}

// retrieve makes the file first: a code may be given out once and no more.
func (a *app) retrieve(ctx context.Context, q *codeCall, token, out string) error {
	if out == "-" {
		return writeCode(ctx, q, token, a.stdout)
	}
	f, err := os.OpenFile(out, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, os.ErrExist) {
		return &failure{(&bulk.ExistsError{Path: out}).Error()}
	}
	if err != nil {
		return err
	}
	err = writeCode(ctx, q, token, f)
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return errors.Join(err, os.Remove(out))
	}
	return vaultdir.SyncDir(filepath.Dir(out))
}

func writeCode(ctx context.Context, q *codeCall, token string, w io.Writer) error {
	c, err := q.codes.Retrieve(ctx, q.caller, q.owner, token)
	if err != nil {
		return lostAnswer(err, "the code was not written, and may be erased as one that was given out; see cardseal cvc status")
	}
	// The record of it is durable before the code is anywhere.
	if err := q.vault.Audit.Sync(); err != nil {
		return errors.Join(tokenize.ErrAudit, err)
	}
	text := append(c.AppendDigits(make([]byte, 0, 5)), '\n')
	defer clear(text)
	_, err = w.Write(text)
	return err
}
