package memory

// table finds row numbers by the hash of what they are looked up by. It is a
// hash table with linear probing whose owner compares: it holds eight bytes per
// entry, no pointers, and may hold several entries of one hash. A Go map would
// hold the key and the token once more, and costs three times as much to fill.
type table struct {
	slots []slot // a power of two, or none
	used  int
}

// slot is an entry; row 0 is an empty one, so rows count from 1.
type slot struct{ hash, row uint32 }

// next returns the entry of that hash at position at or behind it, and its
// position; row 0 means there is none. The search begins at hash itself and
// goes on one behind the last find.
func (t *table) next(hash, at uint32) (row, found uint32) {
	if len(t.slots) == 0 {
		return 0, 0
	}
	mask := uint32(len(t.slots) - 1)
	for ; ; at++ {
		s := t.slots[at&mask]
		if s.row == 0 || s.hash == hash {
			return s.row, at
		}
	}
}

func (t *table) add(hash, row uint32) {
	if t.used >= len(t.slots)-len(t.slots)/4 { // three quarters full
		old := t.slots
		t.slots = make([]slot, max(16, 2*len(old)))
		for _, s := range old {
			if s.row != 0 {
				t.insert(s)
			}
		}
	}
	t.insert(slot{hash, row})
	t.used++
}

func (t *table) insert(s slot) {
	mask := uint32(len(t.slots) - 1)
	at := s.hash & mask
	for t.slots[at].row != 0 {
		at = (at + 1) & mask
	}
	t.slots[at] = s
}

// remove takes one entry away and closes the gap: what stands behind it moves up
// unless it would come to stand before its own beginning.
func (t *table) remove(hash, row uint32) {
	mask := uint32(len(t.slots) - 1)
	gap := hash & mask
	for t.slots[gap] != (slot{hash, row}) {
		gap = (gap + 1) & mask
	}
	for at := (gap + 1) & mask; t.slots[at].row != 0; at = (at + 1) & mask {
		// Distances from the entry's own beginning, around the end.
		if (at-t.slots[at].hash)&mask >= (at-gap)&mask {
			t.slots[gap] = t.slots[at]
			gap = at
		}
	}
	t.slots[gap] = slot{}
	t.used--
}
