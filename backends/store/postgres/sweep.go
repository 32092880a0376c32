package postgres

import (
	"sync/atomic"

	"github.com/cardseal/cardseal/tokenize/store"
)

// A write that remembers calls, or spends messages, also forgets some that are out
// of date, so that the tables stay in proportion to what is remembered. Every
// sweepEach of them one write takes that on, for twice as many. The margins are how
// long past its time, in milliseconds, a call or message stays remembered: the clock
// that sweeps may be ahead of the clock of the caller who asks again. Messages come
// from clocks that are known to be about right.
const (
	sweepEach   = 256
	sweepMargin = 24 * 60 * 60 * 1000
	spentMargin = 60 * 60 * 1000
)

// sweeping is what a write has to forget of a table.
type sweeping struct {
	until int64 // Unix milliseconds
	limit int   // 0: nothing
}

// sweepings is what a write has to forget.
type sweepings struct{ calls, spent sweeping }

// sweep says what a call has to forget that makes these writes.
func (db *DB) sweep(writes []store.Write) sweepings {
	var calls, spent, callsNow, spentNow int64
	for i := range writes {
		if once := writes[i].Once; once != nil {
			calls, callsNow = calls+1, once.Now
		}
		if spend := writes[i].Spend; spend != nil {
			spent, spentNow = spent+1, spend.Now
		}
	}
	return sweepings{due(&db.added, calls, callsNow-sweepMargin), due(&db.spent, spent, spentNow-spentMargin)}
}

// due counts what was added, and says what to forget where that is due.
func due(added *atomic.Int64, n, until int64) sweeping {
	if n == 0 {
		return sweeping{}
	}
	total := added.Add(n)
	if total < sweepEach || !added.CompareAndSwap(total, 0) {
		return sweeping{}
	}
	return sweeping{until: until, limit: int(2 * total)}
}

func (old sweepings) queue(sql *statements, b *batch) {
	if old.calls.limit > 0 {
		b.exec(sql.sweepCalls, old.calls.until, old.calls.limit)
	}
	if old.spent.limit > 0 {
		b.exec(sql.sweepSpent, old.spent.until, old.spent.limit)
	}
}
