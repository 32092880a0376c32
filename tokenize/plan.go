package tokenize

import (
	"context"
	"slices"
	"time"

	"github.com/cardseal/cardseal/tokenize/card"
	"github.com/cardseal/cardseal/tokenize/generate"
	"github.com/cardseal/cardseal/tokenize/store"
)

// batch is one call of Save or SaveBatch at work. It is planned without writing,
// written in one transaction that changes everything or nothing, and planned
// anew where something stood in the way.
type batch struct {
	r      *Repository
	l      *lookup
	now    time.Time
	opened time.Time // when the first message was about to be, zero where there is none
	reqs   []SaveRequest
	own    []SaveRequest // reqs, where it is a copy; else nil
	res    []SaveResult
	prep   []prepared

	// A single save needs no slices of its own.
	one    [1]SaveRequest
	oneRes [1]SaveResult

	// replayed holds, for a request whose idempotency key was known, the token
	// the first call got.
	replayed []string

	spent  map[generate.Space64]bool // spaces that have nothing for the rest of this batch
	tokens []string                  // of the requests' cards, where they follow from those ([FF1])

	fenced   int  // rounds in which a data key was closed for writing
	recalled bool // the store was asked what is remembered under the earlier digest key

	writes []store.Write
	from   []int // writes[i] carries out request from[i]
	// What new rows point to, in one piece of memory each.
	sealed []byte
	fields []store.Sealed
	index  []store.IndexValue

	// What the store said, and over it what this batch is about to write.
	rows  map[string]known
	cards map[[32]byte]string
	onces map[[32]byte]int // the request of this batch that came first with an idempotency key
}

// plan fills b.writes for all requests that have no error yet.
func (b *batch) plan(ctx context.Context, read bool) error {
	clear(b.writes)
	b.writes, b.from, b.sealed = b.writes[:0], b.from[:0], b.sealed[:0]
	clear(b.rows)
	clear(b.cards)
	clear(b.onces)
	clear(b.spent)
	if n := len(b.reqs); cap(b.writes) < n {
		b.writes = make([]store.Write, 0, n) // never grown: b.rows points into it
	}
	if len(b.reqs) > 1 || read {
		b.makeRoom()
	}
	if read {
		if err := b.read(ctx); err != nil {
			return err
		}
	}
	known, checked := false, false
	for i := range b.reqs {
		if b.res[i].Err != nil || b.reqs[i].Types == Analytics {
			continue
		}
		err := b.planOne(ctx, i, read)
		if err == nil {
			continue
		}
		if serverSide(err) {
			return err
		}
		if !read { // planned as new, which it may not be
			return b.plan(ctx, true)
		}
		before, askErr := b.sentBefore(ctx, i)
		if askErr != nil {
			return askErr
		}
		switch {
		case before:
			known = true
			continue
		case !checked:
			if err := b.upToDate(ctx); err != nil {
				return err
			}
			checked = true
		}
		b.res[i].Err = fault(err, b.reqs[i].CorrelationID)
	}
	if known {
		return b.plan(ctx, true)
	}
	return nil
}

// makeRoom makes the tables of what is known of rows and cards.
func (b *batch) makeRoom() {
	if b.rows == nil {
		b.rows = make(map[string]known, len(b.reqs))
		b.cards = make(map[[32]byte]string, len(b.reqs))
	}
}

// serverSide reports an error that is not the request's own: it ends the call.
func serverSide(err error) bool {
	c := wrap(err).Cause
	return c == ServerFailed || c == ServerBusy
}

