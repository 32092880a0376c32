package memory

import (
	"bytes"
	"cmp"
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/tokenize/store"
)

// keyStore is the key store of a DB or of Codes.
type keyStore struct {
	closed *atomic.Bool // its owner's

	mu      sync.Mutex
	records map[keys.KeyID]keys.Record
	rings   map[keys.RingID]*ring
}

type ring struct {
	version uint64
	ids     []keys.KeyID
}

func newKeyStore(closed *atomic.Bool) keyStore {
	return keyStore{closed: closed, records: map[keys.KeyID]keys.Record{}, rings: map[keys.RingID]*ring{}}
}

func (k *keyStore) ready(ctx context.Context) error {
	if k.closed.Load() {
		return errKeysClosed
	}
	return ctx.Err()
}

// Get returns a record, which is the caller's own.
func (k *keyStore) Get(ctx context.Context, id keys.KeyID) (keys.Record, error) {
	if err := k.ready(ctx); err != nil {
		return keys.Record{}, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	r, ok := k.records[id]
	if !ok {
		return keys.Record{}, keys.ErrNotFound
	}
	return copyRecord(r), nil
}

// List returns the ring's records as they are at one moment.
func (k *keyStore) List(ctx context.Context, id keys.RingID) ([]keys.Record, uint64, error) {
	if err := k.ready(ctx); err != nil {
		return nil, 0, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	r := k.rings[id]
	if r == nil {
		return nil, 0, nil
	}
	list := make([]keys.Record, len(r.ids))
	for i, id := range r.ids {
		list[i] = copyRecord(k.records[id])
	}
	slices.SortFunc(list, func(a, b keys.Record) int {
		return cmp.Or(a.Created.Compare(b.Created), bytes.Compare(a.ID[:], b.ID[:]))
	})
	return list, r.version, nil
}

// CompareAndSwap puts the records if the ring's version is the one given. A
// record that cannot be stored is an [store.InvalidError].
func (k *keyStore) CompareAndSwap(ctx context.Context, id keys.RingID, version uint64, put []keys.Record) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.ready(ctx); err != nil { // inside: what came later would not be wiped
		return err
	}
	for i := range put {
		if err := k.check(&put[i], id, put[:i]); err != nil {
			return err
		}
	}
	r := k.rings[id]
	if r == nil {
		r = &ring{}
	}
	if r.version != version {
		return keys.ErrConflict
	}
	for i := range put {
		if old, known := k.records[put[i].ID]; !known {
			r.ids = append(r.ids, put[i].ID)
		} else {
			wipe(old)
		}
		k.records[put[i].ID] = copyRecord(put[i])
	}
	r.version++
	k.rings[id] = r
	return nil
}

// wipe overwrites the wrapped keys of all records and forgets them.
func (k *keyStore) wipe() {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, r := range k.records {
		wipe(r)
	}
	clear(k.records)
	clear(k.rings)
}

// wipe overwrites the wrapped forms of a record that is given up: with the KEK, they
// are the key.
func wipe(r keys.Record) {
	for _, w := range r.Wrapped {
		clear(w.Bytes)
	}
}

func (k *keyStore) check(r *keys.Record, ring keys.RingID, earlier []keys.Record) error {
	known, ok := k.records[r.ID]
	switch {
	case r.ID.IsZero():
		return &store.InvalidError{Field: "Record.ID", Problem: "is missing"}
	case r.Ring != ring:
		return &store.InvalidError{Field: "Record.Ring", Problem: "is another ring"}
	case r.State < keys.Active || r.State > keys.Destroyed:
		return &store.InvalidError{Field: "Record.State", Problem: "is unknown"}
	case ok && known.Ring != ring:
		return &store.InvalidError{Field: "Record.ID", Problem: "belongs to another ring"}
	case slices.ContainsFunc(earlier, func(e keys.Record) bool { return e.ID == r.ID }):
		return &store.InvalidError{Field: "Record.ID", Problem: "is there twice"}
	}
	return nil
}

// copyRecord copies what a record points to. Times become whole seconds of UTC,
// as every other store would give them back.
func copyRecord(r keys.Record) keys.Record {
	r.Created, r.Changed = time.Unix(r.Created.Unix(), 0).UTC(), time.Unix(r.Changed.Unix(), 0).UTC()
	r.Wrapped = slices.Clone(r.Wrapped)
	for i := range r.Wrapped {
		r.Wrapped[i].Bytes = bytes.Clone(r.Wrapped[i].Bytes)
	}
	return r
}
