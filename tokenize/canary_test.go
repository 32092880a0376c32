package tokenize_test

import (
	"bytes"
	"encoding/gob"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/internal/needles"
	"github.com/cardseal/cardseal/tokenize"
	"github.com/cardseal/cardseal/tokenize/audit"
	"github.com/cardseal/cardseal/tokenize/card"
	"github.com/cardseal/cardseal/tokenize/seal"
)

// The canaries: published test cards with a security code each, a holder's name and
// an address that no fixed text contains.
var canaries = [texts]struct{ number, hidden, code string }{
	{canary, hidden, canaryCode},
	{"4000056655665556", "665566", "8305"},
	{"5062224607440872", "460744", "7196"},
	{"2200111753579001", "175357", "9582"},
	{"8171999927660000", "992766", "6937"},
	{"6062820524845321", "052484", "7849"},
	{"2223003122003222", "312200", "9518"},
	{"5200828282828210", "828282", "7639"},
}

const (
	canaryCode   = "9074"
	canaryHolder = "QZJXKV"
	canaryEmail  = "wyjfqz@example.com"
)

func TestCanarySearchFinds(t *testing.T) {
	type bare struct {
		packed [8]byte
		code   [2]byte
	}
	raw := bare{[8]byte{0x60, 0x11, 0x00, 0x09, 0x90, 0x13, 0x94, 0x24}, [2]byte{0x90, 0x74}}
	for _, f := range []string{"%v", "%+v", "%#v", "%d", "%x", "%X", "%b", "%o", "% x"} {
		require.NotEmpty(t, needles.In(fmt.Sprintf(f, raw), numberNeedles), f)
		require.NotEmpty(t, needles.In(fmt.Sprintf(f, raw), codeNeedles(canaryCode)), f)
		require.NotEmpty(t, needles.In(fmt.Sprintf(f, []byte(canary)), numberNeedles), f)
	}
}

// anything hides values in a caller's unexported fields.
type anything struct {
	v  any
	vs []any
	m  map[string]any
}

type typed struct {
	req  tokenize.SaveRequest
	upd  tokenize.UpdateRequest
	rev  tokenize.Revealed
	reqs []tokenize.SaveRequest
	ptr  *tokenize.Revealed
}

// carriers are the exported types with the canaries inside, as values, pointers,
// elements and fields. Those in open are reached through exported fields alone, so
// that their printing is ours to answer for, the holder included.
func carriers(t testing.TB, number, digits string) (open, wrapped map[string]any) {
	w := inMemory(t)
	r := w.repo(tokenize.UUID, tokenize.UniqueCard)
	code, err := card.ParseCVC(digits)
	require.NoError(t, err)
	q := req(t, number)
	q.Card.Holder, q.Card.Email, q.Card.Expiry = canaryHolder, canaryEmail, card.Expiry{Month: 12, Year: 2030}
	q.Caller.Owner = "owner"
	d := w.save(r, q)
	res, err := r.SaveBatch(t.Context(), []tokenize.SaveRequest{q})
	require.NoError(t, err)
	out, err := r.RevealBatch(t.Context(), me, []string{d.Token}, "settlement")
	require.NoError(t, err)
	q.Card.Code = code
	_, refused := r.Save(t.Context(), q)
	require.Error(t, refused)
	_, bad := r.Save(t.Context(), with(t, "?", number))
	require.Error(t, bad)
	_, long := r.Update(t.Context(), tokenize.UpdateRequest{Caller: me, Token: d.Token, Card: card.Details{
		Holder: strings.Repeat(canaryHolder, 6), Email: canaryEmail}})
	require.Error(t, long)
	_, split := r.Update(t.Context(), tokenize.UpdateRequest{Caller: me, Token: d.Token, Card: card.Details{Email: canaryEmail + "\n"}})
	require.Error(t, split)
	_, _, err = r.GetWithHolder(t.Context(), me, d.Token)
	require.NoError(t, err)
	suspended, err := r.Suspend(t.Context(), me, d.Token)
	require.NoError(t, err)
	_, stopped := r.Reveal(t.Context(), me, d.Token, "settlement")
	require.Error(t, stopped)
	step := tokenize.Step{Rows: []tokenize.StepRow{{Token: d.Token, Err: refused.(*tokenize.Error)}}}
	u := tokenize.UpdateRequest{Caller: me, Token: d.Token, Card: q.Card}
	rev := tokenize.Revealed{Card: q.Card}
	open = map[string]any{
		"SaveRequest": q, "*SaveRequest": &q, "UpdateRequest": u, "*UpdateRequest": &u,
		"Revealed": rev, "*Revealed": &rev, "Revealed of a vault": out[0], "SaveResult": res[0], "Details": d,
		"Caller": q.Caller, "Config": r.Config(), "Step": step,
		"Error": refused, "Error value": *refused.(*tokenize.Error), "another Error": bad,
		"too long": long, "two lines": split, "suspended": stopped, "Details of a suspended token": suspended,
		"wrapped Error": fmt.Errorf("saving %v: %w", q, refused),
		"Event":         audit.Event{Token: d.Token}, "events": w.sink.take(),
		"Binding": seal.Binding{}, "Field": seal.PAN,
		"VerifyRequest":       tokenize.VerifyRequest{Card: q.Card, CorrelationID: "c-1"},
		"SchemeTokenRequest":  tokenize.SchemeTokenRequest{Caller: me, Token: d.Token, Number: q.Card.Number},
		"SchemeActionRequest": tokenize.SchemeActionRequest{Action: tokenize.SuspendScheme, Number: q.Card.Number, Token: d.Token},
		"slices":              []any{[]tokenize.SaveRequest{q}, []*tokenize.SaveRequest{&q}, out, res},
		"maps":                map[string]any{"a": q, "b": map[int]tokenize.Revealed{1: rev}, "c": &rev},
	}
	wrapped = map[string]any{
		"Repository": r, "Vault": w.vault, "Sealer": seal.New(w.keys, "s"), "*Repository deref": anything{v: r},
		"typed": typed{q, u, rev, []tokenize.SaveRequest{q}, &rev}, "*typed": &typed{q, u, rev, []tokenize.SaveRequest{q}, &rev},
	}
	for name, v := range open {
		wrapped["unexported "+name] = anything{v, []any{v}, map[string]any{"k": v}}
		wrapped["*unexported "+name] = &anything{v, []any{v}, map[string]any{"k": v}}
	}
	return open, wrapped
}

