package code

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/cardseal/cardseal/keys"
)

// halves is a key store whose wrapped keys lie in two: the first store keeps them XORed
// with random bytes of their length, the second those bytes, in a record of an ID and a
// ring of its own. Either alone is noise to whoever has the KMS too. States and versions
// are the first's. What either has lost is destroyed.
//
// A mask is in the second store before the first names it, and goes once the first
// does not name it any more: what a crash leaves is a mask of nothing at worst, which a
// sweep erases.
type halves struct {
	first, second keys.Store
	life          time.Duration // of a key, from when it is put until nobody needs it
}

// maskRing is where the masks of a ring are, those of other first stores among them. The
// second store may keep codes and epochs of its own in the other.
func maskRing(r keys.RingID) keys.RingID {
	r.Purpose = "x-halves"
	return r
}

// A wrapping that was split has in the first store a KEK that begins with halfOf, and
// bytes that begin with the ID of its mask. One without was put before keys were split.
const halfOf = "half of "

func (h *halves) Get(ctx context.Context, id keys.KeyID) (keys.Record, error) {
	r, err := h.first.Get(ctx, id)
	if err != nil || maskOf(&r) == nil {
		return r, err
	}
	mask, err := h.second.Get(ctx, *maskOf(&r))
	if err == nil {
		if whole, ok := join(r, mask.Wrapped); ok {
			return whole, nil
		}
	} else if !errors.Is(err, keys.ErrNotFound) {
		return keys.Record{}, err
	}
	// Lost, or under another mask by now.
	records, _, err := h.List(ctx, r.Ring)
	if err != nil {
		return keys.Record{}, err
	}
	for _, r := range records {
		if r.ID == id {
			return r, nil
		}
	}
	return keys.Record{}, keys.ErrNotFound
}

func (h *halves) List(ctx context.Context, ring keys.RingID) ([]keys.Record, uint64, error) {
	b, err := h.both(ctx, ring)
	if err != nil {
		return nil, 0, err
	}
	for i, r := range b.records {
		b.records[i] = b.whole(r)
	}
	return b.records, b.version, nil
}

// both is a ring as both stores have it.
type both struct {
	records       []keys.Record // of the first
	version       uint64
	masks         map[keys.KeyID][]keys.Wrapping // of the second
	secondVersion uint64
}

// both reads the first store before the second, which has what the first names. Where
// it has not, a change of the ring came between, or a mask was lost: then it has not the
// next time either.
func (h *halves) both(ctx context.Context, ring keys.RingID) (b both, err error) {
	for again := false; ; again = true {
		before := b.version
		if b.records, b.version, err = h.first.List(ctx, ring); err != nil {
			return b, err
		}
		var masks []keys.Record
		if masks, b.secondVersion, err = h.second.List(ctx, maskRing(ring)); err != nil {
			return b, err
		}
		b.masks = map[keys.KeyID][]keys.Wrapping{}
		for _, m := range masks {
			if m.State != keys.Destroyed {
				b.masks[m.ID] = m.Wrapped
			}
		}
		if again && b.version == before || !slices.ContainsFunc(b.records, b.lost) {
			return b, nil
		}
	}
}

// whole is a record of the first store with both halves of its key, or destroyed.
func (b *both) whole(r keys.Record) keys.Record {
	id := maskOf(&r)
	if id == nil {
		return r
	}
	if whole, ok := join(r, b.masks[*id]); ok {
		return whole
	}
	r.State, r.Wrapped = keys.Destroyed, nil
	return r
}

func (b *both) lost(r keys.Record) bool {
	return r.State != keys.Destroyed && b.whole(r).State == keys.Destroyed
}

