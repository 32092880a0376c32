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
	"strings"
	"testing"
	"text/template"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The canaries: a published test card whose hidden digits are not among the visible
// ones, and a code that no fixed text contains.
const (
	canaryNumber = "4988438843884305"
	canaryHidden = "884388"
	canaryCode   = "9074"
)

// spellings returns the ways in which a dump may write some bytes.
func spellings(b []byte) (out []string) {
	for _, verb := range []string{"%d", "%02x", "%02X", "%x", "%X", "0x%x", "%#02x", "%#v", "%b", "%o", "%#o", "%U", "%q"} {
		for _, between := range []string{" ", ", ", ",", ""} {
			if between == "" && (verb == "%d" || verb == "%b" || verb == "%o") {
				continue
			}
			parts := make([]string, len(b))
			for i, c := range b {
				parts[i] = fmt.Sprintf(verb, c)
			}
			out = append(out, strings.Join(parts, between))
		}
	}
	return append(out, fmt.Sprintf("%q", b))
}

// needles are what must not be found: the hidden digits and the whole number, as text,
// as the bytes of that text, and packed two to a byte; the code likewise.
var needles = append(append(append(append(
	[]string{canaryHidden, canaryNumber, canaryCode},
	spellings([]byte(canaryHidden))...),
	spellings([]byte{0x88, 0x43, 0x88})...),
	spellings([]byte(canaryCode))...),
	spellings([]byte{0x90, 0x74})...)

func found(s string) string {
	for _, n := range needles {
		if strings.Contains(s, n) {
			return n
		}
	}
	return ""
}

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

// holders are the places a card may be found in.
func holders(t testing.TB) map[string]any {
	p := mustPAN(t, canaryNumber)
	c, err := ParseCVC(canaryCode)
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
	for name, v := range holders(t) {
		for _, verb := range "vTtbcdoOqxXUeEfFgGspwz" {
			for _, flag := range flags {
				format := "%" + flag + string(verb)
				require.Empty(t, found(fmt.Sprintf(format, v)), "%s of %s", format, name)
			}
		}
		for _, s := range []string{fmt.Sprint(v), fmt.Sprintln(v), string(fmt.Append(nil, v))} {
			require.Empty(t, found(s), name)
		}
	}
}

func TestNoEncoderWritesDigits(t *testing.T) {
	tmpl := template.Must(template.New("t").Parse("{{.}} {{printf \"%x %v\" . .}} {{html .}} {{js .}}"))
	for name, v := range holders(t) {
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
		for _, h := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
			l := slog.New(h).With("with", v).WithGroup("g")
			l.Info("card", "v", v, slog.Group("inner", "v", v), "list", []any{v})
		}
		require.Empty(t, found(out.String()), name)
		require.False(t, bytes.Contains(out.Bytes(), []byte{0x88, 0x43, 0x88}), name)
	}
}

// testify prints what differs through go-spew, which walks memory by itself.
func TestNoAssertionPrintsDigits(t *testing.T) {
	for name, v := range holders(t) {
		var out recorder
		assert.Equal(&out, v, "something else")
		assert.Equal(&out, v, hidden{})
		assert.Nil(&out, v)
		require.NotEmpty(t, out.text, name)
		require.Empty(t, found(out.text), name)
	}
}

type recorder struct{ text string }

func (r *recorder) Errorf(format string, args ...any) { r.text += fmt.Sprintf(format, args...) }

// A panic's text and the trace under it are written by the runtime itself.
func TestNoPanicPrintsDigits(t *testing.T) {
	const env = "CARD_TEST_PANIC"
	if name := os.Getenv(env); name != "" {
		panicWith(holders(t)[name])
	}
	for _, name := range []string{"PAN", "*PAN", "CVC", "Details", "unexported", "exported", "error"} {
		cmd := exec.Command(os.Args[0], "-test.run=^TestNoPanicPrintsDigits$")
		cmd.Env = append(os.Environ(), env+"="+name, "GOTRACEBACK=all")
		out, err := cmd.CombinedOutput()
		require.Error(t, err, name)
		require.Contains(t, string(out), "panicWith", name)
		require.Empty(t, found(string(out)), name)
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
