package tokenize_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/backends/store/memory"
	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/keys/keystest"
	"github.com/cardseal/cardseal/tokenize"
	"github.com/cardseal/cardseal/tokenize/audit"
	"github.com/cardseal/cardseal/tokenize/card"
	"github.com/cardseal/cardseal/tokenize/store"
)

func TestConfigRefused(t *testing.T) {
	w := inMemory(t)
	good := tokenize.Config{ID: "SHOP", Generation: tokenize.UUID, Management: tokenize.UniqueCard}
	for name, c := range map[string]struct {
		change func(*tokenize.Config)
		field  string
	}{
		"no ID":            {func(c *tokenize.Config) { c.ID = "" }, "repository"},
		"long ID":          {func(c *tokenize.Config) { c.ID = strings.Repeat("x", 41) }, "repository"},
		"ID with space":    {func(c *tokenize.Config) { c.ID = "A B" }, "repository"},
		"Test":             {func(c *tokenize.Config) { c.ID = "Test" }, "repository"},
		"a test twin's ID": {func(c *tokenize.Config) { c.ID = "TestSHOP" }, "repository"},
		"no generation":    {func(c *tokenize.Config) { c.Generation = 0 }, "generation"},
		"generation":       {func(c *tokenize.Config) { c.Generation = 99 }, "generation"},
		"no management":    {func(c *tokenize.Config) { c.Management = 0 }, "management"},
		"management":       {func(c *tokenize.Config) { c.Management = 99 }, "management"},
		"verification":     {func(c *tokenize.Config) { c.Verification = 99 }, "verification"},
	} {
		bad := good
		c.change(&bad)
		r, err := w.vault.EnsureRepository(t.Context(), bad)
		require.Nil(t, r, name)
		fails(t, err, tokenize.InvalidRequest, c.field, nil)
	}
	all, err := w.vault.Repositories(t.Context())
	require.NoError(t, err)
	require.Empty(t, all)
	for _, id := range []string{"test", "TEST1", "a-b_c", strings.Repeat("x", 40)} {
		good.ID = id
		_, err := w.vault.EnsureRepository(t.Context(), good)
		require.NoError(t, err, id)
	}
}

// What is stored counts: the same configuration finds it, another contradicts it.
func TestConfigIsStored(t *testing.T) {
	stores(t, func(t *testing.T, w *world) {
		mask, err := card.ParseMask("0.4*")
		require.NoError(t, err)
		c := tokenize.Config{
			ID: "SHOP", Generation: tokenize.Preserve64, Management: tokenize.UniqueToken,
			Verification: tokenize.None, Masking: mask, RequireExpiry: true,
		}
		r, err := w.vault.EnsureRepository(t.Context(), c)
		require.NoError(t, err)
		require.Equal(t, c, r.Config())
		again := w.other(r)
		require.Equal(t, c, again.Config())
		require.Equal(t, r.Scope(), again.Scope())
		require.Regexp(t, `^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`, r.Scope())
		for _, change := range []func(*tokenize.Config){
			func(c *tokenize.Config) { c.Generation = tokenize.UUID },
			func(c *tokenize.Config) { c.Management = tokenize.UniqueCard },
			func(c *tokenize.Config) { c.Verification = tokenize.Basic },
			func(c *tokenize.Config) { c.Verification = 0 },
			func(c *tokenize.Config) { c.Masking = card.Mask64 },
			func(c *tokenize.Config) { c.RequireExpiry = false },
		} {
			bad := c
			change(&bad)
			_, err := w.vault.EnsureRepository(t.Context(), bad)
			fails(t, err, tokenize.RequestRejected, "repository", tokenize.ErrConfig)
		}
		_, err = w.vault.Repository(t.Context(), "NONE")
		fails(t, err, tokenize.InvalidRequest, "repository", store.ErrNotFound)

		plain := tokenize.Config{ID: "PLAIN", Generation: tokenize.UUID, Management: tokenize.UniqueCard}
		r, err = w.vault.EnsureRepository(t.Context(), plain)
		require.NoError(t, err)
		require.Equal(t, tokenize.Basic, r.Config().Verification)
		require.Equal(t, card.Mask64, r.Config().Masking)
		all, err := w.vault.Repositories(t.Context())
		require.NoError(t, err)
		require.Equal(t, []tokenize.Config{r.Config(), c}, all)

		var created int
		for _, e := range w.sink.take() {
			require.Equal(t, audit.Create, e.Action)
			created++
		}
		require.Equal(t, 2, created, "one event for each that was made")
	})
}

