//go:build linux

package chaos

import (
	"testing"

	"github.com/anishathalye/porcupine"
	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/tokenize"
)

// at gives an operation its time.
func at(call, back int64, o op) op {
	o.Call, o.Return = call, back
	return o
}

func saved(got, token string, version uint64) op {
	return op{Do: save, Key: got + token, Got: got, Is: details{Token: token, Version: version}}
}

func keyed(key string, o op) op {
	o.Key = key
	return o
}

func dated(months int, o op) op {
	o.Expiry, o.Is.Expiry = months, months
	return o
}

func about(do, token, got string, version uint64) op {
	o := op{Do: do, Token: token, Got: got}
	if got == active || got == "updated" || got == "existing" {
		o.Is = details{Token: token, Version: version}
	}
	return o
}

// A check that accepts whatever it is shown proves nothing: these are histories
// that it must take, each beside some that it must not.
func TestModel(t *testing.T) {
	lost := op{Do: save, Key: "k"}
	for name, c := range map[string]struct {
		ops  []op
		want porcupine.CheckResult
	}{
		"one saves, one finds": {[]op{at(1, 2, saved("created", "a", 1)), at(3, 4, saved("existing", "a", 2))}, porcupine.Ok},
		"both at once":         {[]op{at(1, 9, saved("existing", "a", 2)), at(2, 8, saved("created", "a", 1))}, porcupine.Ok},
		"found before it was saved": {
			[]op{at(1, 2, saved("existing", "a", 2)), at(3, 4, saved("created", "a", 1))}, porcupine.Illegal},
		"a card has two tokens": {
			[]op{at(1, 9, saved("created", "a", 1)), at(2, 8, saved("created", "b", 1))}, porcupine.Illegal},
		"a token given out again": {
			[]op{at(1, 2, saved("created", "a", 1)), at(3, 4, about(remove, "a", done, 0)), at(5, 6, saved("created", "a", 1))}, porcupine.Illegal},
		"another after the first was deleted": {
			[]op{at(1, 2, saved("created", "a", 1)), at(3, 4, about(remove, "a", done, 0)), at(5, 6, saved("created", "b", 1)),
				at(7, 8, about(get, "a", deleted, 0)), at(7, 8, about(get, "b", active, 1))}, porcupine.Ok},
		"an acknowledged card is missing": {
			[]op{at(1, 2, saved("created", "a", 1)), at(3, 4, about(get, "a", missing, 0))}, porcupine.Illegal},
		"deleted, and there again": {
			[]op{at(1, 2, saved("created", "a", 1)), at(3, 4, about(remove, "a", done, 0)), at(5, 6, about(get, "a", active, 1))}, porcupine.Illegal},
		"deleted by nobody": {
			[]op{at(1, 2, saved("created", "a", 1)), at(5, 6, about(get, "a", deleted, 0))}, porcupine.Illegal},
		"another card's number": {
			[]op{at(1, 2, saved("created", "a", 1)), at(5, 6, about(reveal, "a", wrong, 0))}, porcupine.Illegal},
		"an answer was lost, the repetition finds what was done": {
			[]op{at(1, 2, lost), at(3, 4, keyed("k", saved("replayed", "a", 1)))}, porcupine.Ok},
		"an answer was lost, nothing was done": {
			[]op{at(1, 2, lost), at(3, 4, keyed("k", saved("created", "a", 1)))}, porcupine.Ok},
		"done at last, after the repetition": {
			[]op{at(1, 2, lost), at(3, 4, keyed("k", saved("created", "a", 1))), at(5, 6, about(remove, "a", done, 0)),
				at(7, 8, saved("existing", "b", 2))}, porcupine.Ok},
		"repeated and done twice": {
			[]op{at(1, 2, keyed("k", saved("created", "a", 1))), at(3, 4, keyed("k", saved("existing", "a", 2)))}, porcupine.Illegal},
		"remembered for nobody": {
			[]op{at(1, 2, saved("created", "a", 1)), at(3, 4, keyed("k", saved("replayed", "a", 1)))}, porcupine.Illegal},
		"forgotten with its token": {
			[]op{at(1, 2, keyed("k", saved("created", "a", 1))), at(3, 4, about(remove, "a", done, 0)),
				at(5, 6, keyed("k", saved("created", "b", 1)))}, porcupine.Ok},
		"an update is there": {
			[]op{at(1, 2, saved("created", "a", 1)), at(3, 4, dated(203001, about(update, "a", "updated", 2))),
				at(5, 6, dated(203001, about(get, "a", active, 2)))}, porcupine.Ok},
		"a lost update": {
			[]op{at(1, 2, saved("created", "a", 1)), at(3, 4, dated(203001, about(update, "a", "updated", 2))),
				at(5, 6, about(get, "a", active, 2))}, porcupine.Illegal},
		"an update that may have been": {
			[]op{at(1, 2, saved("created", "a", 1)), at(3, 4, op{Do: update, Token: "a", Expiry: 203001}),
				at(5, 6, about(get, "a", active, 1)), at(7, 8, dated(203001, about(get, "a", active, 2)))}, porcupine.Ok},
		"an update that may have been, taken back": {
			[]op{at(1, 2, saved("created", "a", 1)), at(3, 4, op{Do: update, Token: "a", Expiry: 203001}),
				at(5, 6, dated(203001, about(get, "a", active, 2))), at(7, 8, about(get, "a", active, 3))}, porcupine.Illegal},
		"a deletion that may have been": {
			[]op{at(1, 2, saved("created", "a", 1)), at(3, 4, op{Do: remove, Token: "a"}), at(5, 6, about(get, "a", deleted, 0))}, porcupine.Ok},
		"deleted twice": {
			[]op{at(1, 2, saved("created", "a", 1)), at(3, 4, about(remove, "a", done, 0)), at(5, 6, about(remove, "a", done, 0))}, porcupine.Ok},
		"two writes of one version": {
			[]op{at(1, 2, saved("created", "a", 1)), at(3, 9, dated(203001, about(update, "a", "updated", 2))),
				at(3, 9, dated(203002, about(update, "a", "updated", 2)))}, porcupine.Illegal},
		"a version raised by a rotation": {
			[]op{at(1, 2, saved("created", "a", 1)), at(3, 4, about(get, "a", active, 2)), at(5, 6, saved("existing", "a", 3))}, porcupine.Ok},
		"a version that fell": {
			[]op{at(1, 2, saved("created", "a", 1)), at(3, 4, about(get, "a", active, 2)), at(5, 6, about(get, "a", active, 1))}, porcupine.Illegal},
	} {
		t.Run(name, func(t *testing.T) {
			p := parts(c.ops, tokenize.UniqueCard)
			require.Len(t, p, 1)
			require.Equal(t, c.want, linearizable(p[0], patience))
		})
	}
}

// In a UNIQUE_TOKEN repository each save has a token to itself.
func TestPartsByToken(t *testing.T) {
	ops := []op{
		at(1, 2, op{Do: save, Key: "k"}), at(3, 4, keyed("k", saved("replayed", "a", 1))), at(2, 5, saved("created", "b", 1)),
		at(6, 7, about(remove, "a", done, 0)),
	}
	p := parts(ops, tokenize.UniqueToken)
	require.Len(t, p, 2)
	require.Equal(t, porcupine.Ok, linearizable(p["a"], patience))
	require.Equal(t, porcupine.Ok, linearizable(p["b"], patience))

	twice := append(ops, at(8, 9, saved("created", "b", 1)))
	require.Equal(t, porcupine.Illegal, linearizable(parts(twice, tokenize.UniqueToken)["b"], patience))
	unasked := []op{at(3, 4, keyed("k", saved("replayed", "a", 1)))}
	require.Equal(t, porcupine.Illegal, linearizable(parts(unasked, tokenize.UniqueToken)["a"], patience))
}
