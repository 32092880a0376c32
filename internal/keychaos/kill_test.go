//go:build linux

package keychaos

import (
	"bufio"
	"context"
	"flag"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/internal/chaostest"
	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/tokenize"
)

var kills = flag.Int("kills", 6, "how often a process is killed in the middle of what it does to keys, on each store")

// operations are what a process is killed in.
var operations = map[string]func(ctx context.Context, v *vault) error{
	"rotate": func(ctx context.Context, v *vault) error {
		_, err := v.keys.Rotate(ctx, keys.PAN)
		return err
	},
	// The vault goes over to another KEK, whole.
	"rewrap": func(ctx context.Context, v *vault) error {
		for _, p := range []keys.Purpose{keys.PAN, keys.Index} {
			if _, err := v.keys.Rewrap(ctx, p, &keys.RewrapOptions{DropOthers: true}); err != nil {
				return err
			}
		}
		return nil
	},
	"reseal": func(ctx context.Context, v *vault) error {
		_, err := v.repo.Reseal(ctx, tokenize.ResealOptions{Caller: me, Batch: 3})
		return err
	},
}

// operate is a process that does one operation.
func operate(ctx context.Context, p *plan) error {
	tr := p.trace()
	v, err := p.open(ctx, tr)
	if err != nil {
		return err
	}
	defer v.close()
	if err := operations[p.Do](ctx, v); err != nil {
		return err
	}
	tr.say(ended)
	return nil
}

// victim is a vault whose processes are killed.
type victim struct {
	plan
	tokens []string
	lines  map[string]int            // that an operation takes
	fell   map[string]map[string]int // operation, where, how many kills
}

// A process is killed in the middle of rotate, rewrap and reseal. Each time every
// record opens afterwards, and the operation comes to its end when it is made again.
func TestKilled(t *testing.T) {
	for _, onPostgres := range []bool{false, true} {
		t.Run(map[bool]string{false: "bolt", true: "PostgreSQL"}[onPostgres], func(t *testing.T) {
			began := time.Now()
			fell := map[string]map[string]int{}
			for do := range operations {
				fell[do] = map[string]int{}
			}
			const each = 24 // kills, before rings and vault grow too large
			for left := *kills; left > 0; left -= each {
				w := &victim{plan: *newPlan(t, onPostgres), lines: map[string]int{}, fell: fell}
				w.killedTimes(t, min(left, each))
			}
			for do, where := range fell {
				late, all := where[tooLate], 0
				for _, n := range where {
					all += n
				}
				t.Logf("%s: %d kills in its middle, %d too late: %v", do, all-late, late, where)
				require.Greater(t, all, late, do)
			}
			t.Logf("took %v", time.Since(began).Round(time.Second))
		})
	}
}

// tooLate is where kills fell that missed the operation.
const tooLate = "after its end"

// killedTimes kills processes until so many kills fell in the middle of operations.
func (w *victim) killedTimes(t *testing.T, n int) {
	t.Helper()
	order := slices.Sorted(maps.Keys(operations))
	w.save(t, 20)
	for _, do := range []string{"rotate", "reseal", "rewrap"} { // for the number of their lines
		w.complete(t, do)
	}
	for done, try := 0, 0; done < n; try++ {
		require.Less(t, try, 10*n+100, "most kills come too late")
		do := order[done%len(order)]
		if do == "reseal" {
			w.complete(t, "rotate") // so that there is something to do
		}
		where := w.kill(t, do, done/len(order)%2 == 0)
		w.fell[do][where]++
		if where != tooLate {
			done++
		}
		w.opens(t, do)
		w.complete(t, do)
		w.save(t, 2)
	}
}

// during is the plan of a process that does the operation, and of those that work
// while it may be half done.
func (w *victim) during(do string) *plan {
	p := w.plan
	if p.Do = do; do == "rewrap" {
		p.KEK, p.Old = w.other(), w.KEK
	}
	return &p
}

// other is the key file that the next rewrap goes over to.
func (w *victim) other() string {
	if w.KEK == "kek-a" {
		return "kek-b"
	}
	return "kek-a"
}

// kill starts the operation, kills it at one of its lines, or a moment later, and
// says where it was then. A process that waits for its end is killed between two
// calls, one that does not in the middle of most.
func (w *victim) kill(t *testing.T, do string, waits bool) (where string) {
	t.Helper()
	p := w.during(do)
	at := 1 + rand.IntN(w.lines[do])
	if waits {
		p.HoldAt = at
	}
	c := chaostest.Child(t, p)
	in, err := c.StdinPipe()
	require.NoError(t, err)
	defer in.Close() // lets a process go that is not killed
	out, err := c.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, c.Start())
	last, n := "", 0 // the first line is no call
	for lines := bufio.NewScanner(out); lines.Scan(); n++ {
		if lines.Text() == held {
			require.NoError(t, c.Process.Kill())
			continue
		}
		if last = lines.Text(); n == at && !waits {
			soon := time.AfterFunc(rand.N(2*time.Millisecond), func() { _ = c.Process.Kill() })
			defer soon.Stop()
		}
	}
	if err := c.Wait(); err == nil {
		require.Equal(t, ended, last)
	} else {
		require.Equal(t, -1, c.ProcessState.ExitCode(), "%s failed: %v", do, err) // by a signal
	}
	if call, ok := strings.CutPrefix(last, "in "); ok && waits {
		return "before " + call
	}
	if last == ended {
		return tooLate
	}
	return last
}

// opens expects that every record opens and that one key is active, whatever the
// killed process left.
func (w *victim) opens(t *testing.T, do string) {
	t.Helper()
	w.during(do).use(t, func(v *vault) {
		v.opens(t, w.tokens)
		v.active(t)
	})
}

// complete makes the operation again, by another process, to its end.
func (w *victim) complete(t *testing.T, do string) {
	t.Helper()
	tr := counting()
	v, err := w.during(do).open(t.Context(), tr)
	require.NoError(t, err)
	before := v.active(t)
	tr.lines = 0
	err = operations[do](t.Context(), v)
	w.lines[do] = max(w.lines[do], tr.lines) // it had less to do where the killed one did most
	after := v.active(t)
	v.close()
	require.NoError(t, err)
	switch do {
	case "rotate":
		require.NotEqual(t, before, after, "no new key")
	case "rewrap":
		w.KEK = w.other()
	case "reseal":
		w.use(t, func(v *vault) {
			for _, rec := range v.records(t, keys.PAN) {
				use, err := v.KeyUse(t.Context(), rec.ID)
				require.NoError(t, err)
				require.Equal(t, rec.ID == after, use.Records > 0, "data key %v is needed by %d values", rec.ID, use.Records)
			}
		})
	}
	w.use(t, func(v *vault) { // the old KEK is not needed any more
		v.opens(t, w.tokens)
		for _, p := range []keys.Purpose{keys.PAN, keys.Index} {
			for _, rec := range v.records(t, p) {
				require.Len(t, rec.Wrapped, 1)
				require.Equal(t, v.keys.KEK().ID(), rec.Wrapped[0].KEK)
			}
		}
	})
}

// save stores more cards, under the key that is active now.
func (w *victim) save(t *testing.T, n int) {
	t.Helper()
	w.use(t, func(v *vault) {
		for range n {
			token, err := v.save(t.Context(), len(w.tokens))
			require.NoError(t, err)
			w.tokens = append(w.tokens, token)
		}
	})
}
