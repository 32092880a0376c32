package outcome_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/backends/observe/internal/outcome"
	"github.com/cardseal/cardseal/keys"
)

func TestOf(t *testing.T) {
	for want, err := range map[string]error{
		"ok":          nil,
		"denied":      errors.Join(keys.ErrUnavailable, keys.ErrDenied),
		"disabled":    fmt.Errorf("rotate: %w", keys.ErrDisabled),
		"not_found":   &keys.CallError{Call: "kms:Decrypt", Kind: keys.ErrNotFound},
		"corrupt":     keys.ErrCorrupt,
		"throttled":   keys.ErrThrottled,
		"unavailable": fmt.Errorf("%w: %w", keys.ErrUnavailable, context.DeadlineExceeded),
		"conflict":    keys.ErrConflict,
		"closed":      keys.ErrClosed,
		"canceled":    context.Canceled,
		"timeout":     context.DeadlineExceeded,
		"other":       errors.New("a vendor's words"),
	} {
		require.Equal(t, want, outcome.Of(err))
	}
}