// read fetches the rows that the requests are about: by token, by card number,
// by an earlier call with the same idempotency key.
func (b *batch) read(ctx context.Context) error {
	var tokens []string
	var values []store.IndexValue
	for i := range b.reqs {
		switch p := &b.prep[i]; {
		case b.res[i].Err != nil:
		case b.replayed[i] != "":
			tokens = append(tokens, b.replayed[i])
		default:
			if b.reqs[i].Token != "" {
				tokens = append(tokens, b.reqs[i].Token)
			}
			if p.hasNumber && b.r.c.Management == UniqueCard {
				values = append(values, p.index)
			}
			if p.hasNumber && b.r.c.Generation == FF1 {
				tokens = append(tokens, b.tokens[i]) // it may be a tombstone, which has no index value
			}
		}
	}
	if len(values) > 0 {
		held, err := b.r.v.cards.ByIndex(ctx, b.r.scope, values)
		if err != nil {
			return err
		}
		for i, h := range held {
			if len(h) > 0 {
				b.cards[values[i].Value] = h[0]
				tokens = append(tokens, h[0])
			}
		}
	}
	if len(tokens) == 0 {
		return nil
	}
	slices.Sort(tokens)
	tokens = slices.Compact(tokens)
	rows, err := b.r.v.cards.Get(ctx, b.r.scope, tokens)
	if err != nil {
		return err
	}
	for i := range rows {
		if rows[i].Version > 0 {
			b.rows[tokens[i]] = known{row: &rows[i]}
		}
	}
	return nil
}

// planOne decides what a request comes to. Without a read, which saves the one
// look-up of a card most likely new, everything without a token is planned as
// new, and the store's answer decides.
func (b *batch) planOne(ctx context.Context, i int, read bool) error {
	q, p := &b.reqs[i], &b.prep[i]
	if token := b.replayed[i]; token != "" {
		row, ok := b.row(token)
		if !ok || row.Status == store.Deleted {
			b.replayed[i] = "" // deleted meanwhile: the key is forgotten with it
			if p.acquirer && p.verified != ExternalSuccessful {
				return conflict() // it was not verified, since it was sent before
			}
			if p.late != nil {
				return p.late
			}
		} else {
			b.res[i].Details = b.result(q, &row, Replayed)
			return nil
		}
	}
	if first, ok := b.earlier(i); ok {
		if b.prep[first].once.Input != p.once.Input {
			return rejected("idempotencyKey", "REUSED_KEY", ErrReusedKey)
		}
		b.res[i] = b.res[first]
		b.res[i].Details.Outcome, b.res[i].Details.CorrelationID = Replayed, q.CorrelationID
		return nil
	}
	holder := "" // the token that holds the card, in a repository where one may
	if p.hasNumber && b.r.c.Management == UniqueCard {
		holder = b.cards[p.index.Value]
		// Since the look-up the token may have gone or come to hold another card,
		// through another caller or through a request before in this batch.
		if k, ok := b.rows[holder]; !ok || !slices.Contains(k.row.Index, p.index) {
			holder = ""
		}
	}
	token := q.Token
	if token == "" {
		token = holder
	}
	if token == "" {
		return b.create(ctx, i)
	}
	row, ok := b.row(token)
	if ok {
		if err := allow(opUpdate, &row, b.now); err != nil {
			return err
		}
	}
	switch {
	case holder != "" && holder != token:
		return rejected(card.FieldNumber, "CARD_HAS_TOKEN", ErrCardHasToken)
	case !ok && (q.update || b.r.c.Generation != MerchantProvided):
		return b.r.unknownToken()
	case !ok && q.ExpectVersion != 0:
		return rejected("token", "VERSION", ErrConflict)
	case !ok && !p.hasNumber:
		return invalid(card.FieldNumber, Missing, "is needed for a new token")
	case !ok:
		return b.create(ctx, i)
	case q.CreateOnly:
		return rejected("token", "EXISTS", ErrTokenExists)
	case q.ExpectVersion != 0 && q.ExpectVersion != row.Version:
		return rejected("token", "VERSION", ErrConflict)
	}
	return b.update(ctx, i, row)
}

// earlier finds the request of this batch that came before with the same
// idempotency key, and that did not fail.
func (b *batch) earlier(i int) (int, bool) {
	p := &b.prep[i]
	if !p.hasOnce || len(b.reqs) == 1 {
		return 0, false
	}
	if b.onces == nil {
		b.onces = map[[32]byte]int{}
	}
	first, ok := b.onces[p.once.Key]
	if ok && b.res[first].Err == nil {
		return first, true
	}
	b.onces[p.once.Key] = i
	return 0, false
}