// developmentKEK is one that is not fit for production.
type developmentKEK struct{ *keystest.KEK }

func (developmentKEK) Development() string { return "the key lies in a file" }

func TestOpenRefuses(t *testing.T) {
	ctx, d, kek := t.Context(), memory.New(), keystest.NewKEK("test")
	stored, err := keys.Open(ctx, d.Keys(), kek, nil)
	require.NoError(t, err)
	defer stored.Close()
	development, err := keys.Open(ctx, d.Keys(), developmentKEK{kek}, nil)
	require.NoError(t, err)
	defer development.Close()
	inline, err := keys.Inline(ctx, keys.NewKEKID(), kek, nil)
	require.NoError(t, err)
	defer inline.Close()
	closed, err := keys.Open(ctx, d.Keys(), kek, nil)
	require.NoError(t, err)
	require.NoError(t, closed.Close())

	_, err = tokenize.Open(ctx, nil, stored, nil)
	fails(t, err, tokenize.InvalidRequest, "vault", nil)
	_, err = tokenize.Open(ctx, d.Cards(), nil, nil)
	fails(t, err, tokenize.InvalidRequest, "vault", nil)
	_, err = tokenize.Open(ctx, d.Cards(), inline, nil)
	require.Equal(t, tokenize.Unsupported, fails(t, err, tokenize.InvalidRequest, "keys", nil).Kind)
	_, err = tokenize.Open(ctx, d.Cards(), development, nil)
	e := fails(t, err, tokenize.RequestRejected, "kek", nil)
	require.Contains(t, e.Explanation, "the key lies in a file")
	_, err = tokenize.Open(ctx, d.Cards(), development, &tokenize.Options{AllowDevelopmentKEK: true})
	require.NoError(t, err)
	// Nor is one that guards the keys beside a better one.
	beside, err := keys.Open(ctx, d.Keys(), kek, &keys.Options{KEKs: []keys.KEK{developmentKEK{keystest.NewKEK("second")}}})
	require.NoError(t, err)
	defer beside.Close()
	_, err = tokenize.Open(ctx, d.Cards(), beside, nil)
	fails(t, err, tokenize.RequestRejected, "kek", nil)
	over, cancel := context.WithCancel(ctx)
	cancel()
	_, err = tokenize.Open(over, d.Cards(), stored, nil)
	require.ErrorIs(t, err, context.Canceled)

	v, err := tokenize.Open(ctx, d.Cards(), closed, nil)
	require.NoError(t, err)
	_, err = v.EnsureRepository(ctx, tokenize.Config{ID: "SHOP", Generation: tokenize.UUID, Management: tokenize.UniqueCard})
	e = fails(t, err, tokenize.ServerFailed, "", keys.ErrClosed)
	require.Equal(t, "CLOSED", e.SupportCode)
}

