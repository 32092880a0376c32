package cli

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/cardseal/cardseal/cmd/cardseal/internal/bulk"
	"github.com/cardseal/cardseal/cmd/cardseal/internal/rows"
	"github.com/cardseal/cardseal/tokenize/card"
)

// answer is what card says of a line.
type answer struct {
	Valid      bool   `json:"valid"`
	Luhn       bool   `json:"luhn"`
	Length     int    `json:"length"`
	Brand      string `json:"brand,omitempty"`
	Scheme     string `json:"scheme,omitempty"`
	LocalBrand string `json:"localBrand,omitempty"`
	BIN        string `json:"bin,omitempty"`
	LastFour   string `json:"lastFour,omitempty"`
	Masked     string `json:"masked,omitempty"`
	Error      string `json:"error,omitempty"`
}

func (a *app) cardCommand() *cobra.Command {
	var in, mask string
	var asJSON bool
	c := &cobra.Command{
		Use:   "card",
		Short: "What can be read from card numbers: validity, brand, mask",
		Long: `card reads one card number a line and answers each line with one line, bad
ones too. It never repeats a number, keeps nothing and needs no vault.

valid says that the number lies in a known range, has a length its brand uses, and
passes the Luhn check where its brand demands it. Bad numbers are answers, not
failures: the exit status is 0.`,
		Example: `  cardseal card < numbers.txt
  cardseal card --json --mask 0.4 --in numbers.txt`,
		Args: noArguments,
		RunE: action(func(c *cobra.Command, _ []string) error {
			m, err := card.ParseMask(mask)
			if err != nil {
				return usagef("--mask %s", err.Error())
			}
			r := a.stdin
			if in != "-" {
				f, err := os.Open(in)
				if err != nil {
					return err
				}
				defer f.Close()
				r = f
			}
			return a.cards(c.Context(), r, m, asJSON)
		}),
	}
	c.Flags().StringVar(&in, "in", "-", `file with numbers, "-" for standard input`)
	c.Flags().StringVar(&mask, "mask", "6.4", "how many first and last digits to show")
	c.Flags().BoolVar(&asJSON, "json", false, "one JSON object a line")
	return c
}

func (a *app) cards(ctx context.Context, r io.Reader, m card.Mask, asJSON bool) error {
	in := rows.NewReader(r, 0, 0)
	out := bufio.NewWriter(a.stdout)
	enc := json.NewEncoder(out)
	for n := 0; ; n++ {
		if n%1000 == 0 && ctx.Err() != nil {
			_ = out.Flush()
			return bulk.ErrInterrupted
		}
		line, err := in.Next()
		var ans answer
		switch {
		case errors.Is(err, io.EOF):
			return out.Flush()
		case errors.Is(err, rows.ErrTooLong):
			ans.Error = "line is longer than 65536 bytes"
		case err != nil:
			if ferr := out.Flush(); ferr != nil {
				return ferr
			}
			return err
		default:
			ans = examine(bytes.TrimSpace(line), m)
		}
		if asJSON {
			err = enc.Encode(&ans)
		} else {
			err = ans.print(out)
		}
		if err != nil {
			return err
		}
	}
}

// examine says what can be read from a number.
func examine(line []byte, m card.Mask) answer {
	pan, err := card.ParsePANLenient(line)
	if err != nil {
		return answer{Length: digitsOnly(line), Error: said(err)}
	}
	ans := answer{
		Luhn: pan.Luhn(), Length: pan.Len(),
		Brand: pan.Brand().String(), Scheme: pan.Scheme().String(),
		BIN: pan.BIN(), LastFour: pan.LastFour(),
		Masked: string(pan.AppendMasked(nil, m)),
	}
	if l := pan.LocalBrand(); l != 0 {
		ans.LocalBrand = l.String()
	}
	if err := pan.Check(nil); err != nil {
		ans.Error = said(err)
	}
	ans.Valid = ans.Error == ""
	return ans
}

// digitsOnly is the length of a line of digits, else 0.
func digitsOnly(line []byte) int {
	for _, c := range line {
		if c < '0' || c > '9' {
			return 0
		}
	}
	return len(line)
}

func said(err error) string {
	if e, ok := errors.AsType[*card.Error](err); ok {
		return e.Field + " " + e.Reason
	}
	return "cannot be read"
}

// print writes the answer as text: ok or bad, then what there is to say.
func (ans *answer) print(w io.Writer) error {
	word := "ok "
	if !ans.Valid {
		word = "bad"
	}
	line := word
	if ans.Masked != "" {
		line += fmt.Sprintf("  %-19s  %2d digits  %s", ans.Masked, ans.Length, ans.Brand)
	}
	if ans.LocalBrand != "" {
		line += " (" + ans.LocalBrand + ")"
	}
	if ans.Error != "" {
		line += "  " + ans.Error
	}
	_, err := fmt.Fprintln(w, line)
	return err
}
