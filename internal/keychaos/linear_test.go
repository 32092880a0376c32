//go:build linux

package keychaos

import (
	"flag"
	"math"
	"os/exec"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/cardseal/cardseal/internal/chaostest"
)

var rings = flag.Int("rings", 25, "how many rings TestDecisions decides about")

// Four processes rotate, retire and ask for the active key of the same rings, from
// the first key on, while connections are killed and answers lost. There is an
// order of all calls in which a ring that does one thing at a time would have
// answered the same.
func TestDecisions(t *testing.T) {
	p := newPlan(t, true)
	p.Do, p.Rings = "decide", *rings
	b, err := p.board()
	require.NoError(t, err)
	began := time.Now()
	running := make([]*exec.Cmd, deciders)
	var g errgroup.Group
	for i := range running {
		p.Process = i
		running[i] = chaostest.Child(t, p)
		require.NoError(t, running[i].Start())
	}
	for _, c := range running {
		g.Go(func() error {
			err := c.Wait()
			if err != nil {
				for _, other := range running { // they would wait for it
					_ = other.Process.Kill()
				}
			}
			return err
		})
	}
	stop := chaostest.Killer(t, p.URL, b.calls.Load)
	err = g.Wait()
	took := time.Since(began)
	killed := stop()
	require.NoError(t, err)

	all := chaostest.ReadHistories[call](t, p.Dir)
	byRing := make([][]*call, *rings)
	got := map[string]int{}
	for i := range all {
		c := &all[i]
		byRing[c.Ring] = append(byRing[c.Ring], c)
		if got[c.Do+" "+c.Got]++; c.Got == unknown {
			got["lost"]++
		}
	}
	t.Logf("%d calls about %d rings in %v: %v", len(all), *rings, took.Round(time.Millisecond), got)
	t.Logf("%d connections were killed, %d compare-and-swaps met another", killed, b.conflicts.Load())
	require.Positive(t, killed, "the killer has lost its teeth")
	require.Positive(t, b.conflicts.Load(), "decisions do not collide")
	if *rings >= 25 {
		require.Positive(t, got["lost"], "no answer was lost")
	}
	p.use(t, func(v *vault) {
		for n := range byRing {
			byRing[n] = append(byRing[n], v.last(t, n))
		}
	})
	checkDecisions(t, byRing)
}

// last is a call that lists a ring after all others, and sees that each of its keys
// comes back from the KMS.
func (v *vault) last(t *testing.T, n int) *call {
	t.Helper()
	s, err := ring(v.keys, n)
	require.NoError(t, err)
	c := &call{Ring: n, Do: list, Got: done, Call: chaostest.Clock()}
	records, err := s.Records(t.Context())
	require.NoError(t, err)
	c.Return = chaostest.Clock()
	c.told(records)
	for i := range records {
		_, err := s.Subkey(t.Context(), records[i].ID, "test")
		require.NoError(t, err, "data key %v", records[i].ID)
	}
	return c
}

// checkDecisions holds each ring's history, whose last call lists the ring when
// all is over, against the model.
func checkDecisions(t *testing.T, byRing [][]*call) {
	t.Helper()
	began := time.Now()
	var bad, contested, made atomic.Int64
	g := errgroup.Group{}
	g.SetLimit(2)
	for n, calls := range byRing {
		g.Go(func() error {
			steps := stepsOf(calls)
			made.Add(int64(len(calls[len(calls)-1].Keys)))
			if firstContested(calls) {
				contested.Add(1)
			}
			if why := wrong(steps); why != "" && bad.Add(1) <= 3 {
				t.Errorf("ring %d %s:\n%s", n, why, chaostest.Lines(calls, func(c *call) int64 { return c.Call }))
			}
			return nil
		})
	}
	require.NoError(t, g.Wait())
	require.Zero(t, bad.Load(), "rings")
	t.Logf("%d keys were made; %d rings had several calls when their first key was made; the check took %v",
		made.Load(), contested.Load(), time.Since(began).Round(time.Millisecond))
	require.Positive(t, contested.Load(), "first keys are not contested")
}

// stepsOf prepares a history. Which keys were made can be told from the last list,
// and by whom from what each call asked the store to do; so of lost answers only
// those to retire stay open.
func stepsOf(calls []*call) (steps []*step) {
	number, there := map[string]int{"": 0}, calls[len(calls)-1].Keys
	numberOf := func(id string) int {
		if _, ok := number[id]; !ok {
			number[id] = len(number)
		}
		return number[id]
	}
	for _, c := range calls {
		answered := &step{call: c, is: numberOf(c.Is)}
		for _, id := range c.Made {
			switch {
			case c.Got == done && id == c.Is:
				answered.made = true
			case slices.Contains(there, id):
				steps = append(steps, &step{call: c, is: numberOf(id), made: true, more: true})
			}
		}
		switch {
		case c.Do == rewrap, c.Got == busy, c.Got == unknown && c.Do != retire:
			continue
		case c.Do == retire:
			answered.is, answered.maybe = numberOf(c.Key), c.Got == unknown
		}
		for _, id := range c.Keys {
			answered.keys = answered.keys.with(numberOf(id))
		}
		steps = append(steps, answered)
	}
	return steps
}

// patience is how long porcupine may take for one ring.
const patience = time.Minute

// wrong says what is wrong with a history, or nothing.
func wrong(steps []*step) string {
	in := make([]porcupine.Operation, len(steps))
	shown := map[int]int64{} // when a key was first told of
	for i, s := range steps {
		in[i] = porcupine.Operation{Input: s, Call: s.Call, Return: s.Return}
		if s.Got == unknown {
			in[i].Return = math.MaxInt64 // it may still come to pass
		} else if at, ok := shown[s.is]; !ok || s.Return < at {
			shown[s.is] = s.Return
		}
	}
	for _, s := range steps {
		switch {
		case s.Do != rotate || s.Got == unknown:
		case s.more:
			return "was rotated twice by one call, or by one that did not say so"
		case shown[s.is] < s.Call:
			return "was not rotated: the key that a rotation answered with was known before it"
		}
	}
	if result := porcupine.CheckOperationsTimeout(model(), in, patience); result != porcupine.Ok {
		return "has a history that is not linearizable (" + string(result) + ")"
	}
	return ""
}

// firstContested reports whether several calls that make a key where there is none
// were under way at once before any of them returned.
func firstContested(calls []*call) bool {
	first, n := int64(math.MaxInt64), 0
	for _, c := range calls {
		first = min(first, c.Return)
	}
	for _, c := range calls {
		if c.Call < first && (c.Do == active || c.Do == rotate) {
			n++
		}
	}
	return n > 1
}
