package keystest

import (
	"testing"

	"github.com/cardseal/cardseal/internal/faultproxy"
	"github.com/cardseal/cardseal/keys"
)

// Live is what [RunKEKLive] has done to a KMS by its administrator or by an
// outage. A nil function leaves out what needs it, with a line in the log. Every
// function reports its own failures to t and undoes with t.Cleanup what it leaves
// behind; each takes effect before it returns.
type Live struct {
	// NewKey makes a new key, enabled, at its first version, and opens it. It is
	// called for each check. It must not be nil.
	NewKey func(t *testing.T) keys.KEK
	// Missing opens a key that does not exist. Either the error or every call of
	// the KEK must be keys.ErrNotFound.
	Missing func(t *testing.T) (keys.KEK, error)
	// Disable disables k's key, so that no call with it succeeds, and Enable undoes
	// that.
	Disable, Enable func(t *testing.T, k keys.KEK)
	// Destroy destroys k's key, or schedules that.
	Destroy func(t *testing.T, k keys.KEK)
	// Rotate gives k's key a new version, which wraps from now on.
	Rotate func(t *testing.T, k keys.KEK)
	// Trim takes every version but the newest out of use.
	Trim func(t *testing.T, k keys.KEK)
	// Denied opens k's key for another caller, who lacks every permission on it.
	// Where he could not open it, take his permissions away after opening.
	Denied func(t *testing.T, k keys.KEK) keys.KEK
	// Hung opens k's key through something that takes requests and never answers.
	// It may be nil where Server and Open are given.
	Hung func(t *testing.T, k keys.KEK) keys.KEK
	// Server is the KMS's host and port, without TLS, and Open opens k's key by a
	// connection to addr, which leads to Server until it hangs.
	Server string
	Open   func(t *testing.T, k keys.KEK, addr string) keys.KEK
	// Restart opens a key on a server that Stop stops, as a crash would, and Start
	// starts again at the same address with the same keys.
	Restart     func(t *testing.T) keys.KEK
	Stop, Start func(t *testing.T)
}

// RunKEKLive is the suite of a KEK whose KMS lives on its own: keys that are
// disabled, enabled, destroyed, rotated and trimmed, callers without permission, a
// server that hangs and one that is stopped and started under load. It expects of
// every failure what [RunKEK] does: its kind, nothing beside it, no key bytes in
// its text.
//
// The calls go on while the server is away, so that Stop and Start are called
// beside them, but always from the test's own goroutine.
func RunKEKLive(t *testing.T, l Live) {
	for _, c := range liveChecks {
		t.Run(c.name, func(t *testing.T) {
			if why := c.leftOut(&l); why != "" {
				t.Logf("left out: %s is nil", why)
				return
			}
			h := newLiveHarness(t, &l)
			for _, failure := range h.run(func(*kekHarness) { c.run(h) }) {
				t.Error(failure)
			}
		})
	}
}

// liveCheck is one of the suite's checks, and what it cannot do without.
type liveCheck struct {
	name    string
	leftOut func(l *Live) (missing string)
	run     func(h *liveHarness)
}

var liveChecks = []liveCheck{
	{"Missing", func(l *Live) string { return lacks(l.Missing == nil, "Missing") }, liveMissing},
	{"Disabled", func(l *Live) string { return lacks(l.Disable == nil, "Disable") }, liveDisabled},
	{"Destroyed", func(l *Live) string { return lacks(l.Destroy == nil, "Destroy") }, liveDestroyed},
	{"Denied", func(l *Live) string { return lacks(l.Denied == nil, "Denied") }, liveDenied},
	{"Rotated", func(l *Live) string { return lacks(l.Rotate == nil, "Rotate") }, liveRotated},
	{"Hung", func(l *Live) string {
		return lacks(l.Hung == nil && (l.Server == "" || l.Open == nil), "Hung, and Server or Open")
	}, liveHung},
	{"Restarted", func(l *Live) string {
		return lacks(l.Restart == nil || l.Stop == nil || l.Start == nil, "Restart, Stop or Start")
	}, liveRestarted},
}

func lacks(missing bool, name string) string {
	if missing {
		return name
	}
	return ""
}

// liveHarness is a harness with the KMS's administrator at hand. t is handed on to
// his functions only.
type liveHarness struct {
	*kekHarness
	t *testing.T
	l *Live
}

func newLiveHarness(t *testing.T, l *Live) *liveHarness {
	return &liveHarness{kekHarness: newKEKHarness(t.Context(), nil, nil), t: t, l: l}
}

// newKey makes the check's key.
func (h *liveHarness) newKey() { h.k = h.l.NewKey(h.t) }

// proxy starts a proxy before a server; the test's end closes it.
func proxy(t *testing.T, server string) *faultproxy.Proxy {
	t.Helper()
	p, err := faultproxy.New(server)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}
