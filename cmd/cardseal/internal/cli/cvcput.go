package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/cardseal/cardseal/tokenize"
	"github.com/cardseal/cardseal/tokenize/card"
	"github.com/cardseal/cardseal/tokenize/code"
)

func (a *app) cvcPut() *cobra.Command {
	var f cvcFlags
	var in codeInput
	c := &cobra.Command{
		Use:   "put [TOKEN]",
		Short: "Keep a card's security code",
		Long: `put keeps the code that it reads from standard input, in place of the one there is,
whose counters end with it.

With --in it keeps many: the input is CSV with columns token and code, or a token and
a code a line. Rows that are refused are in the rejects file with their line numbers
and reasons.`,
		Example: `  cardseal cvc put 9123456789012346 < code.txt
  cardseal cvc put 9123456789012346 --repository SHOP --owner-type Site --owner S-1
  cardseal cvc put --in codes.csv`,
		Args: tokenOrInput(&in),
		RunE: action(func(c *cobra.Command, args []string) error {
			ctx := c.Context()
			if in.path != "" {
				return a.manyCodes(ctx, &f, &in, tokenize.MaySaveCode, "kept", func(ctx context.Context, q *codeCall, tokens []string, codes []card.CVC) ([]*tokenize.Error, error) {
					puts := make([]code.Put, len(tokens))
					for i := range puts {
						puts[i] = code.Put{Ref: code.Ref{Owner: q.owner, Token: tokens[i]}, Code: codes[i]}
					}
					return q.codes.PutBatch(ctx, q.caller, puts)
				})
			}
			cvc, err := a.readCode(ctx)
			if err != nil {
				return err
			}
			return a.onCode(ctx, &f, args[0], tokenize.MaySaveCode|tokenize.MayVerifyCode, func(q *codeCall) error {
				if err := q.codes.Put(ctx, q.caller, q.owner, args[0], cvc); err != nil {
					return err
				}
				return a.showCodeStatus(ctx, q, args[0], f.json)
			})
		}),
	}
	f.add(c, true)
	f.addJSON(c)
	in.add(c)
	return c
}

// compared is what cvc verify tells of one code.
type compared struct {
	Right   bool   `json:"right"`
	Counter string `json:"counter"`
	State   string `json:"state"`
	Left    int    `json:"left"`
}

func (a *app) cvcVerify() *cobra.Command {
	var f cvcFlags
	var in codeInput
	var wallet string
	c := &cobra.Command{
		Use:   "verify [TOKEN]",
		Short: "Compare a candidate with a card's security code",
		Long: `verify compares the code that it reads from standard input with the one that is kept.
The exit status is 1 if it is another, or if nothing was compared because the counter
is blocked. A wrong one counts, and so does one whose command was interrupted.

With --in it compares many: the input is CSV with columns token and code, or a token
and a code a line. Rows whose code is not right are in the rejects file with their line
numbers and reasons, and the exit status is 3. Each row counts, however the run ends.`,
		Example: `  cardseal cvc verify 9123456789012346 < candidate.txt
  cardseal cvc verify 9123456789012346 --wallet google --json
  cardseal cvc verify --in candidates.csv --rejects wrong.csv`,
		Args: tokenOrInput(&in),
		RunE: action(func(c *cobra.Command, args []string) error {
			ctx, by := c.Context(), code.Card
			if wallet != "" {
				list, err := parseWallets("wallet", []string{wallet})
				if err != nil {
					return err
				}
				by = list[0]
			}
			if in.path != "" {
				return a.manyCodes(ctx, &f, &in, tokenize.MayVerifyCode, "verified", func(ctx context.Context, q *codeCall, tokens []string, codes []card.CVC) ([]*tokenize.Error, error) {
					return verifyMany(ctx, q, tokens, codes, by)
				})
			}
			candidate, err := a.readCode(ctx)
			if err != nil {
				return err
			}
			return a.onCode(ctx, &f, args[0], tokenize.MayVerifyCode, func(q *codeCall) error {
				st, err := q.codes.Verify(ctx, q.caller, q.owner, args[0], candidate, by)
				err = lostAnswer(err, "the attempt may have counted, and the same command again makes another; see cardseal cvc status")
				return a.showCompared(st, by, err, f.json)
			})
		}),
	}
	f.add(c, true)
	f.addJSON(c)
	in.add(c)
	c.Flags().StringVar(&wallet, "wallet", "", "the wallet the candidate came by: google, apple or samsung (default none)")
	return c
}

func verifyMany(ctx context.Context, q *codeCall, tokens []string, codes []card.CVC, by code.Counter) ([]*tokenize.Error, error) {
	candidates := make([]code.Candidate, len(tokens))
	for i := range candidates {
		candidates[i] = code.Candidate{Ref: code.Ref{Owner: q.owner, Token: tokens[i]}, Code: codes[i], Counter: by}
	}
	results, err := q.codes.VerifyBatch(ctx, q.caller, candidates)
	errs := make([]*tokenize.Error, len(results))
	for i := range results {
		errs[i] = results[i].Err
	}
	return errs, err
}

// showCompared tells what a comparison came to, and fails where the candidate is wrong.
func (a *app) showCompared(st code.CounterStatus, by code.Counter, err error, asJSON bool) error {
	if st.Counter == 0 { // nothing was compared
		return err
	}
	if asJSON {
		if jerr := a.printJSON(compared{err == nil, st.Counter.String(), st.State.String(), st.Left}); jerr != nil {
			return jerr
		}
	}
	switch {
	case err != nil && st.State == code.Blocked:
		return &failure{"the security code is wrong, and counter " + by.String() + " has no attempt left; see cardseal cvc status"}
	case err != nil:
		return &failure{fmt.Sprintf("the security code is wrong; attempts left: %d", st.Left)}
	case asJSON:
		return nil
	}
	_, err = fmt.Fprintln(a.stdout, "the security code is right")
	return err
}
