package code

import (
	"context"
	"sync"
	"time"

	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/tokenize"
	"github.com/cardseal/cardseal/tokenize/audit"
	"github.com/cardseal/cardseal/tokenize/seal"
	"github.com/cardseal/cardseal/tokenize/store"
)

// EphemeralStore keeps codes and the data keys they are sealed under, and nothing of
// either beyond a crash ([store.Codes].CheckEphemeral).
type EphemeralStore interface {
	store.Codes
	EphemeralKeys
}

// EphemeralKeys keeps data keys, or halves of them, and nothing beyond a crash.
type EphemeralKeys interface {
	CheckEphemeral(ctx context.Context) error
	Keys() keys.Store
}

// TransientOptions tunes a [Transient]. The zero value is safe. All processes that use
// an ephemeral store have the same.
type TransientOptions struct {
	// Environment is that of the repositories' keys. Default "production"; test twins
	// are of "test", and have a Transient of their own.
	Environment string
	// TTL is how long a code is kept. Default 15 minutes, at least a second, at most 24
	// hours.
	TTL time.Duration
	// MaxReads is how often a code can be retrieved. Default 1, at most 100.
	MaxReads int
	// Epoch is how long codes are sealed under one data key. Default 15 minutes, at
	// least a second, at most 24 hours. Of every epoch in which a code was put the
	// ephemeral store, and Second, keep a record without the key, some 100 bytes, which
	// no key store deletes and every sweep reads: 35,000 after a year of 15 minutes each.
	// A store that a crash emptied, or another one, begins anew.
	Epoch time.Duration
	// Sweep is how often what has expired is removed. Default a minute, at least 100
	// milliseconds, at most an hour.
	Sweep time.Duration
	// SealLease and CacheLife are as in [keys.Options]. Default 1 and 5 minutes, at
	// least a second, at most an hour.
	SealLease, CacheLife time.Duration
	// Skew is how far the clocks of the processes may lie apart, and how long the store
	// may take to carry something out. Default a minute, at least a second, at most an
	// hour.
	Skew time.Duration
	// Second, if given, is another ephemeral store, on another machine: the wrapped data
	// keys are split over both (each half is random bytes by itself), so that a copy of
	// one store, with access to the KMS, opens no code. The first under another name is
	// refused; two stores that are copied together are not noticed.
	//
	// While the second is away, codes are put until the SealLease is over, and those read
	// whose key is in memory. What either loses in a crash is lost, and so is, after a crash of the second,
	// what a process puts before its SealLease is over. A process that is given another
	// second destroys the keys of the others, as after a crash. Second may be given where
	// codes are kept already, whose epoch is not split; taken away, the codes of that epoch
	// can neither be read nor others put before it ends.
	//
	// One store may be the second of several first ones. Where no process sweeps one of
	// them for longer than [Transient.Forgets] and Skew, the sweeps of the others destroy
	// its keys, which no code needs any more, without a receipt.
	Second EphemeralKeys
	// KEKs guard the data keys beside the KEK given, any one of them.
	KEKs []keys.KEK
	// AllowDevelopmentKEK is as in [tokenize.Options].
	AllowDevelopmentKEK bool
	// Audit receives the receipt of every epoch that is destroyed.
	Audit audit.Sink
	// Swept is called after every sweep on the timer.
	Swept func(Sweep, error)
	// Observer is told of calls to the KMS.
	Observer keys.Observer
}

func (o TransientOptions) filled() (TransientOptions, error) {
	for _, d := range []struct {
		field             string
		value             *time.Duration
		normal, low, high time.Duration
	}{
		{"ttl", &o.TTL, 15 * time.Minute, time.Second, 24 * time.Hour},
		{"epoch", &o.Epoch, 15 * time.Minute, time.Second, 24 * time.Hour},
		{"sweep", &o.Sweep, time.Minute, 100 * time.Millisecond, time.Hour},
		{"sealLease", &o.SealLease, time.Minute, time.Second, time.Hour},
		{"cacheLife", &o.CacheLife, 5 * time.Minute, time.Second, time.Hour},
		{"skew", &o.Skew, time.Minute, time.Second, time.Hour},
	} {
		if *d.value == 0 {
			*d.value = d.normal
		}
		if *d.value < d.low || *d.value > d.high {
			return o, invalid(d.field, tokenize.Invalid, "must be between "+d.low.String()+" and "+d.high.String())
		}
	}
	if o.MaxReads == 0 {
		o.MaxReads = 1
	}
	if o.MaxReads < 1 || o.MaxReads > 100 {
		return o, invalid("maxReads", tokenize.Invalid, "must be between 1 and 100")
	}
	return o, nil
}

