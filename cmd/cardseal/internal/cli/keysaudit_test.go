package cli

import (
	"context"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/tokenize/audit"
)

// Each change of keys is two events, with who did it and to what; what only looks is
// none.
func TestKeyChangesAreRecorded(t *testing.T) {
	w := newWorld(t)
	w.token()
	id := w.key(keys.PAN, "active")
	before := len(w.auditEvents())
	since := func() (all []string) {
		events := w.auditEvents()
		for _, e := range events[before:] {
			require.Equal(t, "custodian-1", e["owner"])
			all = append(all, e["action"].(string)+" "+e["outcome"].(string)+": "+e["reason"].(string))
		}
		before = len(events)
		return all
	}
	by := func(args ...string) []string {
		return slices.Concat([]string{"keys"}, args, []string{"--actor", "custodian-1"})
	}
	of := "data key " + id + " of ring pan"

	w.ok(by("rotate", "--purpose", "pan")...)
	require.Equal(t, []string{
		"rotate-key begun: ring pan", "rotate-key done: data key " + w.key(keys.PAN, "active") + " of ring pan is active",
	}, since())
	for _, c := range []struct{ name, outcome string }{
		{"retire", "unchanged"}, {"disable", "done"}, {"disable", "unchanged"}, {"enable", "done"},
	} {
		w.ok(by(c.name, id)...)
		require.Equal(t, []string{c.name + "-key begun: " + of, c.name + "-key " + c.outcome + ": " + of}, since())
	}
	w.ok(by("rewrap", "--purpose", "pan")...)
	require.Equal(t, []string{"rewrap-keys begun: ring pan", "rewrap-keys done: ring pan, 2 data keys, 2 moved"}, since())

	// What failed says so, and what was not begun says nothing.
	index := w.key(keys.Index, "active")
	w.fails(ExitFailed, "reindex replaces it first", by("retire", index)...)
	require.Equal(t, []string{
		"retire-key begun: data key " + index + " of ring index", "retire-key failed: data key " + index + " of ring index",
	}, since())
	w.fails(ExitFailed, "ring index", by("rotate", "--purpose", "index")...)
	require.Equal(t, []string{"rotate-key begun: ring index", "rotate-key failed: ring index"}, since())
	w.fails(ExitFailed, "no such data key", by("retire", exampleKey)...)
	w.fails(ExitUsage, "--actor must be", "keys", "retire", id, "--actor", "é")
	w.ok(by("rewrap", "--dry-run")...)
	w.ok(by("rewrap", "--purpose", "cvc")...)
	for _, args := range [][]string{{"list"}, {"census"}, {"inventory"}, {"receipts"}} {
		w.ok(append([]string{"keys"}, args...)...)
	}
	require.Empty(t, since())
	w.ok("audit", "verify")

	// Without --actor it is the user.
	who, err := actorOf("")
	require.NoError(t, err)
	w.ok("keys", "disable", id)
	require.Equal(t, who, w.auditEvents()[before]["owner"])
}

// A change that cannot be written down beforehand is not made.
func TestKeyChangeNeedsTheLog(t *testing.T) {
	w := newWorld(t)
	w.token()
	v := w.opened()
	defer v.Close()
	require.NoError(t, v.Audit.Close())
	records, err := v.Keys.Records(t.Context(), keys.PAN)
	require.NoError(t, err)
	rings, err := keyRings(t.Context(), v, "", keys.PAN)
	require.NoError(t, err)
	for name, change := range map[string]func() error{
		"rotate": func() error { _, err := rotateRecorded(t.Context(), v, &rings[0], "x"); return err },
		"rewrap": func() error {
			_, err := rewrapRecorded(t.Context(), v, &rings[0], "x", &keys.RewrapOptions{})
			return err
		},
		"destroy": func() error {
			_, err := destroyRecorded(t.Context(), v, &records[0], "x", "", keys.DestroyOptions{Shred: true})
			return err
		},
	} {
		require.ErrorIs(t, change(), os.ErrClosed, name)
	}
	after, err := v.Keys.Records(t.Context(), keys.PAN)
	require.NoError(t, err)
	require.Equal(t, records, after)
}

// Where what became of it cannot be written down, that is told.
func TestKeyChangeWhoseEndIsNotWritten(t *testing.T) {
	w := newWorld(t)
	w.token()
	v := w.opened()
	defer v.Close()
	err := recorded(t.Context(), v, audit.Event{Action: audit.RetireKey}, "what to do", func(*audit.Event) error { return v.Audit.Close() })
	require.Equal(t, &failure{"what to do"}, err)
}

// A change that was made is written down as made, also where the key cannot be read
// again to be shown.
func TestKeyChangeThatIsNotReadAgain(t *testing.T) {
	w := newWorld(t)
	w.token()
	id := w.key(keys.PAN, "active")
	ctx, interrupt := context.WithCancel(t.Context())
	var out, said strings.Builder
	a := &app{stdin: strings.NewReader(""), stdout: &out, stderr: &said}
	c := a.keyChange("retire", "", "", audit.RetireKey, func(m *keys.Manager, ctx context.Context, id keys.KeyID) error {
		defer interrupt()
		return m.Retire(ctx, id)
	})
	c.SilenceUsage, c.SilenceErrors = true, true
	c.SetArgs([]string{id})
	require.ErrorIs(t, c.ExecuteContext(ctx), context.Canceled)
	require.Contains(t, said.String(), "was changed, but could not be read again")
	events := w.auditEvents()
	require.Equal(t, "done", events[len(events)-1]["outcome"])
	require.Equal(t, id, w.key(keys.PAN, "retired"))
}
