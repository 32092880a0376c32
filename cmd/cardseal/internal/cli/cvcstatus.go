package cli

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/cardseal/cardseal/tokenize"
	"github.com/cardseal/cardseal/tokenize/code"
)

// codeStatus is how a security code stands, as these commands show it.
type codeStatus struct {
	Token    string         `json:"token"`
	Created  time.Time      `json:"created"`
	Expires  *time.Time     `json:"expires,omitempty"`
	Reads    int            `json:"readsLeft,omitempty"` // 0: as often as is asked
	Guesses  int            `json:"guessesLeft"`
	Counters []codeCounting `json:"counters"`
}

// codeCounting is a try counter.
type codeCounting struct {
	Counter string `json:"counter"`
	State   string `json:"state"`
	Left    int    `json:"left"`
}

func (a *app) cvcStatus() *cobra.Command {
	var f cvcFlags
	c := &cobra.Command{
		Use:   "status TOKEN",
		Short: "How a card's security code stands",
		Long: `status shows when a code was put and when it ends, whether its counters are Blocked or
Unblocked, and how many attempts are left: of each counter, and in the code's life.
It makes no attempt and is not recorded.`,
		Example: "  cardseal cvc status 9123456789012346 --json",
		Args:    oneArgument("token"),
		RunE: action(func(c *cobra.Command, args []string) error {
			return a.onCode(c.Context(), &f, args[0], tokenize.MayVerifyCode, func(q *codeCall) error {
				return a.showCodeStatus(c.Context(), q, args[0], f.json)
			})
		}),
	}
	f.add(c, true)
	f.addJSON(c)
	return c
}

func (a *app) showCodeStatus(ctx context.Context, q *codeCall, token string, asJSON bool) error {
	st, err := q.codes.Status(ctx, q.caller, q.owner, token)
	if err != nil {
		return err
	}
	s := codeStatus{Token: token, Created: st.Created, Expires: given(st.Expires), Reads: st.ReadsLeft, Guesses: st.GuessesLeft}
	for _, n := range st.Counters {
		s.Counters = append(s.Counters, codeCounting{n.Counter.String(), n.State.String(), n.Left})
	}
	if asJSON {
		return a.printJSON(&s)
	}
	reads := ""
	if s.Reads > 0 {
		reads = strconv.Itoa(s.Reads)
	}
	type shown struct{ name, value string }
	list := []shown{
		{"token", s.Token}, {"created", s.Created.Format(time.RFC3339)}, {"expires", stamp(s.Expires)},
		{"reads left", reads}, {"guesses left", strconv.Itoa(s.Guesses)},
	}
	for _, n := range s.Counters {
		list = append(list, shown{n.Counter, fmt.Sprintf("%s, attempts left: %d", n.State, n.Left)})
	}
	for _, l := range list {
		if err := field(a.stdout, l.name, l.value); err != nil {
			return err
		}
	}
	return nil
}

func (a *app) cvcUnblock() *cobra.Command {
	return a.cvcClear("unblock", "Clear Blocked, and count attempts anew",
		`unblock clears the card's own counter and those of the wallets named, Blocked
included. The wrong attempts that the code has had in its life stay counted.`, (*code.Codes).Unblock)
}

func (a *app) cvcReset() *cobra.Command {
	return a.cvcClear("reset", "Count attempts anew, but leave Blocked",
		`reset sets the card's own try counter and those of the wallets named to zero. A
counter that is Blocked stays so: unblock clears it.`, (*code.Codes).ResetTries)
}

func (a *app) cvcClear(name, short, long string,
	do func(*code.Codes, context.Context, tokenize.Caller, code.Owner, string, ...code.Counter) error) *cobra.Command {
	var f cvcFlags
	var names []string
	c := &cobra.Command{
		Use: name + " TOKEN", Short: short, Long: long,
		Example: "  cardseal cvc " + name + " 9123456789012346\n" +
			"  cardseal cvc " + name + " 9123456789012346 --wallets google,apple",
		Args: oneArgument("token"),
		RunE: action(func(c *cobra.Command, args []string) error {
			list, err := parseWallets("wallets", names)
			if err != nil {
				return err
			}
			return a.onCode(c.Context(), &f, args[0], tokenize.MayUnblockCode|tokenize.MayVerifyCode, func(q *codeCall) error {
				if err := do(q.codes, c.Context(), q.caller, q.owner, args[0], list...); err != nil {
					return err
				}
				return a.showCodeStatus(c.Context(), q, args[0], f.json)
			})
		}),
	}
	f.add(c, true)
	f.addJSON(c)
	c.Flags().StringSliceVar(&names, "wallets", nil, "wallets whose counters are meant too: google, apple, samsung")
	return c
}
