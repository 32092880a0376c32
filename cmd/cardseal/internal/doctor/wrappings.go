package doctor

import (
	"slices"

	"github.com/cardseal/cardseal/keys"
)

// wrappings counts the data keys, destroyed ones aside, by what wrapped them.
type wrappings struct {
	lack   int // not all KEKs of the vault that should
	old    int // old ones too
	others int // KEKs that the settings do not name too
}

// count adds a data key; ids are the vault's KEKs, true for those that wrap.
func (w *wrappings) count(ids map[string]bool, r *keys.Record) {
	if r.State == keys.Destroyed {
		return
	}
	var lacks, old, others bool
	for id, wraps := range ids {
		has := slices.ContainsFunc(r.Wrapped, func(x keys.Wrapping) bool { return x.KEK == id })
		lacks = lacks || wraps && !has
		old = old || !wraps && has
	}
	for _, x := range r.Wrapped {
		_, ours := ids[x.KEK]
		others = others || !ours
	}
	if lacks {
		w.lack++
	}
	if old {
		w.old++
	}
	if others {
		w.others++
	}
}

// wrapped says what is to be done about wrappings.
func (c *checkup) wrapped(w *wrappings) {
	if c.ids == nil {
		return // said before: a key was not opened
	}
	if w.lack > 0 {
		c.say(Warn, "data key", "%d data keys are not wrapped by all of the vault's keys: cardseal keys rewrap", w.lack)
	}
	if w.old > 0 {
		c.say(Warn, "data key", "%d data keys are wrapped by an old key too: cardseal keys rewrap, then --drop-others", w.old)
	}
	if w.others > 0 {
		c.say(Warn, "data key", "%d data keys are wrapped by keys that the settings do not name, and that services may have, and "+
			"that wrap nothing that is made here: name all in furtherKEKs (cardseal kek --help)", w.others)
	}
	old := false
	for _, wraps := range c.ids {
		old = old || !wraps
	}
	if old && w.old == 0 && w.lack == 0 {
		c.say(OK, "data key", "none is wrapped by an old key any more: oldKEKs can be taken out of the settings")
	}
}
