package keys

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/cardseal/cardseal/crypto/envelope"
)

// MaxPlaintext is the longest plaintext of a record in bytes.
const MaxPlaintext = 64 << 10

// Scope seals and opens records of one purpose and scope. It is safe for
// concurrent use; keep it, since it holds the sealing key. Once warm, Seal and
// Open make no call, take no lock and allocate nothing beyond room in dst.
type Scope struct {
	ring   *ring
	place  envelope.Place
	sealer atomic.Pointer[sealer]
	opener atomic.Pointer[opener]
	budget budget
}

// sealer is the scope's sealing key in one epoch of its ring.
type sealer struct {
	epoch *epoch
	key   *envelope.SealingKey
}

// opener is what opened the scope's records of late: most come from one data key,
// and many from one sealing key. It serves only as long as the ring still has
// that cache, that is as long as no data key was given up.
type opener struct {
	cache *opened
	scope *envelope.ScopeKey
	key   *envelope.SealingKey // nil until the cache kept one
}

// Scope returns a handle for one purpose and scope in the [Shared] layout. The
// scope is text of at most 255 bytes, bound byte for byte. Security codes (purpose
// [CVC]) are refused in inline mode, since no one could forget their keys.
func (m *Manager) Scope(p Purpose, scope string) (*Scope, error) {
	return m.ScopeIn(Shared, p, scope)
}

// ScopeIn is [Manager.Scope] in either layout. A scope keeps to the layout it
// began with: records of one do not open in the other. In the [PerScope] layout
// the scope must not be empty.
func (m *Manager) ScopeIn(l Layout, p Purpose, scope string) (*Scope, error) {
	id := RingID{Environment: m.o.Environment, Purpose: p}
	switch l {
	case Shared:
	case PerScope:
		id.Scope = scope
	default:
		return nil, &OptionError{"layout", "is neither Shared nor PerScope"}
	}
	if !p.Valid() {
		return nil, &OptionError{"purpose", "is not one of this package's, nor \"x-\" and a-z, 0-9, -"}
	}
	if !validScope(scope) {
		return nil, &OptionError{"scope", "must be UTF-8 of at most 255 bytes"}
	}
	if l == PerScope && scope == "" {
		return nil, &OptionError{"scope", "must not be empty where each scope has a ring"}
	}
	if m.store == nil && p == CVC {
		return nil, &OptionError{"purpose", "cvc needs a key store: inline keys cannot be forgotten"}
	}
	r, err := m.ring(id)
	if err != nil {
		return nil, err
	}
	return &Scope{
		ring:   r,
		place:  envelope.Place{Environment: id.Environment, Scope: scope, Purpose: string(p)},
		budget: budget{perMinute: m.o.InlineUnwraps},
	}, nil
}

// Seal appends the sealed record of plaintext to dst. It is bound to the scope,
// its purpose and environment, and to a, all of which must be given again to
// open it. dst may share memory with plaintext. On error nothing is returned. A
// call that finds its key warm does not look at ctx.
func (s *Scope) Seal(ctx context.Context, dst, plaintext []byte, a *envelope.Additional) ([]byte, error) {
	w := s.ring.work.Get().(*work)
	defer s.ring.giveBack(w)
	buf, err := a.AppendTo(w.buf[:0])
	if err != nil {
		return nil, err
	}
	n := len(buf)
	w.buf = append(buf, plaintext...)
	w.AAD, w.Plain = w.buf[:n], w.buf[n:]
	dst, err = s.SealWith(ctx, &w.Work, dst)
	clear(w.Plain)
	return dst, err
}

// SealWith is Seal for callers who keep buffers of their own and encode the
// additional data themselves ([envelope.Additional.AppendTo]): it seals w.Plain. The
// spare capacity of dst must not overlap what w holds.
func (s *Scope) SealWith(ctx context.Context, w *Work, dst []byte) ([]byte, error) {
	if len(w.Plain) > MaxPlaintext {
		return nil, &OptionError{"plaintext", "is longer than 65536 bytes"}
	}
	for {
		k := s.sealer.Load()
		if e := s.ring.epoch.Load(); k == nil || e == nil || k.epoch != e {
			var err error
			if k, err = s.warm(ctx); err != nil {
				return nil, err
			}
		}
		if w.lease.take(k.epoch) {
			return k.key.Seal(dst, w.Plain, w.AAD), nil
		}
		s.ring.usedUp(k.epoch)
	}
}

// warm derives the sealing key of the ring's current epoch.
func (s *Scope) warm(ctx context.Context) (*sealer, error) {
	for range maxConflicts {
		e, err := s.ring.active(ctx)
		if err != nil {
			return nil, err
		}
		if k := s.sealer.Load(); k != nil && k.epoch == e {
			return k, nil
		}
		scopeKey, err := e.key.scopeKey(s.place)
		if errors.Is(err, errEvicted) {
			continue
		}
		if err != nil {
			return nil, err
		}
		key, err := scopeKey.SealingKey(e.salt)
		if err != nil {
			return nil, err
		}
		k := &sealer{e, key}
		s.sealer.Store(k)
		return k, nil
	}
	return nil, errEvicted
}

