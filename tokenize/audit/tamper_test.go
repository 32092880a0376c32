package audit_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/tokenize/audit"
)

// altered expects a log not to pass: an error without an anchor, but for what only
// takes from its end, and always one with it.
func (w *world) altered(content []byte, head audit.Anchor, what string) {
	w.Helper()
	_, err := w.verify(content, &audit.VerifyOptions{Anchor: &head})
	var e *audit.ChainError
	require.ErrorAs(w, err, &e, what)
	for _, secret := range []string{full.Token, full.Reason, full.Merchant} {
		require.NotContains(w, e.Error(), secret+" ")
		require.NotContains(w, e.Error(), `"`+secret)
	}
	if r, err := w.verify(content, nil); err == nil {
		require.Less(w, r.Head.Sequence, head.Sequence, what)
	}
}

func TestEveryBit(t *testing.T) {
	w := newWorld(t)
	content, head := w.log()
	for i := range content {
		for bit := range 8 {
			changed := bytes.Clone(content)
			changed[i] ^= 1 << bit
			w.altered(changed, head, string(content[max(0, i-20):i]))
		}
	}
}

func TestEveryByteDroppedOrRepeated(t *testing.T) {
	w := newWorld(t)
	content, head := w.log()
	for i := range content {
		if i < len(content)-1 { // a line without its end says the same
			w.altered(append(bytes.Clone(content[:i]), content[i+1:]...), head, "dropped")
			w.altered(content[:i], head, "cut")
		}
		repeated := append(bytes.Clone(content[:i+1]), content[i:]...)
		if i == len(content)-1 {
			w.wrong(repeated, nil, 5, audit.ErrForeign) // an empty line at the end
			continue
		}
		w.altered(repeated, head, "repeated")
	}
}

func TestLinesMoved(t *testing.T) {
	w := newWorld(t)
	content, head := w.log()
	l := lines(content)
	for name, c := range map[string]struct {
		content []byte
		line    int64
		kind    error
	}{
		"swapped":     {join(l[0], l[2], l[1], []byte(string(l[3]))), 2, audit.ErrOrder},
		"dropped":     {join(l[0], l[2], l[3]), 2, audit.ErrOrder},
		"repeated":    {join(l[0], l[1], l[1], l[2], l[3]), 3, audit.ErrOrder},
		"no begin":    {join(l[1], l[2], l[3]), 1, audit.ErrOrder},
		"begin again": {join(l[0], l[1], l[0]), 3, audit.ErrOrder},
		"inserted":    {join(l[0], l[1], []byte("{}\n"), l[2], l[3]), 3, audit.ErrForeign},
		"in front":    {join([]byte("x\n"), content), 1, audit.ErrForeign},
		"appended":    {join(content, []byte("{}\n")), 5, audit.ErrForeign},
		"long line":   {join(l[0], bytes.Repeat([]byte("x"), 3*audit.MaxLine), []byte("\n"), l[1]), 2, audit.ErrForeign},
		"long end":    {join(l[0], bytes.Repeat([]byte("x"), 3*audit.MaxLine), []byte("\n")), 2, audit.ErrForeign},
		"crossed":     {join(l[0], bytes.Replace(l[1], []byte(`"seq":2`), []byte(`"seq":3`), 1)), 2, audit.ErrOrder},
	} {
		t.Run(name, func(t *testing.T) {
			w.wrong(c.content, nil, c.line, c.kind)
			r, _ := w.verify(c.content, nil)
			require.Equal(t, uint64(c.line-1), r.Lines, "what held until there")
		})
	}
	for n := range l {
		short := join(l[:n]...)
		r, err := w.verify(short, nil)
		require.NoError(t, err, "the file alone cannot show it")
		require.Equal(t, uint64(n), r.Lines)
		w.wrong(short, &audit.VerifyOptions{Anchor: &head}, 0, audit.ErrCut)
	}
}

