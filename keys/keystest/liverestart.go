package keystest

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/cardseal/cardseal/keys"
)

const (
	loadCallers = 4
	loadCalls   = 20_000 // of each caller at most
	loadKept    = 32     // results kept to be looked at later, of each caller and phase
)

// liveRestarted: the server goes and comes back while calls are made. No call may
// give anything wrong, those that fail may be tried again, and the KEK finds back
// by itself.
func liveRestarted(h *liveHarness) {
	h.k = h.l.Restart(h.t)
	b := newBinding()
	g := given{key: h.key, wrapped: h.wrap(b), b: b}
	load := make([]*caller, loadCallers)
	var wg sync.WaitGroup
	stop := make(chan struct{})
	for i := range load {
		load[i] = &caller{h: h.kekHarness, g: g, over: make(chan struct{})}
		wg.Go(func() { load[i].run(i, stop) })
	}
	finish := sync.OnceFunc(func() { close(stop); wg.Wait() })
	defer finish()
	good := func(c *caller) int64 { return c.good.Load() }
	bad := func(c *caller) int64 { return c.bad.Load() }
	h.await(load, "serves before the server stops", good)
	h.l.Stop(h.t)
	h.await(load, "fails once the server has stopped", bad)
	h.l.Start(h.t)
	h.await(load, "serves again once the server has started", good)
	finish()
	for _, c := range load {
		for _, d := range c.kept {
			h.right(d.o.name+", made when the server stopped", h.k, g, d.o, d.r)
		}
	}
	h.served(h.k, g, "after the restart")
	var succeeded, failed int64
	for _, c := range load {
		succeeded, failed = succeeded+c.good.Load(), failed+c.bad.Load()
	}
	h.t.Logf("%d calls succeeded, %d failed", succeeded, failed)
}

// await waits until a count of every caller has grown by as many as a KEK has
// calls: all of them were tried.
func (h *liveHarness) await(load []*caller, what string, count func(c *caller) int64) {
	want := make([]int64, len(load))
	for i, c := range load {
		want[i] = count(c) + int64(len(operations(h.k)))
	}
	for i, c := range load {
		for end := time.Now().Add(2 * h.patience); count(c) < want[i]; {
			select {
			case <-c.over:
				h.fatalf("no call %s, of as many as one caller makes", what)
			default:
			}
			if time.Now().After(end) {
				h.fatalf("no call %s, in %v", what, 2*h.patience)
			}
			pause(h.ctx, time.Millisecond)
		}
	}
}

// caller makes calls in turn.
type caller struct {
	h         *kekHarness
	g         given
	good, bad atomic.Int64
	over      chan struct{}
	kept      []loaded // read when the caller is done
}

type loaded struct {
	o operation
	r result
}

func (c *caller) run(first int, stop <-chan struct{}) {
	defer close(c.over)
	ops := operations(c.h.k)
	for n := range loadCalls {
		select {
		case <-stop:
			return
		default:
		}
		o := ops[(first+n)%len(ops)]
		r, err, over := c.h.attempt(o, c.h.k, c.g, recoverTimeout)
		switch {
		case !over:
			return
		case err != nil:
			if !c.h.fails(o.name+", under load", r, err, keys.ErrUnavailable, ended[0], ended[1]) {
				return
			}
			c.bad.Add(1)
			pause(c.h.ctx, 5*time.Millisecond)
		default:
			c.keep(o, r)
			c.good.Add(1)
		}
	}
}

// keep holds on to a result: the server may have gone, so that it is looked at when
// it is back. Of those before it stopped the newest count.
func (c *caller) keep(o operation, r result) {
	if o.name == "Unwrap" {
		c.h.right(o.name+", under load", c.h.k, c.g, o, r)
		return
	}
	switch {
	case c.bad.Load() > 0 && len(c.kept) >= 2*loadKept:
		return
	case c.bad.Load() == 0 && len(c.kept) >= loadKept:
		c.kept = c.kept[1:]
	}
	c.kept = append(c.kept, loaded{o, r})
}