// Open appends the plaintext of a record to dst, or fails with an error that is
// [envelope.ErrOpen] and, where the reason lies outside the record, also one of
// this package's kinds or the context's error. dst may share memory with record.
// On error nothing is returned.
func (s *Scope) Open(ctx context.Context, dst, record []byte, a *envelope.Additional) ([]byte, error) {
	w := s.ring.work.Get().(*work)
	defer s.ring.giveBack(w)
	buf, err := a.AppendTo(w.buf[:0])
	if err != nil {
		return nil, openError(err)
	}
	w.buf = slices.Grow(buf, len(record))
	w.AAD, w.Plain = buf, w.buf[len(buf):]
	plain, err := s.OpenWith(ctx, &w.Work, record)
	if err != nil {
		return nil, err
	}
	dst = append(dst, plain...)
	clear(plain)
	return dst, nil
}

// OpenWith is Open for callers who keep buffers of their own and encode the
// additional data themselves. The plaintext lies in the memory of w.Plain if that
// has the capacity, which may be overwritten whatever comes of the call and must
// overlap neither record nor w.AAD.
func (s *Scope) OpenWith(ctx context.Context, w *Work, record []byte) ([]byte, error) {
	if o := s.opener.Load(); o != nil && o.key != nil && o.cache == s.ring.opened.Load() {
		plain, err := o.key.Open(w.Plain[:0], record, w.AAD)
		if err == nil || err != envelope.ErrOtherKey { // nil first: that is nearly all, and costs less to ask
			return plain, err
		}
	}
	return s.openOther(ctx, w.Plain[:0], record, w.AAD)
}

// openOther opens what the last record's sealing key does not.
func (s *Scope) openOther(ctx context.Context, dst, record, aad []byte) ([]byte, error) {
	cache := s.ring.opened.Load()
	if cache == nil {
		return nil, fmt.Errorf("%w: %w", envelope.ErrOpen, ErrClosed)
	}
	o := s.opener.Load()
	if o != nil && o.cache != cache {
		o = nil
	}
	if k := cache.get(record, s.place.Scope); k != nil {
		return k.Open(dst, record, aad)
	}
	var scopeKey *envelope.ScopeKey
	if o != nil && o.scope.Matches(record) {
		scopeKey = o.scope
	} else {
		var err error
		if scopeKey, err = s.scopeKeyOf(ctx, record); err != nil {
			return nil, openError(err)
		}
	}
	plain, kept, err := cache.open(scopeKey, dst, record, aad)
	if err != nil {
		return nil, openError(err)
	}
	if o == nil || kept != nil {
		s.opener.Store(&opener{cache, scopeKey, kept})
	}
	return plain, nil
}

// scopeKeyOf finds the scope key a record names, in memory or through store and
// KMS.
func (s *Scope) scopeKeyOf(ctx context.Context, record []byte) (*envelope.ScopeKey, error) {
	h, err := envelope.Inspect(record)
	if err != nil {
		return nil, err
	}
	for range maxConflicts {
		var k *dataKey
		if h.Inline() {
			k, err = s.carriedKey(ctx, &h.Reference)
		} else {
			k, err = s.ring.storedKey(ctx, h.Reference.KeyID)
		}
		if err != nil {
			return nil, err
		}
		scopeKey, err := k.scopeKey(s.place)
		if !errors.Is(err, errEvicted) {
			return scopeKey, err
		}
	}
	return nil, errEvicted
}

// openError makes every failure to open an envelope.ErrOpen.
func openError(err error) error {
	if errors.Is(err, envelope.ErrOpen) {
		return err
	}
	return fmt.Errorf("%w: %w", envelope.ErrOpen, err)
}

// Subkey derives a key for another use than sealing from one of the ring's data
// keys: 32 bytes under a label of its own. The caller wipes it when done.
func (s *Scope) Subkey(ctx context.Context, id KeyID, label string) ([]byte, error) {
	for range maxConflicts {
		k, err := s.ring.storedKey(ctx, id)
		if err != nil {
			return nil, err
		}
		b, err := k.subkey(s.place, label)
		if !errors.Is(err, errEvicted) {
			return b, err
		}
	}
	return nil, errEvicted
}

// ActiveKey returns the ID of the ring's active data key, made if there is none.
func (s *Scope) ActiveKey(ctx context.Context) (KeyID, error) {
	e, err := s.ring.active(ctx)
	if err != nil {
		return KeyID{}, err
	}
	return e.key.ref.KeyID, nil
}

// Refresh makes the next seal read from the store which key is active. A
// repository calls it when a fence refused what was sealed.
func (s *Scope) Refresh() { s.ring.endLease() }
