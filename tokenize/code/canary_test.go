package code_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/tokenize"
	"github.com/cardseal/cardseal/tokenize/code"
	"github.com/cardseal/cardseal/tokenize/store"
)

// The canary is a code that no fixed text contains, on a card that has four digits.
const canary = "9074"

// needles are the ways in which a dump may write the canary.
func needles() (all []string) {
	for _, b := range []string{canary, "\x90\x74", "\x04\x90\x74"} {
		all = append(all, b, fmt.Sprintf("%x", b), fmt.Sprintf("%X", b))
		for _, verb := range []string{"%d", "%02x", "%02X", "0x%x", "%b", "%o", "%U"} {
			for _, between := range []string{" ", ", ", ","} {
				var parts []string
				for _, c := range []byte(b) {
					parts = append(parts, fmt.Sprintf(verb, c))
				}
				all = append(all, strings.Join(parts, between))
			}
		}
	}
	return all
}

// found returns the needles that are in both of two texts: four digits turn up in
// addresses and random IDs by chance, but not in two that were made apart.
func found(one, two string) (in []string) {
	for _, n := range needles() {
		if strings.Contains(one, n) && strings.Contains(two, n) {
			in = append(in, n)
		}
	}
	return in
}

// hidden keeps a value in a caller's unexported field.
type hidden struct {
	v  any
	vs []any
}

// carriers are the types of this package with the canary inside, the errors and events
// of calls about it, and what it lies in.
func carriers(t testing.TB) map[string]any {
	w, r, s, _ := shop(t, nil)
	token, at := w.save(r, amex), t.Context()
	c := cvc(t, canary)
	ref := code.Ref{Token: token}
	require.NoError(t, s.Put(at, me, own, token, c))
	put, candidate := code.Put{Ref: ref, Code: c}, code.Candidate{Ref: ref, Code: c, Counter: code.Card}
	read, err := s.RetrieveBatch(at, me, []code.Ref{ref})
	require.NoError(t, err)
	verified, err := s.VerifyBatch(at, me, []code.Candidate{candidate, {Ref: ref, Code: cvc(t, "123"), Counter: code.Card}})
	require.NoError(t, err)
	st, err := s.Status(at, me, own, token)
	require.NoError(t, err)
	short := s.Put(at, me, own, w.save(r, visa), c)
	require.Error(t, short)
	_, refused := r.Save(at, with(t, me, visa, canary))
	require.Error(t, refused)
	w.eph.put = func() error { return store.ErrUnavailable }
	_, lost := r.Save(at, with(t, me, amex, canary))
	require.ErrorIs(t, lost, tokenize.ErrCodeNotKept)
	out := map[string]any{
		"Put": put, "*Put": &put, "Candidate": candidate, "[]Candidate": []code.Candidate{candidate},
		"Retrieved": read[0], "*Retrieved": &read[0], "Verified": verified, "Status": st, "CodeToKeep": tokenize.CodeToKeep{Token: token, Code: c},
		"error": short, "refused": refused, "not kept": lost, "wrapped": fmt.Errorf("put %v: %w", put, short),
		"events": w.sink.take(), "Codes": s, "stored": all(t, w.ephemeral), "Owner": own, "map": map[string]any{"k": put, "p": &candidate},
	}
	for name, v := range out {
		out["hidden "+name] = &hidden{v, []any{v}}
	}
	return out
}

func printed(v any) string {
	var out bytes.Buffer
	for _, verb := range "vTtbcdoOqxXUeEfFgGspw" {
		for _, flag := range []string{"", "+", "#", " ", "0", "+#"} {
			fmt.Fprintf(&out, "%"+flag+string(verb)+"\n", v)
		}
	}
	b, err := json.Marshal(v)
	fmt.Fprintln(&out, string(b), err)
	for _, h := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
		slog.New(h).With("with", v).Info("m", "v", v, "list", []any{v})
	}
	return out.String()
}

func TestNothingPrintsACode(t *testing.T) {
	one, two := carriers(t), carriers(t)
	for name, v := range one {
		require.Empty(t, found(printed(v), printed(two[name])), name)
	}
	// The search finds what is there to be found.
	for _, bare := range []any{canary, []byte(canary), [2]byte{0x90, 0x74}, []byte{4, 0x90, 0x74}} {
		require.NotEmpty(t, found(printed(bare), printed(bare)))
		require.NotEmpty(t, found(printed(hidden{v: bare}), printed(hidden{v: bare})))
	}
}

// A panic's text and the trace under it are written by the runtime itself.
func TestNoPanicPrintsACode(t *testing.T) {
	const env = "CODE_TEST_PANIC"
	if name := os.Getenv(env); name != "" {
		panic(carriers(t)[name])
	}
	for _, name := range []string{"Put", "Candidate", "Retrieved", "wrapped", "Codes", "hidden Put"} {
		var out []string
		for range 2 {
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestNoPanicPrintsACode$")
			cmd.Env = append(slices.Clone(os.Environ()), env+"="+name, "GOTRACEBACK=all")
			b, err := cmd.CombinedOutput()
			require.Error(t, err, name)
			require.Contains(t, string(b), "panic: ", name)
			out = append(out, string(b))
		}
		require.Empty(t, found(out[0], out[1]), name)
	}
}
