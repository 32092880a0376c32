package strictjson

import (
	"bytes"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

var names = []string{"a", "b", "cé"}

// read returns the members as "name kind value", or nothing.
func read(text []byte) (members []string, ok bool) {
	ok = Read(bytes.Clone(text), names, func(i int, v Value) bool {
		members = append(members, fmt.Sprintf("%s %d %s", names[i], v.Kind, v.Bytes))
		return true
	})
	return members, ok
}

func TestRead(t *testing.T) {
	for text, want := range map[string][]string{
		`{}`:                            nil,
		" {\n} \t":                      nil,
		`{"a":"x"}`:                     {"a 1 x"},
		` { "b" : 12 , "a" : "" } `:     {"b 2 12", "a 1 "},
		`{"a":-0.5e+10,"b":0}`:          {"a 2 -0.5e+10", "b 2 0"},
		`{"\u0061":"\u00e9\n\"\\\/"}`:   {"a 1 é\n\"\\/"},
		`{"c\u00E9":"\ud83d\uDE00!"}`:   {"cé 1 😀!"},
		`{"a":{"x":"}\"{"},"b":"\t\b"}`: {`a 3 {"x":"}\"{"}`, "b 1 \t\b"},
		`{"a":"\u0000"}`:                {"a 1 \x00"},
	} {
		got, ok := read([]byte(text))
		require.True(t, ok, text)
		require.Equal(t, want, got, text)
	}
}

func TestReadRefuses(t *testing.T) {
	for _, text := range []string{
		``, ` `, `{`, `}`, `[]`, `"a"`, `null`, `1`, `{}{}`, `{} x`, `{},`, "\ufeff{}", "{}\x00",
		`{"a":"x"`, `{"a":"x",}`, `{,"a":"x"}`, `{"a":"x" "b":"y"}`, `{"a" "x"}`, `{"a"}`, `{a:"x"}`, `{'a':"x"}`,
		`{"a":"x","a":"x"}`, `{"a":"x","\u0061":"x"}`, // twice
		`{"A":"x"}`, `{"d":"x"}`, `{"":"x"}`, `{"a ":"x"}`, // unknown
		`{"a":null}`, `{"a":true}`, `{"a":[]}`, `{"a":}`, `{"a":x}`,
		`{"a":01}`, `{"a":+1}`, `{"a":1.}`, `{"a":.5}`, `{"a":1e}`, `{"a":1e+}`, `{"a":-}`, `{"a":0x1}`, `{"a":1_0}`,
		`{"a":"x}`, `{"a":"\x41"}`, `{"a":"\u12"}`, `{"a":"\u12g4"}`, `{"a":"\`, `{"a":"\"}`, `{"a":"\u`,
		`{"a":"\ud800"}`, `{"a":"\udc00"}`, `{"a":"\ud800\u0041"}`, `{"a":"\ud800x"}`, `{"a":"\udc00\ud800"}`,
		"{\"a\":\"\n\"}", "{\"a\":\"\x00\"}", "{\"a\":\"\xff\"}", "{\"a\":\"\xc0\x80\"}", "{\"\xff\":\"\"}",
		`{"a":{"x":{}}}`, `{"a":{`, `{"a":{"`, `{"a":{"\`,
	} {
		_, ok := read([]byte(text))
		require.False(t, ok, text)
	}
	require.False(t, Read([]byte(`{"a":"x"}`), names, func(int, Value) bool { return false }))
}

// FuzzRead holds the reader against encoding/json, which takes all that it takes
// and sees the same in it.
func FuzzRead(f *testing.F) {
	f.Add([]byte(`{"a":"x","b":12,"cé":"\ud83d\ude00"}`))
	f.Add([]byte(`{"a":{"x":"}\"{"},"b":-0.5e+10}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		kept := bytes.Clone(text)
		got := map[string]Value{}
		ok := Read(text, names, func(i int, v Value) bool {
			got[names[i]] = v
			return v.Kind != Object // not looked into
		})
		if !ok {
			return
		}
		var want map[string]any
		d := json.NewDecoder(bytes.NewReader(kept))
		d.UseNumber()
		require.NoError(t, d.Decode(&want))
		require.Len(t, got, len(want))
		for name, v := range got {
			switch w := want[name].(type) {
			case string:
				require.Equal(t, String, v.Kind)
				require.Equal(t, w, string(v.Bytes))
			case json.Number:
				require.Equal(t, Number, v.Kind)
				require.Equal(t, w.String(), string(v.Bytes))
			default:
				t.Fatalf("%s is a %T", name, w)
			}
		}
	})
}