// printed is a value by every way of printing.
func printed(v any, verbs string) string {
	var out bytes.Buffer
	for _, verb := range verbs {
		for _, flag := range []string{"", "+", "#", "-", " ", "0", "+#", "# ", "30", ".3"} {
			fmt.Fprintf(&out, "%"+flag+string(verb)+"\n", v)
		}
	}
	fmt.Fprintln(&out, v)
	for _, marshal := range []func(any) ([]byte, error){json.Marshal, xml.Marshal} {
		b, err := marshal(v)
		fmt.Fprintln(&out, string(b), err)
	}
	if err := gob.NewEncoder(&out).Encode(v); err != nil {
		fmt.Fprintln(&out, err)
	}
	for _, h := range []slog.Handler{slog.NewTextHandler(&out, noTime), slog.NewJSONHandler(&out, noTime)} {
		slog.New(h).With("with", v).WithGroup("g").Info("m", "v", v, "list", []any{v}, slog.Group("in", "v", v))
	}
	return out.String()
}

// noTime keeps the time out of a log.
var noTime = &slog.HandlerOptions{ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
	if a.Key == slog.TimeKey && len(groups) == 0 {
		return slog.Attr{}
	}
	return a
}}

func TestNothingPrintsACard(t *testing.T) {
	const verbs = "vTtbcdoOqxXUeEfFgGspw"
	var opens, wrappeds [texts]map[string]any
	for i, c := range canaries {
		opens[i], wrappeds[i] = carriers(t, c.number, c.code)
	}
	for name, v := range opens[0] {
		noCanary(t, name, func(i int) string { return printed(opens[i][name], verbs) })
		// fmt calls no method for a verb that a value or a pointer inside it cannot
		// have: the holder, a plain string, can't be kept from those.
		text := printed(v, "vTxXdob")
		for _, secret := range []string{canaryHolder, canaryEmail, canaryEmail[:6]} {
			require.NotContains(t, text, secret, name)
			require.NotContains(t, text, fmt.Sprintf("%x", secret), name)
			require.NotContains(t, text, fmt.Sprintf("%X", secret), name)
		}
	}
	for name := range wrappeds[0] {
		noCanary(t, name, func(i int) string { return printed(wrappeds[i][name], verbs) })
	}
}

// A panic's text and the trace under it are written by the runtime itself.
func TestNoPanicPrintsACard(t *testing.T) {
	const env, which = "TOKENIZE_TEST_PANIC", "TOKENIZE_TEST_CANARY"
	if name := os.Getenv(env); name != "" {
		i, err := strconv.Atoi(os.Getenv(which))
		require.NoError(t, err)
		open, wrapped := carriers(t, canaries[i].number, canaries[i].code)
		if v, ok := open[name]; ok {
			panic(v)
		}
		panic(wrapped[name])
	}
	for _, name := range []string{"SaveRequest", "*SaveRequest", "Revealed", "Error", "wrapped Error", "typed", "Repository",
		"VerifyRequest", "SchemeTokenRequest", "SchemeActionRequest"} {
		noCanary(t, name, func(i int) string {
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestNoPanicPrintsACard$")
			cmd.Env = append(os.Environ(), env+"="+name, which+"="+strconv.Itoa(i), "GOTRACEBACK=all")
			out, err := cmd.CombinedOutput()
			require.Error(t, err, name)
			require.Contains(t, string(out), "panic: ", name)
			require.NotContains(t, string(out), canaryHolder)
			require.NotContains(t, string(out), canaryEmail)
			return string(out)
		})
	}
}
