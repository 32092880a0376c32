package code_test

import (
	"context"
	"crypto/fips140"
	"fmt"
	"os"
	"testing"
	"testing/cryptotest"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/backends/store/memory"
	"github.com/cardseal/cardseal/internal/pad"
	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/keys/keystest"
	"github.com/cardseal/cardseal/tokenize"
	"github.com/cardseal/cardseal/tokenize/card"
	"github.com/cardseal/cardseal/tokenize/code"
)

// Cards that gateways publish for tests.
const (
	visa  = "4111111111111111"
	visa2 = "4242424242424242"
	amex  = "378282246310005"
	uatp  = "135492354874528"
)

// The pad of the tests has no zero nibble: see package tokenize.
func TestMain(m *testing.M) {
	for i := range pad.Value {
		pad.Value[i] = []byte{0x95, 0x3c, 0xe7, 0x51, 0xab, 0x6d, 0xf2}[i%7]
	}
	os.Exit(m.Run())
}

// bubble runs a test on synctest's clock: see package tokenize.
func bubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	if fips140.Enabled() {
		cryptotest.SetGlobalRandom(t, uint64(time.Now().UnixNano()))
	}
	synctest.Test(t, f)
}

// me is the service itself, and own its code.
var (
	me  = tokenize.Caller{Owner: "clerk", Permissions: tokenize.MayAll}
	own = code.Owner{}
)

// world is a vault, an ephemeral store beside it, and what they stand on.
type world struct {
	testing.TB
	ctx       context.Context
	db        *memory.DB
	kek       *keystest.KEK
	ephemeral *memory.Codes
	durable   *memory.Codes // stands for a durable store of issuer codes
	eph       *hooked       // ephemeral, as the services see it
	issuer    *hooked       // durable, likewise
	sink      *sink
	vault     *tokenize.Vault
}

func newWorld(t testing.TB, change ...func(*tokenize.Options)) *world {
	w := &world{TB: t, ctx: t.Context(), db: memory.New(), kek: keystest.NewKEK("test"), sink: &sink{}}
	w.ephemeral, w.durable = newCodes(t), newCodes(t)
	w.eph, w.issuer = &hooked{EphemeralStore: w.ephemeral}, &hooked{EphemeralStore: w.durable}
	o := &tokenize.Options{Audit: w.sink, IssuerCodes: w.issuer}
	for _, f := range change {
		f(o)
	}
	var err error
	w.vault, err = tokenize.Open(w.ctx, w.db.Cards(), w.manager(""), o)
	require.NoError(t, err)
	return w
}

func newCodes(t testing.TB) *memory.Codes {
	c, err := memory.NewCodes(nil)
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	return c
}

func (w *world) manager(environment string) *keys.Manager {
	m, err := keys.Open(w.ctx, w.db.Keys(), w.kek, &keys.Options{Environment: environment})
	require.NoError(w, err)
	w.Cleanup(func() { m.Close() })
	return m
}

// repo makes a repository, with changes to its configuration.
func (w *world) repo(change ...func(*tokenize.Config)) *tokenize.Repository {
	w.Helper()
	c := tokenize.Config{ID: "SHOP", Generation: tokenize.UUID, Management: tokenize.UniqueToken}
	for _, f := range change {
		f(&c)
	}
	r, err := w.vault.EnsureRepository(w.ctx, c)
	require.NoError(w, err)
	return r
}

func issued(c *tokenize.Config) { c.ID, c.IssuerCodes = "ISSUED", true }

func (w *world) transient(o *code.TransientOptions) *code.Transient {
	w.Helper()
	t, err := code.OpenTransient(w.ctx, w.eph, w.kek, o)
	require.NoError(w, err)
	w.Cleanup(func() { t.Close() })
	return t
}

// codes serves a repository.
func (w *world) codes(r *tokenize.Repository, p code.Policy, o *code.Options) *code.Codes {
	w.Helper()
	c, err := code.Open(w.ctx, r, p, o)
	require.NoError(w, err)
	w.Cleanup(c.Close)
	return c
}

// shop is a repository with a token of a card and codes that may be read often.
func shop(t testing.TB, o *code.Options) (*world, *tokenize.Repository, *code.Codes, string) {
	w := newWorld(t)
	r := w.repo()
	return w, r, w.codes(r, w.transient(&code.TransientOptions{MaxReads: 100}), o), w.save(r, visa)
}

// bank is a repository of an issuer's with a token of a card.
func bank(t testing.TB, o *code.Options) (*world, *tokenize.Repository, *code.Codes, string) {
	w := newWorld(t)
	r := w.repo(issued)
	return w, r, w.codes(r, code.Issuer{}, o), w.save(r, visa)
}

func (w *world) save(r *tokenize.Repository, digits string) string {
	w.Helper()
	d, err := r.Save(w.ctx, tokenize.SaveRequest{Caller: me, Card: card.Details{Number: number(w, digits)}})
	require.NoError(w, err)
	return d.Token
}

func (w *world) merchant(r *tokenize.Repository, id string) tokenize.Caller {
	w.Helper()
	require.NoError(w, w.vault.AssignMerchant(w.ctx, id, r.Config().ID))
	c := me
	c.Merchant = id
	return c
}

func number(t testing.TB, digits string) card.PAN {
	t.Helper()
	pan, err := card.ParsePAN(digits)
	require.NoError(t, err)
	return pan
}

// counted is the n-th of many Luhn-valid numbers of a test range.
func counted(t testing.TB, n int) string {
	t.Helper()
	digits := fmt.Appendf(nil, "400000%09d", n)
	check, err := card.CheckDigit(digits)
	require.NoError(t, err)
	return string(append(digits, check))
}

func cvc(t testing.TB, digits string) card.CVC {
	t.Helper()
	c, err := card.ParseCVC(digits)
	require.NoError(t, err)
	return c
}

// is demands that a code was given out and has these digits.
func is(t testing.TB, digits string, got card.CVC, err error) {
	t.Helper()
	require.NoError(t, err)
	require.Equal(t, digits, string(got.AppendDigits(nil)))
}

// fails demands a tokenize.Error without a code in it.
func fails(t testing.TB, err error, cause tokenize.Cause, field string, is error) *tokenize.Error {
	t.Helper()
	var e *tokenize.Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, cause.String(), e.Cause.String(), "%v", e)
	require.Equal(t, field, e.Field, "%v", e)
	if is != nil {
		require.ErrorIs(t, err, is)
	}
	return e
}

// unknown demands the error of a token that does not exist.
func unknown(t testing.TB, err error) {
	t.Helper()
	fails(t, err, tokenize.InvalidRequest, "token", tokenize.ErrTokenNotFound)
}

// verify makes an attempt at the card's own counter.
func verify(s *code.Codes, token, digits string) (code.CounterStatus, error) {
	c, err := card.ParseCVC(digits)
	if err != nil {
		return code.CounterStatus{}, err
	}
	return s.Verify(context.Background(), me, own, token, c, code.Card)
}
