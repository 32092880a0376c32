package bench

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/cardseal/cardseal/backends/store/memory"
	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/keys/keystest"
	"github.com/cardseal/cardseal/tokenize/seal"
)

// What goes on beside the paths in turmoil, 50 to 100 times a second: sealing keys are
// renewed, which in a vault happens each hour, and a data key is evicted for another
// that the KMS is asked for. Every tenth time the ring is rotated, as it is once a month
// or a year. More often a goroutine does not get its turn on a core that another does
// not let go of.
const (
	upheaval = 10 * time.Millisecond
	rotation = 10 // upheavals
)

// turmoilLeast is work of some twenty milliseconds, so that a turn has upheavals in it.
// In one of five the ring is rotated: the median knows nothing of that, the mean does.
const turmoilLeast = 100_000

// turmoil is a sealer, a record of its scope and all that goes on beside them until
// the benchmark ends.
func turmoil(tb testing.TB) (s *seal.Sealer, record []byte, id seal.RecordID) {
	const held = 4 // data keys in memory, of more that are used
	ctx, stop := context.WithCancel(context.Background())
	m, err := keys.Open(ctx, memory.New().Keys(), keystest.NewKEK("bench"), &keys.Options{CacheKeys: held})
	if err != nil {
		tb.Fatal(err)
	}
	s, id = seal.New(m, "bench"), seal.NewRecordID()
	var archive [2 * held][]byte // under a data key each
	for i := range archive {
		if archive[i], err = s.SealPAN(ctx, nil, testPAN(tb), id); err != nil {
			tb.Fatal(err)
		}
		if _, err := m.Rotate(ctx, keys.PAN); err != nil {
			tb.Fatal(err)
		}
	}
	var beside sync.WaitGroup
	beside.Go(func() {
		t := time.NewTicker(upheaval)
		defer t.Stop()
		for n := 1; ; n++ {
			select {
			case <-t.C:
			case <-ctx.Done():
				return
			}
			m.Renew()
			_, err := s.OpenPAN(ctx, archive[1+n%(len(archive)-1)], id)
			if err == nil && n%rotation == 0 {
				_, err = m.Rotate(ctx, keys.PAN)
			}
			if err != nil && ctx.Err() == nil {
				tb.Error(err)
			}
		}
	})
	tb.Cleanup(func() {
		stop()
		beside.Wait()
		m.Close()
	})
	return s, archive[0], id
}

var sealTurmoilPath = path{"SealTurmoil", turmoilLeast, sealPath.floor, func(tb testing.TB) func() func(int) {
	s, _, id := turmoil(tb)
	return sealLoop(tb, s, id)
}}

var openTurmoilPath = path{"OpenTurmoil", turmoilLeast, openPath.floor, func(tb testing.TB) func() func(int) {
	s, record, id := turmoil(tb)
	return openLoop(tb, s, record, id)
}}
