package store

import (
	"bytes"
	"cmp"
	"slices"
)

// What a try counter does is the same for every backend that can run it; one that
// leaves it to its database is held to it by storetest.

// Expired reports whether the code's time is up.
func (c *Code) Expired(now int64) bool { return c.Expires != 0 && c.Expires <= now }

// Clone returns a copy that shares no memory with c but strings.
func (c *Code) Clone() Code {
	d := *c
	d.Record, d.Counters = bytes.Clone(c.Record), slices.Clone(c.Counters)
	return d
}

// Try changes c as [Codes.Attempt] does, and returns what that returns.
func (c *Code) Try(counter uint16, l TryLimits) Attempt {
	a := Attempt{Counter: counter}
	i, known := c.counter(counter)
	var n TryCounter
	if known {
		n = c.Counters[i]
	}
	switch {
	case n.Blocked || n.Taken-n.Base >= uint64(l.Tries): // Taken is never below Base
		if a.Result = TryBlocked; known {
			a.Blocks, c.Counters[i].Blocked = !n.Blocked, true
		}
	case c.Guesses >= l.Guesses:
		a.Result = TryCapped
	default:
		if !known {
			c.Counters = slices.Insert(c.Counters, i, TryCounter{ID: counter})
		}
		c.Counters[i].Taken++
		c.Guesses++
		a.Result, a.Number = TryTaken, c.Counters[i].Taken
	}
	a.Code = *c
	if a.Result != TryTaken {
		a.Code.Record = nil
	}
	a.Code = a.Code.Clone()
	return a
}

// Settle changes c as [Codes.Settle] does, and reports whether it did.
func (c *Code) Settle(a *Attempt, right bool, l TryLimits) bool {
	i, known := c.counter(a.Counter)
	if !known || c.RecordID != a.Code.RecordID {
		return false
	}
	n := &c.Counters[i]
	switch {
	case right:
		n.Base = max(n.Base, a.Number)
		c.Guesses -= min(c.Guesses, 1)
	case a.Number > n.Base && a.Number-n.Base >= uint64(l.Tries) && !n.Blocked:
		n.Blocked = true
	default:
		return false
	}
	return true
}

// Reset changes c as [Codes.ResetTries] does.
func (c *Code) Reset(counters []uint16, unblock bool, l TryLimits) {
	for i := range c.Counters {
		if n := &c.Counters[i]; slices.Contains(counters, n.ID) && (unblock || n.Taken-n.Base < uint64(l.Tries)) {
			n.Base = n.Taken
			n.Blocked = n.Blocked && !unblock
		}
	}
}

func (c *Code) counter(id uint16) (int, bool) {
	return slices.BinarySearchFunc(c.Counters, id, func(n TryCounter, id uint16) int { return cmp.Compare(n.ID, id) })
}
