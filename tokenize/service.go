package tokenize

import (
	"context"
	"errors"
	"time"
)

// What Options leaves at zero.
const (
	defaultServiceTimeout = 30 * time.Second
	defaultServiceCalls   = 32
)

// services calls what the embedding service plugged in: with a deadline, so many
// at once at most, and so that neither a panic nor a call that never returns is the
// caller's.
type services struct {
	room    chan struct{} // holds one for each call under way
	timeout time.Duration
}

func newServices(o *Options) (*services, error) {
	s := &services{timeout: o.ServiceTimeout}
	switch {
	case o.ServiceTimeout < 0:
		return nil, invalid("serviceTimeout", Invalid, "must not be negative")
	case o.ServiceCalls < 0:
		return nil, invalid("serviceCalls", Invalid, "must not be negative")
	case s.timeout == 0:
		s.timeout = defaultServiceTimeout
	}
	n := o.ServiceCalls
	if n == 0 {
		n = defaultServiceCalls
	}
	s.room = make(chan struct{}, n)
	return s, nil
}

// errService stands for an answer that did not come: no room, too late, a panic.
var errService = errors.New("tokenize: a service did not answer")

// askService makes one call. A call that does not heed its context is waited for no
// longer than its deadline, but keeps its room until it returns: what hangs cannot
// pile up. What f panicked with is not looked at, since it may hold a card number.
func askService[T any](ctx context.Context, s *services, f func(context.Context) (T, error)) (T, error) {
	type answer struct {
		v   T
		err error
	}
	var none T
	wait := time.NewTimer(s.timeout)
	defer wait.Stop()
	select {
	case s.room <- struct{}{}:
	case <-wait.C:
		return none, errService
	case <-ctx.Done():
		return none, ctx.Err()
	}
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	answered := make(chan answer, 1)
	go func() {
		a := answer{err: errService}
		defer func() {
			if recover() != nil {
				a = answer{err: errService}
			}
			<-s.room
			answered <- a
		}()
		v, err := f(ctx)
		a = answer{v, err}
	}()
	select {
	case a := <-answered:
		return a.v, a.err
	case <-ctx.Done():
		return none, errService
	}
}
