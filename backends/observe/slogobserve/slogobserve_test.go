package slogobserve_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/backends/observe/slogobserve"
	"github.com/cardseal/cardseal/backends/store/memory"
	"github.com/cardseal/cardseal/crypto/envelope"
	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/keys/keystest"
)

// lines parses what a JSON handler wrote, without its times.
func lines(t *testing.T, out *bytes.Buffer) (all []map[string]any) {
	t.Helper()
	for d := json.NewDecoder(out); d.More(); {
		var line map[string]any
		require.NoError(t, d.Decode(&line))
		delete(line, "time")
		all = append(all, line)
	}
	return all
}

func logger(out *bytes.Buffer, at slog.Level) *slog.Logger {
	return slog.New(slog.NewJSONHandler(out, &slog.HandlerOptions{Level: at}))
}

func TestAttributes(t *testing.T) {
	var out bytes.Buffer
	key := envelope.NewKeyID()
	o := slogobserve.New(logger(&out, slog.LevelDebug))
	o.Observe(t.Context(), keys.Event{
		Kind: keys.KMSCall, Ring: keys.RingID{Environment: "test", Purpose: keys.PAN, Scope: "shop"}, Key: key,
		KEK: "kek-1", Op: keys.OpUnwrap, Err: keys.ErrThrottled, Took: time.Second,
	})
	o.Observe(t.Context(), keys.Event{Kind: keys.StateChanged, Key: key, State: keys.Disabled})
	require.Equal(t, []map[string]any{
		{
			"level": "WARN", "msg": "kms call", "environment": "test", "purpose": "pan", "scope": "shop",
			"key": key.String(), "kek": "kek-1", "op": "unwrap", "took": 1e9, "outcome": "throttled",
		},
		{"level": "INFO", "msg": "state changed", "key": key.String(), "state": "disabled", "outcome": "ok"},
	}, lines(t, &out))
}

func TestLevels(t *testing.T) {
	failed := errors.New("a vendor's words")
	for kind, want := range map[keys.EventKind][2]string{ // well, failed
		keys.KMSCall: {"DEBUG", "WARN"}, keys.CacheHit: {"DEBUG", "WARN"}, keys.CacheMiss: {"DEBUG", "WARN"},
		keys.Grace: {"WARN", "WARN"}, keys.Refreshed: {"DEBUG", "WARN"}, keys.Ended: {"WARN", "WARN"},
		keys.Rotated: {"INFO", "ERROR"}, keys.RingRead: {"DEBUG", "WARN"}, keys.UnderReplicated: {"WARN", "WARN"},
		keys.StateChanged: {"INFO", "INFO"}, keys.Rewrapped: {"INFO", "WARN"},
	} {
		var out bytes.Buffer
		o := slogobserve.New(logger(&out, slog.LevelDebug))
		o.Observe(t.Context(), keys.Event{Kind: kind})
		o.Observe(t.Context(), keys.Event{Kind: kind, Err: failed})
		require.NotContains(t, out.String(), "vendor")
		got := lines(t, &out)
		require.Len(t, got, 2)
		require.Equal(t, want, [2]string{got[0]["level"].(string), got[1]["level"].(string)}, kind.String())
	}
}

// A manager's story at Info: failures and changes, and nothing else.
func TestManager(t *testing.T) {
	var out bytes.Buffer
	kek := keystest.NewKEK("kek-1")
	m, err := keys.Open(t.Context(), memory.New().Keys(), kek, &keys.Options{
		Tries: 1, Observer: slogobserve.New(logger(&out, slog.LevelInfo)),
	})
	require.NoError(t, err)
	defer m.Close()
	s, err := m.Scope(keys.PAN, "shop")
	require.NoError(t, err)
	_, err = s.Seal(t.Context(), nil, []byte("Qz7#kW9~xV2^jB5&"), &envelope.Additional{Field: 1})
	require.NoError(t, err)
	require.Empty(t, out.String())
	kek.SetError(keys.ErrUnavailable)
	_, err = m.Rotate(t.Context(), keys.PAN)
	require.Error(t, err)
	kek.SetError(nil)
	_, err = m.Rotate(t.Context(), keys.PAN)
	require.NoError(t, err)
	var told []string
	for _, line := range lines(t, &out) {
		told = append(told, line["level"].(string)+" "+line["msg"].(string)+" "+line["outcome"].(string))
	}
	require.Equal(t, []string{"WARN kms call unavailable", "ERROR rotated unavailable", "INFO rotated ok"}, told)
}
