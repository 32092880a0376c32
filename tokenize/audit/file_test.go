package audit_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/tokenize/audit"
)

func TestFile(t *testing.T) {
	w := newWorld(t)
	f := w.open("log", nil)
	_, ok := f.Head()
	require.False(t, ok)
	w.record(f)
	require.Empty(t, w.read("log"), "nothing is recorded of nothing")
	require.Zero(t, w.kek.Wraps(), "opening makes no call")
	w.record(f, full, full)
	w.record(f, audit.Event{Time: full.Time.Add(time.Second), Action: "suspend", Outcome: audit.Done})

	info, err := os.Stat(w.path("log"))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	head := w.head(f)
	require.Equal(t, uint64(4), head.Sequence)
	require.Equal(t, audit.Report{
		Lines: 4, Events: 3, Before: audit.Anchor{Chain: head.Chain}, Head: head, Keys: 1,
		First: full.Time, Last: full.Time.Add(time.Second),
	}, w.whole("log"))

	// It goes on where it ended, whoever opens it.
	require.NoError(t, f.Close())
	f = w.open("log", nil)
	require.Equal(t, head, w.head(f))
	w.record(f, full)
	r := w.whole("log")
	require.Equal(t, uint64(5), r.Lines)
	require.Equal(t, w.head(f), r.Head)
	require.Equal(t, 1, w.kek.Wraps())
}

// What a line says, to whoever reads it without this package.
func TestLineIsJSON(t *testing.T) {
	w := newWorld(t)
	content, _ := w.log()
	var l map[string]any
	require.NoError(t, json.Unmarshal(lines(content)[1], &l))
	id, err := w.scope.ActiveKey(t.Context())
	require.NoError(t, err)
	require.Equal(t, id.String(), l["key"])
	require.InEpsilon(t, 2, l["seq"], 0)
	require.Equal(t, map[string]any{
		"action": "reveal", "outcome": "refused", "repository": "SHOP", "merchant": "M1", "owner": "clerk",
		"token": "tok", "unknownToken": full.Unknown, "reason": "dispute", "field": "token", "correlation": "c-1", "verification": full.Verification, "receipt": "YSByZWNlaXB0",
		"at": "2030-01-02T03:04:05.006Z",
	}, l["event"])
}

// Texts of every kind are written so that they can be verified.
func TestOddTexts(t *testing.T) {
	w := newWorld(t)
	f := w.open("log", nil)
	for _, s := range []string{
		"a\"b\\c\n\r\t\b\f\x00\x1f\x7f", "é€😀\u2028\u2029<>&", "\xff\xc3(\xed\xa0\x80\xf5", strings.Repeat("\x01", 255), "\ufffd",
	} {
		w.record(f, audit.Event{Time: full.Time, Token: s, Action: audit.Action(s)})
	}
	for _, at := range []time.Time{{}, time.Date(9999, 12, 31, 23, 59, 59, 999_999_999, time.UTC), time.Date(2026, 1, 1, 0, 0, 0, 1, time.FixedZone("", 3600))} {
		w.record(f, audit.Event{Time: at})
	}
	require.Equal(t, uint64(8), w.whole("log").Events)
}

// An event that cannot be written down is an error, and none of its batch is.
func TestEventsThatDoNotFit(t *testing.T) {
	w := newWorld(t)
	f := w.open("log", nil)
	for _, e := range []audit.Event{
		{Reason: strings.Repeat("x", audit.MaxLine)}, {Time: time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)}, {Time: time.Date(-1, 1, 1, 0, 0, 0, 0, time.UTC)},
	} {
		require.ErrorIs(t, f.Record(t.Context(), []audit.Event{full, e}), audit.ErrEvent)
	}
	require.Empty(t, w.read("log"))
	w.record(f, audit.Event{Reason: strings.Repeat("x", audit.MaxLine-500)})
	w.record(f, full)
	require.Equal(t, uint64(2), w.whole("log").Events)
}

func TestRotatedKey(t *testing.T) {
	w := newWorld(t)
	f := w.open("log", nil)
	w.record(f, full)
	id, err := w.keys.Rotate(t.Context(), keys.Audit)
	require.NoError(t, err)
	w.record(f, full, full)
	all := lines(w.read("log"))
	require.NotContains(t, string(all[1]), id.String())
	require.Contains(t, string(all[2]), id.String())
	r := w.whole("log")
	require.Equal(t, 2, r.Keys)
	require.Equal(t, uint64(4), r.Lines)

	// The new key's lines hang on the old key's last one.
	w.wrong(join(all[0], all[2], all[3]), nil, 2, audit.ErrOrder)
}

