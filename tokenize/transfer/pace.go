package transfer

import (
	"context"
	"time"
)

// pace waits until so many records may have been done since began.
func pace(ctx context.Context, began time.Time, records, perSecond int) error {
	if perSecond == 0 {
		return ctx.Err()
	}
	wait := time.NewTimer(time.Until(began.Add(time.Duration(records) * time.Second / time.Duration(perSecond))))
	defer wait.Stop()
	select {
	case <-wait.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
