package chaostest

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"
)

// childPlan tells the test binary that it is a child, and what it is to do.
const childPlan = "CARDSEAL_CHAOS_PLAN"

// Main is a package's TestMain: the tests or, in a child, what its plan says.
func Main[P any](m *testing.M, child func(ctx context.Context, plan *P) error) {
	text := os.Getenv(childPlan)
	if text == "" {
		os.Exit(m.Run())
	}
	var plan P
	err := json.Unmarshal([]byte(text), &plan)
	if err == nil {
		// A process of its own has no test to take a context from.
		err = child(context.Background(), &plan)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// Child returns the test binary as a process of its own that is to do what the
// plan says. It is not started yet; the test's end kills it.
func Child(t *testing.T, plan any) *exec.Cmd {
	t.Helper()
	text, err := json.Marshal(plan)
	require.NoError(t, err)
	c := exec.CommandContext(t.Context(), os.Args[0])
	c.Env = append(os.Environ(), childPlan+"="+string(text))
	c.Stderr = os.Stderr
	t.Cleanup(func() {
		if c.Process != nil {
			_ = c.Process.Kill() // one that was stopped would stay for ever
		}
	})
	return c
}