// The verification of the request stands in for the repository's.
func TestVerification(t *testing.T) {
	w := inMemory(t)
	const bad = "4111111111111112"
	const nowhere = "9999990000000006"
	for _, c := range []struct {
		own, asked tokenize.Verification
		want       tokenize.Verified
	}{
		{0, 0, tokenize.BasicSuccessful},
		{tokenize.Basic, tokenize.None, tokenize.NotVerified},
		{tokenize.None, 0, tokenize.NotVerified},
		{tokenize.None, tokenize.Basic, tokenize.BasicSuccessful},
	} {
		r := w.repo(tokenize.UUID, tokenize.UniqueToken, func(k *tokenize.Config) {
			k.ID, k.Verification = "R"+c.own.String()+c.asked.String(), c.own
		})
		q := req(t, visa)
		q.Verification = c.asked
		d := w.save(r, q)
		require.Equal(t, c.want, d.Verified)
		got, err := r.Get(t.Context(), me, d.Token)
		require.NoError(t, err)
		require.Equal(t, c.want, got.Verified)
		for _, digits := range []string{bad, nowhere} {
			q.Card.Number = number(t, digits)
			d, err := r.Save(t.Context(), q)
			if c.want == tokenize.NotVerified {
				require.NoError(t, err)
				w.holds(r, d.Token, digits)
				continue
			}
			fails(t, err, tokenize.InvalidRequest, card.FieldNumber, &card.Error{Field: card.FieldNumber})
		}
	}
	require.Equal(t, "NO_VERIFICATION_PERFORMED", tokenize.NotVerified.String())
	require.Equal(t, "BASIC_VERIFICATION_SUCCESSFUL", tokenize.BasicSuccessful.String())
}

// The repository's masking shows in the details, after the first answer too.
func TestMasking(t *testing.T) {
	w := inMemory(t)
	for text, want := range map[string][3]string{
		"6.4":  {"411111xxxxxx1111", "378282xxxxx0005", "360066xxxx3344"},
		"8.4":  {"41111111xxxx1111", "378282xxxxx0005", "360066xxxx3344"},
		"0.4*": {"************1111", "***********0005", "**********3344"},
		"4.0#": {"4111############", "3782###########", "3600##########"},
		"0.0":  {"xxxxxxxxxxxxxxxx", "xxxxxxxxxxxxxxx", "xxxxxxxxxxxxxx"},
	} {
		mask, err := card.ParseMask(text)
		require.NoError(t, err)
		r := w.repo(tokenize.UUID, tokenize.UniqueCard, func(c *tokenize.Config) {
			c.ID, c.Masking = "M"+strings.NewReplacer(".", "-", "*", "s", "#", "h").Replace(text), mask
		})
		for i, digits := range []string{visa, amex, diners} {
			d := w.save(r, req(t, digits))
			require.Equal(t, want[i], d.Masked, text)
			got, err := r.Get(t.Context(), me, d.Token)
			require.NoError(t, err)
			require.Equal(t, want[i], got.Masked, text)
		}
	}
}

// The rate hook is asked before every save of a number, with what is not secret.
func TestSaveLimit(t *testing.T) {
	slow := errors.New("slow down")
	var asked []string
	w := newWorld(t, memory.New(), &tokenize.Options{
		SaveLimit: func(_ context.Context, c tokenize.Caller, bin, lastFour string) error {
			asked = append(asked, c.Owner+" "+bin+" "+lastFour)
			if lastFour == "4444" {
				return slow
			}
			return nil
		},
	})
	r := w.repo(tokenize.UUID, tokenize.UniqueCard)
	d := w.save(r, req(t, visa))
	w.save(r, tokenize.SaveRequest{Caller: me, Token: d.Token, Card: card.Details{Holder: "H"}})
	w.sink.take()
	res := w.batch(r, req(t, master), req(t, amex))
	e := fails(t, res[0].Err, tokenize.ServerBusy, "", slow)
	require.Equal(t, "SAVE_LIMIT", e.SupportCode)
	require.Nil(t, res[1].Err)
	require.Equal(t, audit.Failed, w.sink.take()[0].Outcome)
	require.Equal(t, []string{"clerk 41111111 1111", "clerk 55555555 4444", "clerk 378282 0005"}, asked)
}

