package audit

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

// sampleLines are lines of every kind.
func sampleLines() (all [][]byte) {
	mac := [32]byte{1, 2, 3}
	for _, l := range []line{
		{seq: 1, begin: true},
		{seq: 9, begin: true, after: &mac},
		{seq: 1, begin: true, gap: &gap{bytes: 5}},
		{seq: 3, gap: &gap{bytes: 1 << 60, sha256: mac}},
		{seq: 1<<64 - 1, event: &Event{}},
		{seq: 4, event: &Event{
			Time: time.Unix(1900000000, 123), Action: "a", Outcome: "b", Repository: "c", Merchant: "d", Owner: "e",
			Token: "f\"\\\n\x01é", Unknown: "g", Reason: "h", Field: "i", Correlation: "j", Verification: "k", Receipt: []byte("a receipt"),
		}},
	} {
		l.mac = mac
		all = append(all, l.appendMAC(l.appendUnsigned(nil)))
	}
	return all
}

func TestSampleLinesParse(t *testing.T) {
	for _, text := range sampleLines() {
		_, err := parseLine(text)
		require.NoError(t, err, string(text))
	}
}

// Other spellings of the same line are none.
func TestLineHasOneSpelling(t *testing.T) {
	text := string(sampleLines()[5])
	for name, other := range map[string]string{
		"space":          strings.Replace(text, `,"seq"`, `, "seq"`, 1),
		"trailing":       text + " ",
		"twice":          strings.Replace(text, `"seq":4`, `"seq":4,"seq":4`, 1),
		"event twice":    strings.Replace(text, `"action":"a"`, `"action":"a","action":"a"`, 1),
		"unknown":        strings.Replace(text, `"seq":4`, `"seq":4,"x":1`, 1),
		"unknown within": strings.Replace(text, `"action":"a"`, `"action":"a","x":1`, 1),
		"case":           strings.Replace(text, `"action"`, `"Action"`, 1),
		"order":          strings.Replace(text, `"action":"a","outcome":"b"`, `"outcome":"b","action":"a"`, 1),
		"empty":          strings.Replace(text, `"action":"a"`, `"action":""`, 1),
		"escape":         strings.Replace(text, `"action":"a"`, `"action":"\u0061"`, 1),
		"surrogate":      strings.Replace(text, `"action":"a"`, `"action":"\ud800"`, 1),
		"not UTF-8":      strings.Replace(text, `"action":"a"`, "\"action\":\"\xff\"", 1),
		"number":         strings.Replace(text, `"seq":4`, `"seq":4.0`, 1),
		"null":           strings.Replace(text, `"seq":4`, `"seq":4,"begin":null`, 1),
		"zone":           strings.Replace(text, `Z","action"`, `+00:00","action"`, 1),
		"key":            strings.Replace(text, `"key":"00`, `"key":"0`, 1),
		"mac":            strings.Replace(text, `"mac":"AQ`, `"mac":"A`, 1),
		"receipt":        strings.Replace(text, `"YSByZWNlaXB0"`, `"YSByZWNl\naXB0"`, 1),
		"not base64":     strings.Replace(text, `"YSByZWNlaXB0"`, `"YSByZWNlaXB"`, 1),
		"padding":        text[:len(text)-3] + `B"}`,
		"two kinds":      strings.Replace(text, `,"event"`, `,"begin":{},"event"`, 1),
		"no kind":        text[:strings.Index(text, `,"event"`)] + text[strings.Index(text, `,"mac"`):],
	} {
		require.NotEqual(t, text, other, name)
		_, err := parseLine([]byte(other))
		require.ErrorIs(t, err, errNotALine, name)
	}
}

// A line that is parsed is written again byte for byte.
func FuzzParseLine(f *testing.F) {
	for _, text := range sampleLines() {
		f.Add(text)
	}
	f.Add([]byte(`{"v":2,"chain":"x"}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		l, err := parseLine(text)
		if err != nil {
			require.Nil(t, l)
			return
		}
		require.Equal(t, string(text), string(l.appendMAC(l.appendUnsigned(nil))))
	})
}

// A string is JSON, and says what it was given.
func FuzzAppendString(f *testing.F) {
	for _, s := range []string{"", "a\"\\\x00\x1f\x7f", "é\u2028\xff", "\ufffd\xf0\x9f\x98"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		b := appendString(nil, s)
		require.True(t, utf8.Valid(b))
		var back string
		require.NoError(t, json.Unmarshal(b, &back))
		require.Equal(t, strings.ToValidUTF8(s, "\ufffd"), collapse(s, back))
	})
}

// collapse makes one replacement character of a run of those that stand for bytes
// that are not UTF-8, as strings.ToValidUTF8 does.
func collapse(s, back string) string {
	var out strings.Builder
	bad := false
	for _, r := range back {
		_, n := utf8.DecodeRuneInString(s)
		wrong := n == 1 && s[0] >= utf8.RuneSelf
		s = s[n:]
		if !wrong || !bad {
			out.WriteRune(r)
		}
		bad = wrong
	}
	return out.String()
}

// Whatever the log, verification ends, and passes nothing that was not written; and
// the head that is found from the end is the last line that reading meets.
func FuzzVerify(f *testing.F) {
	var log []byte
	for _, text := range sampleLines() {
		log = append(append(log, text...), '\n')
	}
	f.Add(log)
	f.Add([]byte("plain\n"))
	f.Add(log[:len(log)-1])
	f.Fuzz(func(t *testing.T, content []byte) {
		r, err := Verify(t.Context(), bytes.NewReader(content), oneKey{}, nil)
		require.Zero(t, r.Lines, "nobody has the key")
		if err == nil {
			require.Equal(t, int64(len(content)), r.Torn)
		}
		got, gotErr := readTail(bytes.NewReader(content), int64(len(content)))
		want, wantErr := scanTail(bytes.NewReader(content))
		if gotErr == nil && wantErr == nil {
			require.Equal(t, want, got)
		}
	})
}

// What is read as an anchor is its text.
func FuzzParseAnchor(f *testing.F) {
	f.Add("cardseal-audit-1.AQL_AAAAAAAAAAAAAAAAAA.17.A_oAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")
	f.Fuzz(func(t *testing.T, text string) {
		if a, err := ParseAnchor(text); err == nil {
			require.Equal(t, text, a.String())
		}
	})
}
