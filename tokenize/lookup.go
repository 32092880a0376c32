package tokenize

import (
	"context"
	"time"

	"github.com/cardseal/cardseal/crypto/blindindex"
	"github.com/cardseal/cardseal/crypto/envelope"
	"github.com/cardseal/cardseal/crypto/secret"
	"github.com/cardseal/cardseal/tokenize/card"
	"github.com/cardseal/cardseal/tokenize/store"
)

// lookup is what is computed under the index keys of one standing. Calls under way
// may have one whose time is over; the garbage collector takes it.
type lookup struct {
	epoch     uint64        // what writes planned with it name
	read      indexKey      // cards are found by
	others    []indexKey    // stored as well; nearly always there are none
	digestKey *secret.Bytes // of idempotency keys, unknown tokens, job inputs
	// earlier is the digest key before, nil where there is none, in force until a
	// time in Unix milliseconds.
	earlier      *secret.Bytes
	earlierUntil int64
}

// indexKey makes index values under one data key.
type indexKey struct {
	id    envelope.KeyID
	cards *blindindex.Index
}

// Labels of the index ring's subkeys. They are part of the format.
const (
	indexLabel  = "cardseal index"
	digestLabel = "cardseal digest"
)

// keyed returns what is computed under the index keys known now, derived on first
// use.
func (r *Repository) keyed(ctx context.Context) (*lookup, error) {
	if l := r.at.Load().lookup.Load(); l != nil {
		return l, nil
	}
	s, err := r.writtenDown(ctx)
	if err != nil {
		return nil, err
	}
	return r.keyedBy(ctx, s)
}

func (r *Repository) keyedBy(ctx context.Context, s *standing) (*lookup, error) {
	if l := s.lookup.Load(); l != nil {
		return l, nil
	}
	l, err := r.derive(ctx, &s.state)
	if err != nil {
		return nil, err
	}
	l.epoch = s.epoch
	s.lookup.CompareAndSwap(nil, l)
	return s.lookup.Load(), nil
}

func (r *Repository) derive(ctx context.Context, s *state) (*lookup, error) {
	l := &lookup{earlierUntil: s.earlierUntil}
	for _, id := range s.index {
		key, err := r.index.Subkey(ctx, id, indexLabel)
		if err != nil {
			return nil, wrap(err)
		}
		cards, err := blindindex.New(key, indexLabel)
		clear(key)
		if err != nil {
			return nil, wrap(err)
		}
		if id == s.read {
			l.read = indexKey{id, cards}
		} else {
			l.others = append(l.others, indexKey{id, cards})
		}
	}
	var err error
	if l.digestKey, err = r.digestKey(ctx, s.digest); err != nil {
		return nil, err
	}
	if !s.earlier.IsZero() && time.Now().UnixMilli() < s.earlierUntil {
		l.earlier, err = r.digestKey(ctx, s.earlier)
	}
	return l, err
}

func (r *Repository) digestKey(ctx context.Context, id envelope.KeyID) (*secret.Bytes, error) {
	key, err := r.index.Subkey(ctx, id, digestLabel)
	if err != nil {
		return nil, wrap(err)
	}
	defer clear(key)
	return secret.New(key), nil
}

// of is the index value of a card number: all its digits, never truncated.
func (k *indexKey) of(pan card.PAN) (v store.IndexValue) {
	var digits [card.MaxLen]byte
	v.Key = k.id
	k.cards.Append(v.Value[:0], pan.AppendDigits(digits[:0]))
	clear(digits[:])
	return v
}

// index computes the index values of a request's card number.
func (l *lookup) index(pan card.PAN, p *prepared) {
	p.index, p.more = l.read.of(pan), nil
	for i := range l.others {
		p.more = append(p.more, l.others[i].of(pan))
	}
}

// values are all index values of a card number.
func (p *prepared) values() []store.IndexValue {
	return append([]store.IndexValue{p.index}, p.more...)
}
