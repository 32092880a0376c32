package keys

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"time"
)

// The wait before the n-th further try is drawn evenly from zero to
// retryWait * 2^n, at most retryCap: processes that failed together must not come
// back together.
const (
	retryWait = 50 * time.Millisecond
	retryCap  = 2 * time.Second
)

// ask makes one call to the KMS, and makes it again while its failure is worth
// another try, within the context and the manager's number of tries. Here is the
// only place that tries again: backends and vendors' clients try once.
func (m *Manager) ask(ctx context.Context, call func(context.Context) error) error {
	for n := 0; ; n++ {
		err := call(ctx)
		if err == nil || n+1 >= m.o.Tries || !retryable(err) || ctx.Err() != nil {
			return err
		}
		wait := time.Duration(below(uint64(min(retryWait<<n, retryCap))))
		if end, ok := ctx.Deadline(); ok && time.Until(end) <= wait {
			return err // says more than that the time is over
		}
		t := time.NewTimer(wait)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return err
		}
	}
}

// retryable goes by the kind alone: under ErrUnavailable may lie a deadline of the
// vendor's client, such as the one for connecting, which is not the caller's.
func retryable(err error) bool {
	return errors.Is(err, ErrThrottled) || errors.Is(err, ErrUnavailable)
}

// below draws a number less than n. Its bias is far below what a wait is worth.
func below(n uint64) uint64 {
	var b [8]byte
	rand.Read(b[:])
	return binary.BigEndian.Uint64(b[:]) % n
}
