package audit_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/tokenize/audit"
)

var full = audit.Event{
	Time:   time.Date(2030, 1, 2, 3, 4, 5, 6_000_000, time.UTC),
	Action: audit.Reveal, Outcome: audit.Refused, Repository: "SHOP", Merchant: "M1", Owner: "clerk",
	Token: "tok", Unknown: "0123456789abcdef0123456789abcdef", Reason: "dispute", Field: "token", Correlation: "c-1", Verification: "EXTERNAL_VERIFICATION_DECLINED",
	Receipt: []byte("a receipt"),
}

// Each event is one record; each field of it is in it; empty ones are left out.
func TestLog(t *testing.T) {
	var out bytes.Buffer
	sink := audit.NewLog(slog.New(slog.NewJSONHandler(&out, nil)))
	few := audit.Event{Time: full.Time, Action: audit.Save, Outcome: audit.Created, Token: "a \"quoted\"\nline"}
	require.NoError(t, sink.Record(t.Context(), []audit.Event{full, few}))
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	require.Len(t, lines, 2)
	read := func(line string) map[string]any {
		var m map[string]any
		require.NoError(t, json.Unmarshal([]byte(line), &m))
		require.Equal(t, "INFO", m["level"])
		require.Equal(t, "audit", m["msg"])
		for _, k := range []string{"level", "msg", "time"} {
			delete(m, k)
		}
		return m
	}
	require.Equal(t, map[string]any{
		"action": "reveal", "outcome": "refused", "repository": "SHOP", "merchant": "M1", "owner": "clerk",
		"token": "tok", "unknownToken": full.Unknown, "reason": "dispute", "field": "token", "correlation": "c-1",
		"verification": "EXTERNAL_VERIFICATION_DECLINED", "receipt": "YSByZWNlaXB0",
		"at": "2030-01-02T03:04:05.006Z",
	}, read(lines[0]))
	require.Equal(t, map[string]any{
		"action": "save", "outcome": "created", "token": "a \"quoted\"\nline", "at": "2030-01-02T03:04:05.006Z",
	}, read(lines[1]))
	require.Equal(t, reflect.TypeFor[audit.Event]().NumField(), len(read(lines[0])), "a field is not logged")
}

func TestLogOfNothing(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, audit.NewLog(slog.New(slog.NewTextHandler(&out, nil))).Record(t.Context(), nil))
	require.Empty(t, out.String())
}

// A handler that fails fails the sink, with the first event it does not take.
func TestLogFails(t *testing.T) {
	h := &failing{good: 1}
	err := audit.NewLog(slog.New(h)).Record(t.Context(), []audit.Event{full, full, full})
	require.ErrorIs(t, err, errFull)
	require.Equal(t, 2, h.calls)
	h = &failing{off: true}
	require.NoError(t, audit.NewLog(slog.New(h)).Record(t.Context(), []audit.Event{full}))
	require.Zero(t, h.calls)
}

var errFull = errors.New("disk full")

type failing struct {
	calls, good int
	off         bool
}

func (f *failing) Enabled(_ context.Context, l slog.Level) bool { return !f.off && l == slog.LevelInfo }
func (f *failing) Handle(context.Context, slog.Record) error {
	if f.calls++; f.calls > f.good {
		return errFull
	}
	return nil
}
func (f *failing) WithAttrs([]slog.Attr) slog.Handler { return f }
func (f *failing) WithGroup(string) slog.Handler      { return f }

// The words are what logs are searched by, and stay.
func TestWords(t *testing.T) {
	require.Equal(t, []audit.Action{"save", "update", "reveal", "delete", "create-repository"},
		[]audit.Action{audit.Save, audit.Update, audit.Reveal, audit.Delete, audit.Create})
	require.Equal(t, []audit.Outcome{"created", "existing", "updated", "done", "refused", "failed"},
		[]audit.Outcome{audit.Created, audit.Existing, audit.Updated, audit.Done, audit.Refused, audit.Failed})
}
