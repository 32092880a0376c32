package cli

import (
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/cardseal/cardseal/cmd/cardseal/internal/rows"
	"github.com/cardseal/cardseal/tokenize"
)

// tokenDetails is what token get shows. It holds no card number.
type tokenDetails struct {
	Token      string     `json:"token"`
	Repository string     `json:"repository"`
	Status     string     `json:"status"`
	Valid      bool       `json:"valid"`
	Verified   string     `json:"verification,omitempty"`
	Brand      string     `json:"brand,omitempty"`
	Scheme     string     `json:"scheme,omitempty"`
	LocalBrand string     `json:"localBrand,omitempty"`
	BIN        string     `json:"bin,omitempty"`
	LastFour   string     `json:"lastFour,omitempty"`
	Masked     string     `json:"masked,omitempty"`
	Expiry     string     `json:"expiry,omitempty"`
	TokenEnd   string     `json:"tokenExpiry,omitempty"`
	Version    uint64     `json:"version"`
	Created    *time.Time `json:"created,omitempty"`
	Updated    *time.Time `json:"updated,omitempty"`
	UpdatedBy  string     `json:"updatedBy,omitempty"`
	LastUsed   *time.Time `json:"lastUsed,omitempty"`
}

func (a *app) tokenCommand() *cobra.Command {
	return group("token", "One token", "  cardseal token get 9123456789012346\n  cardseal token suspend 9123456789012346",
		a.tokenGet(), a.tokenUpdate(), a.tokenSuspend(), a.tokenActivate(), a.tokenDelete())
}

func (a *app) tokenGet() *cobra.Command {
	var f tokenFlags
	c := &cobra.Command{
		Use:   "get TOKEN",
		Short: "What is known of a token, without its card number",
		Long: `get shows what is known of a token: status, brand, masked number, expiry, times.
No key is used. What looks like a card number is refused and not repeated.`,
		Example: `  cardseal token get 9123456789012346
  cardseal token get 9123456789012346 --repository SHOP --json`,
		Args: oneArgument("token"),
		RunE: action(func(c *cobra.Command, args []string) error {
			return a.onToken(c.Context(), &f, args[0], tokenize.MayRead, func(r *tokenize.Repository, who tokenize.Caller) (tokenize.Details, error) {
				return r.Get(c.Context(), who, args[0])
			})
		}),
	}
	f.add(c, false)
	return c
}

// unknownToken does not repeat what was asked for. A number that could be either
// was taken for a token first.
func unknownToken(asked, repository string) error {
	if rows.HoldsPAN(asked) {
		return usagef("an argument looks like a card number and is no token. Numbers are read from files or standard input only")
	}
	return &failure{"there is no such token in repository " + repository}
}

func (a *app) showToken(d *tokenize.Details, asJSON bool) error {
	t := tokenDetails{
		Token: d.Token, Repository: d.Repository, Status: d.Status.String(), Valid: d.Valid, Version: d.Version,
		BIN: d.BIN, LastFour: d.LastFour, Masked: d.Masked, UpdatedBy: d.UpdatedBy,
		TokenEnd: d.TokenExpiry.String(), Created: given(d.Created), Updated: given(d.Updated), LastUsed: given(d.LastUsed),
	}
	if d.Status != tokenize.Deleted {
		t.Brand, t.Scheme, t.Verified = d.Brand.String(), d.Scheme.String(), d.Verified.String()
	}
	if d.LocalBrand != 0 {
		t.LocalBrand = d.LocalBrand.String()
	}
	if !d.Expiry.IsZero() {
		t.Expiry = d.Expiry.String()
	}
	if asJSON {
		return a.printJSON(&t)
	}
	bad := ""
	if !d.Valid && d.Status != tokenize.Deleted {
		bad = "an account updater said the card is no longer good"
	}
	for _, l := range []struct{ name, value string }{
		{"token", t.Token}, {"repository", t.Repository}, {"status", t.Status}, {"invalid", bad}, {"brand", t.Brand},
		{"masked", t.Masked}, {"expiry", t.Expiry}, {"token expiry", t.TokenEnd}, {"verification", t.Verified},
		{"version", strconv.FormatUint(t.Version, 10)},
		{"created", stamp(t.Created)}, {"updated", stamp(t.Updated)}, {"updated by", t.UpdatedBy},
		{"last used", stamp(t.LastUsed)},
	} {
		if err := field(a.stdout, l.name, l.value); err != nil {
			return err
		}
	}
	return nil
}

// field prints a name and its value, if it has one.
func field(w io.Writer, name, value string) error {
	if value == "" {
		return nil
	}
	_, err := fmt.Fprintf(w, "%-13s %s\n", name, value)
	return err
}

func given(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func stamp(t *time.Time) string {
	if t == nil {
		return ""
	}
	return t.Format(time.RFC3339)
}
