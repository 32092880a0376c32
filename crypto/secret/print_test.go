package secret

import (
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"testing"
	"text/template"

	"github.com/stretchr/testify/require"
)

// canary is a secret whose bytes are easy to look for.
var canary = []byte{0xC0, 0xFF, 0xEE, 0x4B, 0x45, 0x59, 0xD1, 0x99}

// spelled finds the canary in a dump: four bytes of it in a row, hexadecimal or
// decimal, however they are set apart, or as they are.
func spelled(s string) bool {
	s = strings.ToLower(s)
	squeeze := func(drop ...string) string {
		for _, d := range drop {
			s = strings.ReplaceAll(s, d, "")
		}
		return s
	}
	hexed := hex.EncodeToString(canary[:4])
	decimal := strings.Trim(fmt.Sprint(canary[:4]), "[]")
	list := strings.Join(strings.Fields(strings.ReplaceAll(s, ",", " ")), " ")
	return strings.Contains(list, decimal) || strings.Contains(s, strings.ToLower(string(canary[:4]))) ||
		strings.Contains(squeeze("0x", ",", " ", `\x`), hexed)
}

type unexported struct{ key Bytes }

type unexportedPointer struct{ key *Bytes }

type exported struct {
	Key     Bytes
	Pointer *Bytes
}

func holders() map[string]any {
	s := New(canary)
	return map[string]any{
		"value": *s, "pointer": s, "unexported": unexported{*s}, "*unexported": &unexported{*s},
		"unexported pointer": unexportedPointer{s}, "exported": exported{*s, s}, "*exported": &exported{*s, s},
		"slice": []any{[]Bytes{*s}, []*Bytes{s}, []unexported{{*s}}},
		"map":   map[string]any{"k": s, "u": map[int]unexported{1: {*s}}},
		"error": fmt.Errorf("opening with %v and %x failed", s, *s),
	}
}

// The search has to find what it looks for.
func TestSearchFinds(t *testing.T) {
	type bare struct{ key []byte }
	for _, f := range []string{"%v", "%+v", "%#v", "%d", "%x", "%X", "% x", "%#x"} {
		require.True(t, spelled(fmt.Sprintf(f, bare{canary})), f)
	}
	require.True(t, spelled(string(canary)))
	require.True(t, spelled(walk(reflect.ValueOf(&bare{canary}))))
}

func TestNoVerbPrints(t *testing.T) {
	for name, v := range holders() {
		for _, verb := range "vTtbcdoOqxXUeEfFgGspwz" {
			for _, flag := range []string{"", "+", "#", "-", " ", "0", "# ", "30", ".3"} {
				require.False(t, spelled(fmt.Sprintf("%"+flag+string(verb), v)), "%s %%%s%c", name, flag, verb)
			}
		}
	}
	s := New(canary)
	require.Equal(t, "[secret] [secret] [secret] [secret]", fmt.Sprintf("%v %+v %#v %x", s, *s, *s, s))
	require.Equal(t, "[secret]", s.String())
	require.Equal(t, "[secret]", s.GoString())
}

func TestNoEncoderPrints(t *testing.T) {
	s := New(canary)
	out, err := json.Marshal(exported{*s, s})
	require.NoError(t, err)
	require.JSONEq(t, `{"Key":"[secret]","Pointer":"[secret]"}`, string(out))
	require.Error(t, json.Unmarshal(out, new(exported)), "a secret is never read back from its word")
	out, err = xml.Marshal(exported{*s, s})
	require.NoError(t, err)
	require.Equal(t, "<exported><Key>[secret]</Key><Pointer>[secret]</Pointer></exported>", string(out))
	for name, v := range holders() {
		var text, logged, page strings.Builder
		slog.New(slog.NewTextHandler(&text, nil)).Info("m", "v", v)
		slog.New(slog.NewJSONHandler(&logged, nil)).Info("m", "v", v)
		require.NoError(t, template.Must(template.New("").Parse("{{.}}")).Execute(&page, v))
		for _, printed := range []string{text.String(), logged.String(), page.String()} {
			require.False(t, spelled(printed), name)
		}
	}
	require.Implements(t, (*slog.LogValuer)(nil), *s)
	var b strings.Builder
	slog.New(slog.NewTextHandler(&b, nil)).Info("m", "k", s, "v", *s)
	require.Contains(t, b.String(), "k=[secret] v=[secret]")
}

// A printer that follows pointers and asks no methods finds nothing either.
func TestMemoryIsPadded(t *testing.T) {
	for name, v := range holders() {
		require.False(t, spelled(walk(reflect.ValueOf(v))), name)
	}
}

// walk writes every byte reflection can reach, as decimal numbers.
func walk(v reflect.Value) string {
	var b strings.Builder
	var visit func(v reflect.Value, depth int)
	visit = func(v reflect.Value, depth int) {
		if depth > 12 {
			return
		}
		switch v.Kind() {
		case reflect.Pointer, reflect.Interface:
			if !v.IsNil() {
				visit(v.Elem(), depth+1)
			}
		case reflect.Struct:
			for i := range v.NumField() {
				visit(v.Field(i), depth+1)
			}
		case reflect.Slice, reflect.Array:
			for i := range v.Len() {
				visit(v.Index(i), depth+1)
			}
		case reflect.Map:
			for _, k := range v.MapKeys() {
				visit(v.MapIndex(k), depth+1)
			}
		case reflect.Uint8:
			fmt.Fprintf(&b, "%d ", v.Uint())
		case reflect.String:
			b.WriteString(v.String())
		}
	}
	visit(v, 0)
	return b.String()
}