// Names of the published interfaces, both ways.
func TestNames(t *testing.T) {
	for _, m := range managements {
		text, err := m.MarshalText()
		require.NoError(t, err)
		var back tokenize.Management
		require.NoError(t, back.UnmarshalText(text))
		require.Equal(t, m, back)
	}
	for _, v := range []tokenize.Verification{tokenize.None, tokenize.Basic, tokenize.Acquirer} {
		text, err := v.MarshalText()
		require.NoError(t, err)
		var back tokenize.Verification
		require.NoError(t, back.UnmarshalText(text))
		require.Equal(t, v, back)
	}
	var m tokenize.Management
	fails(t, m.UnmarshalText([]byte("unique_card")), tokenize.InvalidRequest, "management", nil)
	fails(t, m.UnmarshalText(nil), tokenize.InvalidRequest, "management", nil)
	require.Zero(t, m)
	var v tokenize.Verification
	fails(t, v.UnmarshalText([]byte("acquirer")), tokenize.InvalidRequest, "verification", nil)
	for text, s := range map[string]interface{ String() string }{
		"UNIQUE_CARD": tokenize.UniqueCard, "UNIQUE_TOKEN": tokenize.UniqueToken, "NONE": tokenize.None, "BASIC": tokenize.Basic,
		"ACTIVE": tokenize.Active, "SUSPENDED": tokenize.Suspended, "DELETED": tokenize.Deleted,
		"created": tokenize.Created, "existing": tokenize.Existing, "updated": tokenize.Updated, "replayed": tokenize.Replayed,
		"INVALID_REQUEST": tokenize.InvalidRequest, "REQUEST_REJECTED": tokenize.RequestRejected,
		"SERVER_BUSY": tokenize.ServerBusy, "SERVER_FAILED": tokenize.ServerFailed,
		"MISSING": tokenize.Missing, "UNSUPPORTED": tokenize.Unsupported,
	} {
		require.Equal(t, text, s.String())
	}
	for _, s := range []interface{ String() string }{tokenize.Management(99), tokenize.Status(99), tokenize.Cause(99), tokenize.Verified(0)} {
		require.Equal(t, "INVALID", s.String())
	}
	require.Equal(t, "NONE", tokenize.FieldKind(0).String())
}

// Names of the published interfaces, both ways, and what is stored of a status.
func TestSchemeNames(t *testing.T) {
	for i, name := range []string{"VALID", "ACTIVE", "SUSPENDED", "DELETED"} {
		var s tokenize.SchemeStatus
		require.NoError(t, s.UnmarshalText([]byte(name)))
		require.Equal(t, tokenize.SchemeStatus(i+1), s)
		text, err := s.MarshalText()
		require.NoError(t, err)
		require.Equal(t, name, string(text))
	}
	for i, name := range []string{"ACTIVATE", "SUSPEND", "DELETE"} {
		var a tokenize.SchemeAction
		require.NoError(t, a.UnmarshalText([]byte(name)))
		require.Equal(t, tokenize.SchemeAction(i+1), a)
		text, err := a.MarshalText()
		require.NoError(t, err)
		require.Equal(t, name, string(text))
	}
	var s tokenize.SchemeStatus
	fails(t, s.UnmarshalText([]byte("valid")), tokenize.InvalidRequest, "schemeStatus", nil)
	var a tokenize.SchemeAction
	fails(t, a.UnmarshalText([]byte("")), tokenize.InvalidRequest, "schemeAction", nil)
	require.Equal(t, "INVALID", tokenize.SchemeAction(9).String())
}

// A repository that an earlier version made is the one of the same configuration.
func TestConfigOfEarlierVersions(t *testing.T) {
	stores(t, func(t *testing.T, w *world) {
		const stored = `{"id":"OLD","generation":"UUID","management":"UNIQUE_CARD","verification":"BASIC","masking":"6.4","requireExpiry":false}`
		_, err := w.db.Cards().CreateRepository(t.Context(), store.Repository{
			Scope: store.ScopeID{1}, Name: "OLD", Config: []byte(stored)})
		require.NoError(t, err)
		c := tokenize.Config{ID: "OLD", Generation: tokenize.UUID, Management: tokenize.UniqueCard}
		r, err := w.vault.EnsureRepository(t.Context(), c)
		require.NoError(t, err)
		require.False(t, r.Config().SchemeTokens)
		c.SchemeTokens = true
		_, err = w.vault.EnsureRepository(t.Context(), c)
		fails(t, err, tokenize.RequestRejected, "repository", tokenize.ErrConfig)
		c.ID = "NEW"
		r, err = w.vault.EnsureRepository(t.Context(), c)
		require.NoError(t, err)
		require.True(t, w.other(r).Config().SchemeTokens)
	})
}