// Without a key nothing is written, and once there is one it goes on.
func TestNoKey(t *testing.T) {
	w := newWorld(t)
	f := w.open("log", nil)
	w.kek.SetError(&keys.CallError{Call: "kms:Decrypt", Kind: keys.ErrDenied})
	require.ErrorIs(t, f.Record(t.Context(), []audit.Event{full}), keys.ErrDenied)
	require.Empty(t, w.read("log"))
	w.kek.SetError(nil)
	w.record(f, full)
	require.NoError(t, w.keys.Close())
	require.ErrorIs(t, f.Record(t.Context(), []audit.Event{full}), keys.ErrClosed)
	_, err := audit.OpenFile(w.path("other"), nil, nil)
	require.Error(t, err)
	_, err = audit.OpenFile(w.path("other"), w.scope, &audit.FileOptions{Continue: &audit.Anchor{}})
	require.Error(t, err)
	require.NoFileExists(t, w.path("other"))
}

// Calls from many goroutines give one chain in which each batch is together.
func TestFileConcurrent(t *testing.T) {
	w := newWorld(t)
	f := w.open("log", nil)
	var writers sync.WaitGroup
	for g := range 8 {
		writers.Go(func() {
			for i := range 20 {
				name := fmt.Sprintf("%d-%d", g, i)
				err := f.Record(t.Context(), []audit.Event{{Token: name, Action: audit.Save}, {Token: name, Action: audit.Reveal}})
				if err != nil {
					t.Error(err)
				}
				f.Head()
				_ = f.Sync()
			}
		})
	}
	writers.Wait()
	require.Equal(t, uint64(320), w.whole("log").Events)
	all := lines(w.read("log"))[1:]
	for i := 0; i < len(all); i += 2 {
		_, first, _ := bytes.Cut(all[i], []byte(`"token":"`))
		_, second, _ := bytes.Cut(all[i+1], []byte(`"token":"`))
		require.Equal(t, string(bytes.SplitN(first, []byte(`"`), 2)[0]), string(bytes.SplitN(second, []byte(`"`), 2)[0]))
	}
}

// A file that continues another is held against it.
func TestContinue(t *testing.T) {
	w := newWorld(t)
	f := w.open("1", nil)
	w.record(f, full)
	middle := w.head(f)
	w.record(f, full)
	end := w.head(f)
	require.NoError(t, f.Close())
	f = w.open("2", &audit.FileOptions{Continue: &end})
	_, ok := f.Head()
	require.False(t, ok, "it has no entry of its own yet")
	w.record(f, full)
	require.NoError(t, f.Close())
	// Opened again with an option that it has no use for any more.
	f = w.open("2", &audit.FileOptions{Continue: &middle})
	w.record(f, full)

	second := w.read("2")
	r, err := w.verify(second, &audit.VerifyOptions{After: &end, Anchor: &end})
	require.NoError(t, err)
	require.Equal(t, end, r.Before)
	require.Equal(t, end.Sequence+3, r.Head.Sequence)
	w.wrong(second, &audit.VerifyOptions{After: &middle}, 1, audit.ErrAnchor)
	w.wrong(second, &audit.VerifyOptions{Anchor: &middle}, 1, audit.ErrEarlier)
	w.wrong(join(w.read("1"), second), nil, 4, audit.ErrOrder)
	w.wrong(join(lines(second)[1:]...), nil, 1, audit.ErrOrder)
}

func TestLocked(t *testing.T) {
	w := newWorld(t)
	f := w.open("log", nil)
	_, err := audit.OpenFile(w.path("log"), w.scope, nil)
	require.ErrorIs(t, err, audit.ErrLocked)
	require.NoError(t, f.Close())
	w.open("log", nil)
}

// The words of anchors are kept in other places and stay.
func TestAnchorText(t *testing.T) {
	a := audit.Anchor{Chain: [16]byte{1, 2, 255}}
	a.Sequence, a.MAC = 17, [32]byte{3, 250}
	text := "cardseal-audit-1.AQL_AAAAAAAAAAAAAAAAAA.17.A_oAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
	require.Equal(t, text, a.String())
	got, err := audit.ParseAnchor(text)
	require.NoError(t, err)
	require.Equal(t, a, got)
	b, err := json.Marshal(a)
	require.NoError(t, err)
	require.Equal(t, `"`+text+`"`, string(b))
	require.NoError(t, json.Unmarshal(b, &got))
	for _, bad := range []string{
		"", text[1:], text + "A", text + ".", " " + text, strings.Replace(text, ".17.", ".017.", 1), strings.Replace(text, ".17.", ".0.", 1),
		strings.Replace(text, ".17.", ".+17.", 1), strings.Replace(text, ".17.", ".18446744073709551616.", 1),
		strings.Replace(text, "audit-1", "audit-2", 1), text[:len(text)-1] + "B", strings.Replace(text, "_", "/", 1), text[:len(text)-1] + "\n",
	} {
		_, err := audit.ParseAnchor(bad)
		require.ErrorIs(t, err, audit.ErrAnchorText, bad)
	}
}
