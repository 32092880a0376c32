package vaultdir

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"sync/atomic"

	"github.com/cardseal/cardseal/backends/kek/local"
	"github.com/cardseal/cardseal/backends/kek/open"
	"github.com/cardseal/cardseal/keys"
)

// KEK is where a key that guards a vault's data keys is.
type KEK struct {
	URI  string
	File string // path of a local key; "" where a KMS has the key
	Old  bool   // opens what it wrapped and wraps nothing
}

// keks are the settings' KEKs, those that wrap first.
func (s *Settings) keks() (all []KEK, err error) {
	for i, uri := range slices.Concat([]string{s.KEK}, s.FurtherKEKs, s.OldKEKs) {
		k := KEK{URI: uri, Old: i > len(s.FurtherKEKs)}
		if k.File, err = keyFile(uri); err != nil {
			return nil, err
		}
		if k.File != "" {
			if k.URI, err = local.URI(k.File); err != nil {
				return nil, err
			}
		}
		if slices.ContainsFunc(all, func(o KEK) bool { return o.URI == k.URI }) {
			return nil, ErrTwice
		}
		all = append(all, k)
	}
	if s.Quorum < 0 || s.Quorum > 1+len(s.FurtherKEKs) {
		return nil, ErrQuorum
	}
	return all, nil
}

// What the settings say wrongly of keys.
const (
	twice  = "names a key twice"
	quorum = `has a "quorum" that is not from 1 to the number of keys that wrap`
)

// away stands for a KEK that could not be opened while others could: what it should
// have wrapped is told as missing, and what it wrapped as not to be opened by it.
type away struct {
	id  string // its URI where its canonical name is not known
	err error
}

func (k *away) ID() string { return k.id }

func (k *away) Wrap(context.Context, []byte, []byte, keys.Binding) ([]byte, error) {
	return nil, k.err
}

func (k *away) Unwrap(context.Context, []byte, []byte, keys.Binding) ([]byte, error) {
	return nil, k.err
}

// awayFor is the stand-in for a KEK that could not be opened, or nil where that is for
// the user to mend: a wrong passphrase, a URI or an environment that will not do.
func awayFor(uri string, err error) *away {
	call, isCall := errors.AsType[*keys.CallError](err)
	switch {
	case errors.Is(err, open.ErrConfig):
		return nil
	case errors.Is(err, context.DeadlineExceeded):
		call = &keys.CallError{Call: "open", Kind: keys.ErrUnavailable, Err: err}
	case errors.Is(err, fs.ErrNotExist):
		call = &keys.CallError{Call: "open", Kind: keys.ErrNotFound, Err: err}
	case !isCall:
		return nil
	}
	return &away{uri, call}
}

// openKEKs opens the vault's KEKs, and is content with one of them.
func (v *Vault) openKEKs(ctx context.Context, found *Found, o *OpenOptions) (err error) {
	var all []keys.KEK
	var missing []*away
	var first error
	for _, k := range found.KEKs {
		kek, err := o.OpenKEK.orDefault()(ctx, k.URI)
		if err == nil {
			v.keks, all = append(v.keks, kek), append(all, kek)
			if d, ok := kek.(keys.Development); ok && o.Warn != nil {
				o.Warn("development only: " + d.Development())
			}
			continue
		}
		stand := awayFor(k.URI, err)
		if stand == nil || ctx.Err() != nil || len(found.KEKs) == 1 {
			return err
		}
		if first == nil {
			first = err
		}
		if o.Away != nil {
			o.Away(k.URI, err)
		}
		v.Lacks = v.Lacks || !k.Old
		missing, all = append(missing, stand), append(all, stand)
	}
	if len(v.keks) == 0 {
		return first
	}
	if err := v.nameAway(ctx, missing); err != nil {
		return err
	}
	wrapping := 1 + len(found.Settings.FurtherKEKs)
	for _, k := range all[:wrapping] {
		if _, ok := k.(*away); !ok {
			v.wrapping = append(v.wrapping, k)
		}
	}
	v.Keys, err = keys.Open(ctx, v.db.Keys(), all[0], &keys.Options{
		KEKs: all[1:wrapping], OldKEKs: all[wrapping:], Quorum: found.Settings.Quorum, Observer: &v.under,
	})
	if e, ok := errors.AsType[*keys.OptionError](err); ok && (e.Field == "KEKs" || e.Field == "OldKEKs") {
		err = found.wrong(twice) // under two names
	}
	return err
}

// nameAway gives stand-ins the names that their KEKs have in the store: those that
// wrapped the keys of the audit ring, which every vault that was used has, and that
// are none of the open ones. Where there are more such names than stand-ins the
// settings lack a KEK, and none is given.
func (v *Vault) nameAway(ctx context.Context, missing []*away) error {
	if len(missing) == 0 {
		return nil
	}
	records, _, err := v.db.Keys().List(ctx, keys.RingID{Environment: Environment, Purpose: keys.Audit})
	if err != nil {
		return err
	}
	var names []string
	for _, r := range records {
		for _, w := range r.Wrapped {
			known := func(k open.KEK) bool { return k.ID() == w.KEK }
			if !slices.ContainsFunc(v.keks, known) && !slices.Contains(names, w.KEK) {
				names = append(names, w.KEK)
			}
		}
	}
	if len(names) <= len(missing) {
		for i, name := range names {
			missing[i].id = name
		}
	}
	return nil
}

// underReplicated counts the data keys that were made and that not all KEKs wrapped.
type underReplicated struct{ n atomic.Int64 }

// Observe is for the key manager.
func (u *underReplicated) Observe(_ context.Context, e keys.Event) {
	if e.Kind == keys.UnderReplicated {
		u.n.Add(1)
	}
}