// Transient keeps codes until they expire, were read or are erased, in an ephemeral
// store, under data keys that live there too and are destroyed one epoch after the
// other. One serves any number of repositories of one environment.
type Transient struct {
	store  EphemeralStore
	keys   *keys.Manager
	halves *halves // nil where keys are whole
	o      TransientOptions
	fences *fences

	sweeping sync.Mutex
	untold   []audit.Event // of destroyed epochs, which the sink has not taken yet

	stop context.CancelFunc
	done sync.WaitGroup
}

// OpenTransient checks that the store is ephemeral ([store.ErrDurable]), sweeps it, and
// goes on sweeping until [Transient.Close]. The context gives values to later sweeps;
// its end does not end them.
func OpenTransient(ctx context.Context, s EphemeralStore, kek keys.KEK, o *TransientOptions) (*Transient, error) {
	if s == nil || kek == nil {
		return nil, invalid("store", tokenize.Missing, "and a KEK are needed")
	}
	t := &Transient{store: s, fences: &fences{store: s}}
	if o != nil {
		t.o = *o
	}
	var err error
	if t.o, err = t.o.filled(); err != nil {
		return nil, err
	}
	for _, k := range append([]keys.KEK{kek}, t.o.KEKs...) {
		if d, ok := k.(keys.Development); ok && !t.o.AllowDevelopmentKEK {
			return nil, &tokenize.Error{Cause: tokenize.RequestRejected, Field: "kek", Kind: tokenize.Unsupported,
				SupportCode: "DEVELOPMENT_KEK", Explanation: "is for development only: " + d.Development()}
		}
	}
	if err := s.CheckEphemeral(ctx); err != nil {
		return nil, tokenize.AsError(err)
	}
	stored := s.Keys()
	if t.o.Second != nil {
		if err := t.o.Second.CheckEphemeral(ctx); err != nil {
			return nil, tokenize.AsError(err)
		}
		t.halves = &halves{stored, t.o.Second.Keys(), t.Forgets()}
		stored = t.halves
	}
	t.keys, err = keys.Open(ctx, stored, kek, &keys.Options{
		Environment: t.o.Environment, SealLease: t.o.SealLease, CacheLife: t.o.CacheLife,
		RotateAge: max(t.o.Epoch, time.Minute), // the shortest; a sweep ends shorter ones
		KEKs:      t.o.KEKs, Observer: t.o.Observer,
	})
	if err != nil {
		return nil, tokenize.AsError(err)
	}
	if err = t.checkSecond(ctx); err == nil {
		_, err = t.Sweep(ctx)
	}
	if err != nil {
		t.keys.Close()
		return nil, err
	}
	ctx, t.stop = context.WithCancel(context.WithoutCancel(ctx))
	t.done.Go(func() { t.sweepOn(ctx) })
	return t, nil
}

// checkSecond demands that the second store, if there is one, is another than the first.
func (t *Transient) checkSecond(ctx context.Context) error {
	if t.halves == nil {
		return nil
	}
	apart, err := t.halves.apart(ctx, t.ring())
	if err != nil {
		return tokenize.AsError(err)
	}
	if !apart {
		return invalid("second", tokenize.Invalid, "must be another store")
	}
	return nil
}

// Close stops sweeping, waits for the sweep under way, and wipes the data keys in
// memory. What is in the ephemeral store stays there until another process sweeps it.
func (t *Transient) Close() error {
	t.stop()
	t.done.Wait()
	return t.keys.Close()
}

// Forgets is how long after it was put a code can be opened at the latest, by anyone
// who has all stores, all processes' memory and the KMS, but no earlier copy of the
// ephemeral store or of memory: TTL, Epoch, SealLease and CacheLife, and twice each
// Sweep and Skew. It holds while sweeps do not fail; this API gives a code out for its
// TTL alone.
func (t *Transient) Forgets() time.Duration {
	// The epoch begins with the code at the latest, is ended by the first sweep after
	// its time, destroyed by the first after the last code sealed in it has expired
	// (by then no process seals in it any more), and used by nobody once no process
	// has its key in memory.
	return t.o.Epoch + t.o.Sweep + t.retired() + t.o.Sweep + t.o.CacheLife + t.o.Skew
}

// retired is how long an epoch that was ended is needed at most.
func (t *Transient) retired() time.Duration { return t.o.SealLease + t.o.Skew + t.o.TTL }

func (t *Transient) keep(r *tokenize.Repository) (*kept, error) {
	a := r.CodeAccess()
	switch {
	case t == nil:
		return nil, invalid("policy", tokenize.Missing, "is needed")
	case r.Config().IssuerCodes:
		return nil, invalid("policy", tokenize.Unsupported, "the repository was made to keep security codes as their issuer")
	case a.Environment() != t.keys.Environment():
		return nil, invalid("policy", tokenize.Unsupported, "is of another environment than the repository's keys")
	}
	return &kept{
		store: t.store, scope: a.Scope(), sealer: seal.New(t.keys, r.Scope()), fences: t.fences,
		owners: true, ttl: t.o.TTL, reads: uint32(t.o.MaxReads),
	}, nil
}
