// Package outcome names how an event went, for the adapters of keys.Observer: a
// short word of a fixed set in place of an error, which may quote a vendor.
package outcome

import (
	"context"
	"errors"

	"github.com/cardseal/cardseal/keys"
)

// kinds are asked in order: of errors joined, a refusal says most.
var kinds = []struct {
	err  error
	name string
}{
	{keys.ErrDenied, "denied"},
	{keys.ErrDisabled, "disabled"},
	{keys.ErrNotFound, "not_found"},
	{keys.ErrCorrupt, "corrupt"},
	{keys.ErrThrottled, "throttled"},
	{keys.ErrUnavailable, "unavailable"},
	{keys.ErrConflict, "conflict"},
	{keys.ErrClosed, "closed"},
	{context.Canceled, "canceled"},
	{context.DeadlineExceeded, "timeout"},
}

// Of is "ok" for nil and "other" for an error of no kind.
func Of(err error) string {
	if err == nil {
		return "ok"
	}
	for _, k := range kinds {
		if errors.Is(err, k.err) {
			return k.name
		}
	}
	return "other"
}
