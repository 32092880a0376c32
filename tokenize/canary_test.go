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
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/tokenize"
	"github.com/cardseal/cardseal/tokenize/audit"
	"github.com/cardseal/cardseal/tokenize/card"
	"github.com/cardseal/cardseal/tokenize/seal"
)

// The canaries: a published test card, a security code, a holder's name and an
// address that no fixed text contains.
const (
	canaryCode   = "9074"
	canaryHolder = "QZJXKV"
	canaryEmail  = "wyjfqz@example.com"
)

// spellings are the ways in which a dump may write some bytes.
func spellings(b []byte) (out []string) {
	for _, verb := range []string{"%d", "%02x", "%02X", "0x%x", "%b", "%o", "%U"} {
		for _, between := range []string{" ", ", ", ","} {
			parts := make([]string, len(b))
			for i, c := range b {
				parts[i] = fmt.Sprintf(verb, c)
			}
			out = append(out, strings.Join(parts, between))
		}
	}
	return append(out, fmt.Sprintf("%x", b), fmt.Sprintf("%X", b))
}

func needles(plain ...string) (all []string) {
	for _, b := range plain {
		all = append(append(all, b), spellings([]byte(b))...)
	}
	return all
}

var (
	numberNeedles = needles(hidden, canary, "\x09\x90\x13")
	codeNeedles   = needles(canaryCode, "\x90\x74")
)

// found returns which of the needles is in a text.
func found(s string, needles []string) string {
	for _, n := range needles {
		if strings.Contains(s, n) {
			return n
		}
	}
	return ""
}

func noDigits(t testing.TB, s string) {
	t.Helper()
	require.Empty(t, found(s, numberNeedles))
}

// noCanary demands that a text holds neither number nor code. Four digits turn up
// in addresses and random tokens by chance, so that a find counts only if every text
// has it, each made anew.
func noCanary(t testing.TB, what string, text func() string) {
	t.Helper()
	left := append(slices.Clone(numberNeedles), codeNeedles...)
	for range texts {
		said := text()
		left = slices.DeleteFunc(left, func(n string) bool { return !strings.Contains(said, n) })
		if len(left) == 0 {
			return
		}
	}
	require.Empty(t, left, what)
}

// texts is how many of them a chance would have to be in.
const texts = 5

func TestCanarySearchFinds(t *testing.T) {
	type bare struct {
		packed [8]byte
		code   [2]byte
	}
	raw := bare{[8]byte{0x60, 0x11, 0x00, 0x09, 0x90, 0x13, 0x94, 0x24}, [2]byte{0x90, 0x74}}
	for _, f := range []string{"%v", "%+v", "%#v", "%d", "%x", "%X", "%b", "%o", "% x"} {
		require.NotEmpty(t, found(fmt.Sprintf(f, raw), numberNeedles), f)
		require.NotEmpty(t, found(fmt.Sprintf(f, raw), codeNeedles), f)
		require.NotEmpty(t, found(fmt.Sprintf(f, []byte(canary)), numberNeedles), f)
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
func carriers(t testing.TB) (open, wrapped map[string]any) {
	w := inMemory(t)
	r := w.repo(tokenize.UUID, tokenize.UniqueCard)
	code, err := card.ParseCVC(canaryCode)
	require.NoError(t, err)
	q := req(t, canary)
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
	_, bad := r.Save(t.Context(), with(t, "?", canary))
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
	noTime := &slog.HandlerOptions{ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey && len(groups) == 0 {
			return slog.Attr{}
		}
		return a
	}}
	for _, h := range []slog.Handler{slog.NewTextHandler(&out, noTime), slog.NewJSONHandler(&out, noTime)} {
		slog.New(h).With("with", v).WithGroup("g").Info("m", "v", v, "list", []any{v}, slog.Group("in", "v", v))
	}
	return out.String()
}

func TestNothingPrintsACard(t *testing.T) {
	const verbs = "vTtbcdoOqxXUeEfFgGs"
	open, wrapped := carriers(t)
	opens, wrappeds := []map[string]any{open}, []map[string]any{wrapped}
	for range texts - 1 {
		o, w := carriers(t)
		opens, wrappeds = append(opens, o), append(wrappeds, w)
	}
	for name, v := range open {
		noCanary(t, name, inTurn(opens, name, verbs+"pw"))
		// fmt calls no method for a verb that a value or a pointer inside it cannot
		// have: the holder, a plain string, can't be kept from those.
		text := printed(v, "vTxXdob")
		for _, secret := range []string{canaryHolder, canaryEmail, canaryEmail[:6]} {
			require.NotContains(t, text, secret, name)
			require.NotContains(t, text, fmt.Sprintf("%x", secret), name)
			require.NotContains(t, text, fmt.Sprintf("%X", secret), name)
		}
	}
	for name := range wrapped {
		noCanary(t, name, inTurn(wrappeds, name, verbs+"pw"))
	}
}

// inTurn prints the value of that name from one map after the other.
func inTurn(from []map[string]any, name, verbs string) func() string {
	return func() string {
		v := from[0][name]
		from = from[1:]
		return printed(v, verbs)
	}
}

// A panic's text and the trace under it are written by the runtime itself.
func TestNoPanicPrintsACard(t *testing.T) {
	const env = "TOKENIZE_TEST_PANIC"
	if name := os.Getenv(env); name != "" {
		open, wrapped := carriers(t)
		if v, ok := open[name]; ok {
			panic(v)
		}
		panic(wrapped[name])
	}
	for _, name := range []string{"SaveRequest", "*SaveRequest", "Revealed", "Error", "wrapped Error", "typed", "Repository",
		"VerifyRequest", "SchemeTokenRequest", "SchemeActionRequest"} {
		noCanary(t, name, func() string {
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestNoPanicPrintsACard$")
			cmd.Env = append(os.Environ(), env+"="+name, "GOTRACEBACK=all")
			out, err := cmd.CombinedOutput()
			require.Error(t, err, name)
			require.Contains(t, string(out), "panic: ", name)
			require.NotContains(t, string(out), canaryHolder)
			require.NotContains(t, string(out), canaryEmail)
			return string(out)
		})
	}
}
