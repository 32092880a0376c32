package card

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
	"testing"
	"text/template"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The canaries: published test cards whose hidden digits are not among the visible
// ones, each with a code that no fixed text contains.
var canaries = []struct{ number, hidden, code string }{
	{canaryNumber, canaryHidden, canaryCode},
	{"4000056655665556", "665566", "8305"},
	{"5062224607440872", "460744", "7196"},
	{"2200111753579001", "175357", "9582"},
}

const (
	canaryNumber = "4988438843884305"
	canaryHidden = "884388"
	canaryCode   = "9074"
)

type hidden struct {
	number PAN
	code   CVC
}

type shown struct {
	Number PAN
	Code   CVC
	Ptr    *PAN
	Card   Details
}

type deep struct {
	inner  any
	list   []PAN
	codes  map[string]CVC
	points *hidden
	card   Details
}

// holders are the places a card may be found in, by name and canary.
func holders(t testing.TB) map[string][]any {
	all := map[string][]any{}
	for _, c := range canaries {
		for name, v := range holdersOf(t, c.number, c.code) {
			all[name] = append(all[name], v)
		}
	}
	return all
}

func holdersOf(t testing.TB, number, code string) map[string]any {
	p := mustPAN(t, number)
	c, err := ParseCVC(code)
	require.NoError(t, err)
	d := Details{Number: p, Code: c, Holder: "A HOLDER", Expiry: Expiry{12, 2030}}
	return map[string]any{
		"PAN": p, "*PAN": &p, "CVC": c, "*CVC": &c, "Details": d, "*Details": &d,
		"unexported": hidden{p, c}, "*unexported": &hidden{p, c},
		"exported": shown{p, c, &p, d}, "*exported": &shown{p, c, &p, d},
		"deep":   deep{p, []PAN{p}, map[string]CVC{"a": c}, &hidden{p, c}, d},
		"slices": []any{[]PAN{p}, []*PAN{&p}, []CVC{c}, [1]PAN{p}, []hidden{{p, c}}},
		"maps":   map[string]any{"pan": p, "pans": map[int]PAN{1: p}, "h": map[int]hidden{1: {p, c}}},
		"error":  fmt.Errorf("saving %v with %v: %w", p, c, p.Check(nil)),
	}
}

// The search itself has to find what it looks for.
func TestCanarySearchFinds(t *testing.T) {
	type bare struct {
		packed [8]byte
		code   [2]byte
	}
	raw := bare{[8]byte{0x49, 0x88, 0x43, 0x88, 0x43, 0x88, 0x43, 0x05}, [2]byte{0x90, 0x74}}
	for _, f := range []string{"%v", "%+v", "%#v", "%d", "%x", "%X", "%b", "%o", "%#x", "% x"} {
		require.NotEmpty(t, found(fmt.Sprintf(f, raw)), f)
		require.NotEmpty(t, found(fmt.Sprintf(f, raw.code)), f)
		require.NotEmpty(t, found(fmt.Sprintf(f, []byte(canaryNumber))), f)
	}
	require.NotEmpty(t, found(fmt.Sprintf("%s %q", canaryNumber, "4988438843884305")))
}

func TestNoVerbPrintsDigits(t *testing.T) {
	flags := []string{"", "+", "#", "-", " ", "0", "+#", "# ", "30", ".3", "-30.12", "[1]"}
	for name, vs := range holders(t) {
		for _, verb := range "vTtbcdoOqxXUeEfFgGspwz" {
			for _, flag := range flags {
				format := "%" + flag + string(verb)
				noCanary(t, format+" of "+name, func(i int) string { return fmt.Sprintf(format, vs[i]) })
			}
		}
		noCanary(t, name, func(i int) string {
			return fmt.Sprint(vs[i]) + "\n" + fmt.Sprintln(vs[i]) + string(fmt.Append(nil, vs[i]))
		})
	}
}

