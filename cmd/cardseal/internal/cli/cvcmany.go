package cli

import (
	"context"
	"io"

	"github.com/spf13/cobra"

	"github.com/cardseal/cardseal/cmd/cardseal/internal/bulk"
	"github.com/cardseal/cardseal/cmd/cardseal/internal/rows"
	"github.com/cardseal/cardseal/tokenize"
	"github.com/cardseal/cardseal/tokenize/card"
)

// codeInput says where many codes are read from.
type codeInput struct {
	path, rejects           string
	tokenColumn, codeColumn string
}

func (in *codeInput) add(c *cobra.Command) {
	flags := c.Flags()
	flags.StringVar(&in.path, "in", "", `file with tokens and codes, "-" for standard input, in place of TOKEN`)
	flags.StringVar(&in.rejects, "rejects", "", "file for refused rows (default IN"+rejectsSuffix+"; standard error with --in -)")
	flags.StringVar(&in.tokenColumn, "token-column", "token", "name of the column of tokens")
	flags.StringVar(&in.codeColumn, "code-column", "code", "name of the column of codes")
	_ = c.MarkFlagFilename("in")
}

// tokenOrInput demands a token, or --in and none.
func tokenOrInput(in *codeInput) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if in.path != "" && len(args) == 0 || in.path == "" && len(args) == 1 {
			return nil
		}
		return usagef("%s takes exactly one argument, the token, or --in; see --help", c.CommandPath())
	}
}

// manyCodes carries a batch command out over the rows of a file.
func (a *app) manyCodes(ctx context.Context, f *cvcFlags, from *codeInput, may tokenize.Permission, verb string,
	do func(ctx context.Context, q *codeCall, tokens []string, codes []card.CVC) ([]*tokenize.Error, error)) error {
	if from.rejects == "" && from.path != "-" {
		from.rejects = from.path + rejectsSuffix
	}
	nowhere := "-"
	if err := paths(&from.path, &nowhere, &from.rejects); err != nil {
		return err
	}
	in, err := a.openInput(from.path)
	if err != nil {
		return err
	}
	defer in.Close()
	cols, err := from.columns(in)
	if err != nil {
		return err
	}
	return a.onCodes(ctx, f, may, func(q *codeCall, repo *tokenize.Repository) error {
		return a.bulk(ctx, in, &bulk.Run{
			Stream: io.Discard, Rejects: from.rejects, Unrecorded: true,
			Repository: repo, Caller: q.caller,
			Work: bulk.Codes(cols, func(ctx context.Context, tokens []string, codes []card.CVC) ([]*tokenize.Error, error) {
				return do(ctx, q, tokens, codes)
			}),
		}, verb)
	})
}

// columns finds the columns, or sees that the file has a token and a code a line. What
// it says repeats nothing of the first line, which may have a code in it.
func (in *codeInput) columns(from *input) (cols bulk.CodeColumns, err error) {
	h, err := rows.ParseHeader(from.first)
	if err != nil {
		return cols, usagef("the first line of %s %s", from.name, rows.ReasonQuote)
	}
	token, hasToken := h.Find(in.tokenColumn)
	code, hasCode := h.Find(in.codeColumn)
	switch {
	case hasToken && hasCode && h.Count(in.tokenColumn) == 1 && h.Count(in.codeColumn) == 1 && token != code:
		return bulk.CodeColumns{Header: h, Token: token, Code: code}, nil
	case hasToken || hasCode || h.Len() != 2:
		return cols, usagef("the first line of %s is neither a header with one column of tokens and one of codes, which "+
			"--token-column and --code-column name, nor a token and a code", from.name)
	}
	from.reader.Again()
	cols.Header, err = rows.ParseHeader([]byte("token,code"))
	cols.Code = 1
	return cols, err
}
