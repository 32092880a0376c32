package code_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/internal/needles"
	"github.com/cardseal/cardseal/tokenize"
	"github.com/cardseal/cardseal/tokenize/code"
	"github.com/cardseal/cardseal/tokenize/store"
)

// The canaries are codes on a card that has four digits.
var canaries = []string{"9074", "8396", "7518", "6849", "9385", "8657", "7963", "6794", "9546", "8475"}

// found returns the ways in which dumps write their canaries, each its own.
func found(dump func(canary string) string) []string {
	return needles.InAll(len(canaries), func(i int) []string {
		short := needles.Packed(canaries[i])
		return needles.Of(canaries[i], short, "\x04"+short)
	}, func(i int) string { return dump(canaries[i]) })
}

// hidden keeps a value in a caller's unexported field.
type hidden struct {
	v  any
	vs []any
}

// carriers are the types of this package with a canary inside, the errors and events
// of calls about it, and what it lies in.
func carriers(t testing.TB, canary string) map[string]any {
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
	made := map[string]map[string]any{}
	carrier := func(canary, name string) any {
		if made[canary] == nil {
			made[canary] = carriers(t, canary)
		}
		return made[canary][name]
	}
	for name := range carriers(t, canaries[0]) {
		require.Empty(t, found(func(canary string) string { return printed(carrier(canary, name)) }), name)
	}
	// The search finds what is there to be found.
	for _, bare := range []func(canary string) any{
		func(c string) any { return c },
		func(c string) any { return []byte(c) },
		func(c string) any { return [2]byte([]byte(needles.Packed(c))) },
		func(c string) any { return append([]byte{4}, needles.Packed(c)...) },
	} {
		require.NotEmpty(t, found(func(canary string) string { return printed(bare(canary)) }))
		require.NotEmpty(t, found(func(canary string) string { return printed(hidden{v: bare(canary)}) }))
	}
}

// A panic's text and the trace under it are written by the runtime itself.
func TestNoPanicPrintsACode(t *testing.T) {
	const envName, envCanary = "CODE_TEST_PANIC", "CODE_TEST_CANARY"
	if name := os.Getenv(envName); name != "" {
		panic(carriers(t, os.Getenv(envCanary))[name])
	}
	for _, name := range []string{"Put", "Candidate", "Retrieved", "wrapped", "Codes", "hidden Put"} {
		require.Empty(t, found(func(canary string) string {
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestNoPanicPrintsACode$")
			cmd.Env = append(os.Environ(), envName+"="+name, envCanary+"="+canary, "GOTRACEBACK=all")
			b, err := cmd.CombinedOutput()
			require.Error(t, err, name)
			require.Contains(t, string(b), "panic: ", name)
			return string(b)
		}), name)
	}
}
