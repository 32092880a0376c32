package plan_test

import (
	"context"
	"crypto/fips140"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/cryptotest"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/backends/store/memory"
	"github.com/cardseal/cardseal/crypto/envelope"
	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/keys/keystest"
	"github.com/cardseal/cardseal/keys/plan"
)

// bubble runs a test on synctest's clock. In FIPS mode the Go module would draw
// randomness from time, which stands still there: see package keys' own bubble.
func bubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	if fips140.Enabled() {
		cryptotest.SetGlobalRandom(t, uint64(time.Now().UnixNano()))
	}
	synctest.Test(t, f)
}

// step is how often each process seals a record of each scope, and opens one.
const step = time.Minute

var message, place = []byte("Qz7#kW9~xV2^jB5&"), &envelope.Additional{Field: 1, Owner: "owner-1"}

// fleet is a plan's processes, run for real: a goroutine for each process and
// scope seals records and opens one that was sealed before the fleet began.
type fleet struct {
	kek      *keystest.Faulty
	before   int // KMS calls of the archive
	store    *countingStore
	managers []*keys.Manager
	stop     context.CancelFunc
	done     sync.WaitGroup

	seals, sealsFailed, opens, opensFailed atomic.Int64
	lastOpen                               atomic.Int64   // when an open last succeeded, in nanoseconds
	failedIn                               []atomic.Int64 // opens, by process
}

// traffic is how a process's records of one scope follow each other: it works until
// ctx ends and calls one of the two whenever it is time.
type traffic func(ctx context.Context, r *rand.Rand, seal, open func())

// random seals and opens once a step on average, as independent callers do.
func random(ctx context.Context, r *rand.Rand, seal, open func()) {
	for wait(ctx, time.Duration(r.ExpFloat64()*float64(step)/2)) {
		if r.IntN(2) == 0 {
			seal()
		} else {
			open()
		}
	}
}

// regular seals and opens every step, so that a bound holds exactly.
func regular(ctx context.Context, _ *rand.Rand, seal, open func()) {
	for ok := true; ok; ok = wait(ctx, step) {
		seal()
		open()
	}
}

func wait(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// run starts the fleet of a plan, its processes spread over spread.
func run(t *testing.T, f plan.Fleet, how traffic, spread time.Duration) *fleet {
	w := &fleet{kek: keystest.NewFaulty(keystest.NewKEK("kek-1")), store: &countingStore{Store: memory.New().Keys()},
		failedIn: make([]atomic.Int64, f.Processes)}
	archive := make([][]byte, f.Scopes)
	first, err := keys.Open(t.Context(), w.store, w.kek, nil)
	require.NoError(t, err)
	defer first.Close()
	for i := range archive {
		archive[i], err = scope(t, first, f.Layout, i).Seal(t.Context(), nil, message, place)
		require.NoError(t, err)
	}
	w.before = w.kek.Calls()
	ctx, stop := context.WithCancel(t.Context())
	w.stop = stop
	for p := range f.Processes {
		m, err := keys.Open(ctx, w.store, w.kek, &f.Options)
		require.NoError(t, err)
		w.managers = append(w.managers, m)
		for i, record := range archive {
			s := scope(t, m, f.Layout, i)
			begin := spread*time.Duration(p)/time.Duration(f.Processes) + step*time.Duration(i)/time.Duration(f.Scopes)
			r := rand.New(rand.NewPCG(uint64(p), uint64(i)))
			w.done.Go(func() {
				if wait(ctx, begin) {
					how(ctx, r, func() { w.seal(ctx, s) }, func() { w.open(ctx, s, record, p) })
				}
			})
		}
	}
	return w
}

func scope(t *testing.T, m *keys.Manager, l keys.Layout, i int) *keys.Scope {
	s, err := m.ScopeIn(l, keys.PAN, fmt.Sprintf("shop-%d", i))
	require.NoError(t, err)
	return s
}

func (w *fleet) seal(ctx context.Context, s *keys.Scope) {
	if _, err := s.Seal(ctx, nil, message, place); err != nil {
		w.sealsFailed.Add(1)
	}
	w.seals.Add(1)
}

func (w *fleet) open(ctx context.Context, s *keys.Scope, record []byte, process int) {
	if _, err := s.Open(ctx, nil, record, place); err != nil {
		w.opensFailed.Add(1)
		w.failedIn[process].Add(1)
	} else {
		w.lastOpen.Store(time.Now().UnixNano())
	}
	w.opens.Add(1)
}

func (w *fleet) close() {
	w.stop()
	w.done.Wait()
	for _, m := range w.managers {
		m.Close()
	}
}

// seen is what a fleet did in some time.
type seen struct {
	calls, reads, opens, failed float64
	records, sealsFailed        float64
}

// during counts what the fleet does in d.
func (w *fleet) during(d time.Duration) seen {
	at := func() seen {
		return seen{
			calls: float64(w.kek.Calls()), reads: float64(w.store.reads.Load()),
			opens: float64(w.opens.Load()), failed: float64(w.opensFailed.Load()),
			records: float64(w.opens.Load() + w.seals.Load()), sealsFailed: float64(w.sealsFailed.Load()),
		}
	}
	a := at()
	time.Sleep(d)
	synctest.Wait()
	b := at()
	return seen{b.calls - a.calls, b.reads - a.reads, b.opens - a.opens, b.failed - a.failed, b.records - a.records, b.sealsFailed - a.sealsFailed}
}

// longest is how long the process failed to open that did so longest, where traffic
// is regular.
func (w *fleet) longest() (d time.Duration) {
	for i := range w.failedIn {
		d = max(d, step*time.Duration(w.failedIn[i].Load())/time.Duration(*scopes))
	}
	return d
}

// lastOpened is how long after start an open succeeded for the last time.
func (w *fleet) lastOpened(start time.Time) time.Duration {
	return time.Unix(0, w.lastOpen.Load()).Sub(start)
}

// countingStore counts reads, and is away when told to be.
type countingStore struct {
	keys.Store
	reads atomic.Int64
	away  atomic.Bool
}

func (c *countingStore) read() error {
	c.reads.Add(1)
	if c.away.Load() {
		return keys.ErrUnavailable
	}
	return nil
}

func (c *countingStore) Get(ctx context.Context, id keys.KeyID) (keys.Record, error) {
	if err := c.read(); err != nil {
		return keys.Record{}, err
	}
	return c.Store.Get(ctx, id)
}

func (c *countingStore) List(ctx context.Context, ring keys.RingID) ([]keys.Record, uint64, error) {
	if err := c.read(); err != nil {
		return nil, 0, err
	}
	return c.Store.List(ctx, ring)
}
