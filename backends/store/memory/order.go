package memory

import (
	"maps"
	"slices"
	"strings"
)

// columnKey is how many leading bytes of an ordered column share a list: BIN,
// last four and length, so that a list is what one look for free tokens reads.
const columnKey = 12

// column is a list of ordered columns with the same beginning. Writers append
// to it; a reader sorts what is new, since readers are rare: a look at a column
// begins where random tries ended.
type column struct {
	list   []string
	sorted int // so many at the beginning are in order
}

func columnOf(order string) string { return order[:min(columnKey, len(order))] }

func (s *scope) addOrder(order string) {
	c := s.order[columnOf(order)]
	if c == nil {
		c = &column{}
		s.order[columnOf(order)] = c
	}
	c.list = append(c.list, order)
}

// removeOrder takes one such entry away: two rows may have the same.
func (s *scope) removeOrder(order string) {
	c := s.order[columnOf(order)]
	// From the end, where an entry that is being undone stands.
	for i := len(c.list) - 1; i >= 0; i-- {
		if c.list[i] == order {
			c.list = slices.Delete(c.list, i, i+1)
			if i < c.sorted {
				c.sorted--
			}
			break
		}
	}
	if len(c.list) == 0 {
		delete(s.order, columnOf(order))
	}
}

// ordered copies the columns that begin with prefix, ascending.
func (s *scope) ordered(prefix string) []string {
	if len(prefix) >= columnKey {
		return s.order[prefix[:columnKey]].from(nil, prefix)
	}
	names := slices.Collect(maps.Keys(s.order))
	slices.Sort(names)
	var list []string
	for _, name := range names {
		if strings.HasPrefix(name, prefix) {
			list = s.order[name].from(list, prefix)
		}
	}
	return list
}

// from appends the entries that begin with prefix.
func (c *column) from(dst []string, prefix string) []string {
	if c == nil {
		return dst
	}
	c.sort()
	at, _ := slices.BinarySearch(c.list, prefix)
	for _, order := range c.list[at:] {
		if !strings.HasPrefix(order, prefix) {
			break
		}
		dst = append(dst, order)
	}
	return dst
}

// sort brings what was appended into its place among the rest, from the end on.
func (c *column) sort() {
	fresh := slices.Clone(c.list[c.sorted:])
	slices.Sort(fresh)
	old := c.list[:c.sorted]
	for k := len(c.list) - 1; len(fresh) > 0; k-- {
		from := &fresh
		if len(old) > 0 && old[len(old)-1] > fresh[len(fresh)-1] {
			from = &old
		}
		last := len(*from) - 1
		c.list[k] = (*from)[last]
		*from = (*from)[:last]
	}
	c.sorted = len(c.list)
}
