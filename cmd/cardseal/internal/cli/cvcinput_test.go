package cli

import (
	"bytes"
	"context"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A code is asked for on a terminal without showing it.
func TestCVCOnATerminal(t *testing.T) { notTwice(t, codeOnATerminal) }

func codeOnATerminal(t *testing.T) *world {
	w, token := issuer(t)
	near, typed, show := openTypedOn(t)
	var out, said bytes.Buffer
	done := make(chan int, 1)
	go func() {
		done <- Run(t.Context(), []string{"cvc", "put", token, "--repository", "ISSUED"}, near, &out, &said)
	}()
	typed(secretCode)
	require.Equal(t, ExitDone, <-done, said.String())
	require.False(t, aCode.MatchString(show()))
	require.Contains(t, said.String(), "Security code: ")
	require.Equal(t, "the security code is right\n", w.cvc(secretCode, "verify", token, "--repository", "ISSUED").out)
	w.noCodes(out.String() + said.String())
	return w
}

// A run that is stopped is not gone on with, since nothing of the codes is written
// down; it says so.
func TestCVCInterrupted(t *testing.T) { notTwice(t, codesInterrupted) }

func codesInterrupted(t *testing.T) *world {
	w, token := issuer(t)
	ctx, stop := context.WithCancel(t.Context())
	rest := silent{make(chan struct{})}
	go func() { <-rest.asked; stop() }()
	in := io.MultiReader(strings.NewReader(token+","+secretCode+"\n"), rest)
	var out, said bytes.Buffer
	require.Equal(t, ExitFailed, Run(ctx, []string{"cvc", "put", "--in", "-", "--repository", "ISSUED"}, in, &out, &said))
	require.Regexp(t, `interrupted after [01] rows; those were carried out`, said.String())
	w.noCodes(out.String() + said.String())
	return w
}