func (h *halves) CompareAndSwap(ctx context.Context, ring keys.RingID, version uint64, put []keys.Record) error {
	b, err := h.both(ctx, ring)
	if err != nil {
		return err
	}
	if b.version != version {
		return keys.ErrConflict
	}
	out, masks := b.split(put, h.life)
	if len(masks) > 0 {
		if err := h.second.CompareAndSwap(ctx, maskRing(ring), b.secondVersion, masks); err != nil {
			return err
		}
	}
	err = h.first.CompareAndSwap(ctx, ring, version, out)
	if err == nil || errors.Is(err, keys.ErrConflict) { // any other may have done it
		ids := named(b.records)
		for _, m := range masks {
			ids = append(ids, m.ID)
		}
		// What fails here is left to a sweep.
		_ = h.erase(ctx, ring, func(m *keys.Record) bool { return slices.Contains(ids, m.ID) })
	}
	return err
}

// split is what is put into the first store, and the masks it names that the second has
// not yet. A record whose key stays keeps its mask. Records that are lost are put as
// destroyed, lest one stay active for ever.
func (b *both) split(put []keys.Record, life time.Duration) (out, masks []keys.Record) {
	for _, r := range put {
		at := slices.IndexFunc(b.records, func(held keys.Record) bool { return held.ID == r.ID })
		if at >= 0 && len(r.Wrapped) > 0 && sameWrappings(b.whole(b.records[at]).Wrapped, r.Wrapped) {
			r.Wrapped = b.records[at].Wrapped
		} else if len(r.Wrapped) > 0 {
			mask := keys.Record{
				Ring: maskRing(r.Ring), Created: r.Created,
				Changed: time.Now().Add(life).UTC().Truncate(time.Second), // when nobody needs it, for sweeps of other first stores
				State:   keys.Retired,                                     // none in particular: the first store's is what counts
			}
			rand.Read(mask.ID[:])
			r.Wrapped, mask.Wrapped = split(r.Wrapped, mask.ID)
			masks = append(masks, mask)
		}
		out = append(out, r)
	}
	for _, r := range b.records {
		if b.lost(r) && !slices.ContainsFunc(out, func(o keys.Record) bool { return o.ID == r.ID }) {
			out = append(out, destroyed(r))
		}
	}
	return out, masks
}

// maskOf is the ID of the mask that a record of the first store names, or nil.
func maskOf(r *keys.Record) *keys.KeyID {
	if len(r.Wrapped) == 0 || !strings.HasPrefix(r.Wrapped[0].KEK, halfOf) || len(r.Wrapped[0].Bytes) < len(keys.KeyID{}) {
		return nil
	}
	id := keys.KeyID(r.Wrapped[0].Bytes)
	return &id
}

// split masks wrappings, and returns the mask beside them.
func split(whole []keys.Wrapping, id keys.KeyID) (masked, mask []keys.Wrapping) {
	for _, w := range whole {
		half, random := make([]byte, len(id)+len(w.Bytes)), make([]byte, len(w.Bytes))
		rand.Read(random)
		subtle.XORBytes(half[copy(half, id[:]):], w.Bytes, random)
		masked = append(masked, keys.Wrapping{KEK: halfOf + w.KEK, Bytes: half})
		mask = append(mask, keys.Wrapping{KEK: w.KEK, Bytes: random})
	}
	return masked, mask
}

// join is split backwards.
func join(r keys.Record, mask []keys.Wrapping) (keys.Record, bool) {
	whole := make([]keys.Wrapping, len(r.Wrapped))
	for i, w := range r.Wrapped {
		if i >= len(mask) || w.KEK != halfOf+mask[i].KEK || len(w.Bytes) != len(r.ID)+len(mask[i].Bytes) {
			return r, false
		}
		whole[i] = keys.Wrapping{KEK: mask[i].KEK, Bytes: make([]byte, len(mask[i].Bytes))}
		subtle.XORBytes(whole[i].Bytes, w.Bytes[len(r.ID):], mask[i].Bytes)
	}
	r.Wrapped = whole
	return r, true
}

func destroyed(r keys.Record) keys.Record {
	r.State, r.Changed, r.Wrapped = keys.Destroyed, time.Now().UTC().Truncate(time.Second), nil
	return r
}

func sameWrappings(a, b []keys.Wrapping) bool {
	return slices.EqualFunc(a, b, func(x, y keys.Wrapping) bool { return x.KEK == y.KEK && slices.Equal(x.Bytes, y.Bytes) })
}