func TestNoEncoderWritesDigits(t *testing.T) {
	tmpl := template.Must(template.New("t").Parse("{{.}} {{printf \"%x %v\" . .}} {{html .}} {{js .}}"))
	noTime := &slog.HandlerOptions{ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey && len(groups) == 0 {
			return slog.Attr{}
		}
		return a
	}}
	written := func(v any) string {
		var out bytes.Buffer
		if b, err := json.Marshal(v); err == nil {
			out.Write(b)
		} else {
			out.WriteString(err.Error())
		}
		if b, err := xml.Marshal(v); err == nil {
			out.Write(b)
		} else {
			out.WriteString(err.Error())
		}
		if err := gob.NewEncoder(&out).Encode(v); err != nil {
			out.WriteString(err.Error())
		}
		require.NoError(t, tmpl.Execute(&out, v))
		for _, h := range []slog.Handler{slog.NewTextHandler(&out, noTime), slog.NewJSONHandler(&out, noTime)} {
			l := slog.New(h).With("with", v).WithGroup("g")
			l.Info("card", "v", v, slog.Group("inner", "v", v), "list", []any{v})
		}
		return out.String()
	}
	for name, vs := range holders(t) {
		noCanary(t, name, func(i int) string { return written(vs[i]) })
	}
}

// testify prints what differs through go-spew, which walks memory by itself.
func TestNoAssertionPrintsDigits(t *testing.T) {
	for name, vs := range holders(t) {
		noCanary(t, name, func(i int) string {
			var out recorder
			assert.Equal(&out, vs[i], "something else")
			assert.Equal(&out, vs[i], hidden{})
			assert.Nil(&out, vs[i])
			require.NotEmpty(t, out.text, name)
			return out.text
		})
	}
}

type recorder struct{ text string }

func (r *recorder) Errorf(format string, args ...any) { r.text += fmt.Sprintf(format, args...) }

// A panic's text and the trace under it are written by the runtime itself.
func TestNoPanicPrintsDigits(t *testing.T) {
	const env, which = "CARD_TEST_PANIC", "CARD_TEST_CANARY"
	if name := os.Getenv(env); name != "" {
		i, err := strconv.Atoi(os.Getenv(which))
		require.NoError(t, err)
		panicWith(holders(t)[name][i])
	}
	for _, name := range []string{"PAN", "*PAN", "CVC", "Details", "unexported", "exported", "error"} {
		noCanary(t, name, func(i int) string {
			cmd := exec.Command(os.Args[0], "-test.run=^TestNoPanicPrintsDigits$")
			cmd.Env = append(os.Environ(), env+"="+name, which+"="+strconv.Itoa(i), "GOTRACEBACK=all")
			out, err := cmd.CombinedOutput()
			require.Error(t, err, name)
			require.Contains(t, string(out), "panicWith", name)
			return string(out)
		})
	}
}

//go:noinline
func panicWith(v any) { panic(v) }

func TestWhatIsShown(t *testing.T) {
	p := mustPAN(t, canaryNumber)
	c, err := ParseCVC(canaryCode)
	require.NoError(t, err)
	const masked = "498843xxxxxx4305"
	require.Equal(t, masked, p.String())
	require.Equal(t, masked, fmt.Sprintf("%x", p))
	require.Equal(t, masked, fmt.Sprintf("%d", &p))
	require.Equal(t, "card.PAN("+masked+")", fmt.Sprintf("%#v", p))
	b, err := json.Marshal(map[string]any{"p": p, "c": c, "d": Details{Number: p, Holder: "A HOLDER", Expiry: Expiry{1, 2030}}})
	require.NoError(t, err)
	require.JSONEq(t, `{"p":"498843xxxxxx4305","c":"card.CVC(hidden)","d":"card.Details(498843xxxxxx4305 0130)"}`, string(b))
	require.Equal(t, masked, p.LogValue().String())
	require.Equal(t, "card.CVC(hidden)", c.LogValue().String())
	require.Equal(t, "card.CVC(hidden) card.CVC(hidden) card.CVC(hidden)", fmt.Sprintf("%v %#v %s", c, c, CVC{}))
	shown := fmt.Sprintf("%+v", Details{Number: p, Holder: "A HOLDER", Email: "a@holder.example"})
	require.NotContains(t, shown, "HOLDER")
	require.NotContains(t, shown, "holder.example")

	var nilPAN *PAN
	require.Equal(t, "<nil>", fmt.Sprint(nilPAN))
	b, err = json.Marshal(struct {
		P PAN `json:",omitzero"`
	}{})
	require.NoError(t, err)
	require.Equal(t, `{}`, string(b))
}
