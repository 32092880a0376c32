package keys

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/cardseal/cardseal/crypto/envelope"
)

// Manager holds the rings of one environment. It is safe for concurrent use.
// Close it to wipe what it holds.
type Manager struct {
	o     Options
	store Store          // nil in inline mode
	kekID envelope.KEKID // inline mode

	// life is done when the manager closes. Calls to KMS and store that several
	// callers wait for end with it, not with the caller who came first.
	life context.Context
	end  context.CancelFunc

	guard  *guard // of all rings but those whose scope has KEKs of its own
	health health
	work   sync.Pool // of rings with one scope

	mu     sync.Mutex
	rings  map[RingID]*ring // nil once closed
	order  list.List        // of rings with one scope, the one used last in front
	flying sync.WaitGroup   // the watching goroutine and calls under way

	refreshing int // data keys being asked for again
	queue      []func(context.Context)
}

// Open returns a manager whose wrapped data keys live in a store. It makes no
// call: the first record does. The context gives values to later calls; its end
// does not end the manager.
func Open(ctx context.Context, s Store, kek KEK, o *Options) (*Manager, error) {
	if s == nil {
		return nil, &OptionError{"store", "must not be nil"}
	}
	return open(ctx, s, kek, envelope.KEKID{}, o)
}

// Inline returns a manager without a store: every record carries its wrapped
// data key, 32 bytes and the wrapped key's length longer than in stored mode.
// kekID names the KEK in those records: 8 bytes drawn at random once
// ([NewKEKID]) and kept with the KEK's configuration; zero is refused. An inline
// data key serves one process, or less. Records of inline mode are moved to
// another key by sealing them anew, their keys cannot be destroyed one by one,
// and security codes are refused.
func Inline(ctx context.Context, kekID envelope.KEKID, kek KEK, o *Options) (*Manager, error) {
	if kekID == (envelope.KEKID{}) {
		return nil, &OptionError{"kekID", "must not be zero"}
	}
	return open(ctx, nil, kek, kekID, o)
}

func open(ctx context.Context, s Store, kek KEK, kekID envelope.KEKID, o *Options) (*Manager, error) {
	f, err := o.filled(s != nil)
	if err != nil {
		return nil, err
	}
	g, err := newGuard("kek", append([]KEK{kek}, f.KEKs...), f.OldKEKs, f.Quorum)
	if err != nil {
		return nil, err
	}
	m := &Manager{o: f, store: s, guard: g, kekID: kekID, rings: map[RingID]*ring{}}
	m.work.New = newWork
	m.life, m.end = context.WithCancel(context.WithoutCancel(ctx))
	m.flying.Go(m.watch)
	return m, nil
}

// Close ends every seal and open, wipes the data keys in memory and waits for
// calls under way. Afterwards everything fails with [ErrClosed]. Closing twice is
// fine.
func (m *Manager) Close() error {
	m.mu.Lock()
	rings := m.all()
	m.rings, m.queue = nil, nil
	m.mu.Unlock()
	if m.end == nil {
		return nil // the zero Manager, which holds nothing
	}
	m.end()
	for _, r := range rings {
		r.close()
	}
	m.flying.Wait()
	return nil
}

// Renew makes every ring seal under a new salt from now on. Call it after the
// process was restored from a snapshot, once the kernel's random generator was
// reseeded: clones of a process share the salt and, until then, perhaps nonces. It
// makes no call; a ring whose lease or key is past its time reads the store to seal.
func (m *Manager) Renew() {
	for _, r := range m.snapshot() {
		r.renew()
	}
}

// Environment is the environment whose keys the manager holds.
func (m *Manager) Environment() string { return m.o.Environment }

// KEK is the key-encryption key the manager was opened with.
func (m *Manager) KEK() KEK { return m.guard.keks[0] }

// KEKs is all that guard the rings, those first that wrap, the one the manager was
// opened with in front; the KEKs that scopes have of their own are not among them.
func (m *Manager) KEKs() []KEK { return slices.Concat(m.guard.keks, m.guard.old) }

// Stored reports whether the manager keeps its keys in a store, as [Open] makes
// it, and not inline.
func (m *Manager) Stored() bool { return m.store != nil }

// watch ends what is past its time until the manager closes.
func (m *Manager) watch() {
	t := time.NewTicker(m.o.tick())
	defer t.Stop()
	for {
		select {
		case <-m.life.Done():
			return
		case <-t.C:
			for _, r := range m.snapshot() {
				r.expire()
			}
		}
	}
}

// shared runs one call to KMS or store for whoever waits for it. It takes the
// values of the first caller's context but not its end, so that one impatient
// caller does not fail the others; each leaves at its own deadline.
func (m *Manager) shared(ctx context.Context, call func(context.Context) (any, error)) func() (any, error) {
	return func() (any, error) {
		m.mu.Lock()
		if m.rings == nil {
			m.mu.Unlock()
			return nil, ErrClosed
		}
		m.flying.Add(1)
		m.mu.Unlock()
		defer m.flying.Done()
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), m.o.Timeout)
		defer cancel()
		defer context.AfterFunc(m.life, cancel)()
		v, err := call(ctx)
		if err == nil {
			return v, nil
		}
		if m.life.Err() != nil {
			return nil, ErrClosed
		}
		if errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, ErrUnavailable) {
			err = fmt.Errorf("%w: %w", ErrUnavailable, err)
		}
		return nil, err
	}
}

// inTime gives one step of a longer work, or work of nobody's, the time of one call.
func (m *Manager) inTime(ctx context.Context, step func(context.Context) error) error {
	own, cancel := context.WithTimeout(ctx, m.o.Timeout)
	defer cancel()
	err := step(own)
	if err != nil && own.Err() != nil && ctx.Err() == nil && !errors.Is(err, ErrUnavailable) {
		err = fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return err
}