// Lines of another chain under the same key, and of another key.
func TestLinesOfOthers(t *testing.T) {
	w := newWorld(t)
	content, head := w.log()
	f := w.open("other", nil)
	w.record(f, full, full, full)
	other := w.read("other")
	w.wrong(join(lines(content)[0], lines(other)[1]), nil, 2, audit.ErrOther)
	w.wrong(other, &audit.VerifyOptions{Anchor: &head}, 1, audit.ErrAnchor)
	// The other chain's line under this one's name.
	id := lines(content)[0][16:38]
	forged := bytes.Replace(lines(other)[1], lines(other)[1][16:38], id, 1)
	w.wrong(join(lines(content)[0], forged), nil, 2, audit.ErrMAC)

	stranger := newWorld(t)
	stranger.wrong(content, nil, 1, audit.ErrKey)

	// The same length of chain, written by someone who has the key: the anchor tells.
	w.wrong(other, &audit.VerifyOptions{Anchor: &audit.Anchor{Chain: w.head(f).Chain, Head: head.Head}}, 4, audit.ErrAnchor)
}

func TestAnchors(t *testing.T) {
	w := newWorld(t)
	f := w.open("log", nil)
	var anchors []audit.Anchor
	for range 4 {
		w.record(f, full)
		anchors = append(anchors, w.head(f))
	}
	content := w.read("log")
	for _, a := range anchors {
		_, err := w.verify(content, &audit.VerifyOptions{Anchor: &a})
		require.NoError(t, err)
		wrong := a
		wrong.MAC[31] ^= 1
		w.wrong(content, &audit.VerifyOptions{Anchor: &wrong}, int64(a.Sequence), audit.ErrAnchor)
	}
	w.wrong(nil, &audit.VerifyOptions{Anchor: &anchors[0]}, 0, audit.ErrCut)
}

// A line of a version to come is neither altered nor foreign, and a log with one is
// not written to.
func TestNewerVersion(t *testing.T) {
	w := newWorld(t)
	content, _ := w.log()
	newer := join(content, []byte(`{"v":2,"chain":"x"}`+"\n"))
	w.wrong(newer, nil, 5, audit.ErrNewer)
	w.write("newer", newer)
	_, err := audit.OpenFile(w.path("newer"), w.scope, nil)
	require.ErrorIs(t, err, audit.ErrNewer)
	_, err = audit.ReadHead(bytes.NewReader(newer), int64(len(newer)))
	require.ErrorIs(t, err, audit.ErrNewer)
	far := join(newer, bytes.Repeat([]byte("plain\n"), audit.MaxLine))
	_, err = audit.ReadHead(bytes.NewReader(far), int64(len(far)))
	require.ErrorIs(t, err, audit.ErrNewer)
}

// What keeps a log from being read says nothing of the log.
func TestVerifyCannot(t *testing.T) {
	w := newWorld(t)
	content, _ := w.log()
	for _, kind := range []error{keys.ErrUnavailable, keys.ErrDisabled, keys.ErrClosed} {
		_, err := audit.Verify(t.Context(), bytes.NewReader(content), noKeys{err: kind}, nil)
		require.ErrorIs(t, err, kind)
		require.False(t, isChainError(err))
	}
	broken := errors.New("broken disk")
	for n := range 4 {
		l := lines(content)
		r, err := audit.Verify(t.Context(), io.MultiReader(bytes.NewReader(join(l[:n]...)), strings.NewReader("{"), fails{broken}), w.scope, nil)
		require.ErrorIs(t, err, broken)
		require.False(t, isChainError(err))
		require.Equal(t, uint64(n), r.Lines)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := audit.Verify(ctx, bytes.NewReader(content), w.scope, nil)
	require.ErrorIs(t, err, context.Canceled)
}

func isChainError(err error) bool {
	_, ok := errors.AsType[*audit.ChainError](err)
	return ok
}

type fails struct{ err error }

func (f fails) Read([]byte) (int, error) { return 0, f.err }
