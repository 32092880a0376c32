package tokenize

import (
	"context"
	"slices"
	"time"

	"github.com/cardseal/cardseal/crypto/envelope"
	"github.com/cardseal/cardseal/tokenize/card"
	"github.com/cardseal/cardseal/tokenize/generate"
	"github.com/cardseal/cardseal/tokenize/seal"
	"github.com/cardseal/cardseal/tokenize/store"
)

// lastUsedStep is how often a use alone is written down.
const lastUsedStep = time.Minute

// create plans a new token.
func (b *batch) create(ctx context.Context, i int) error {
	q, p, r := &b.reqs[i], &b.prep[i], b.r
	if r.c.RequireExpiry && q.Card.Expiry.IsZero() {
		return invalid(card.FieldExpiry, Missing, "is demanded in this repository")
	}
	pan := q.Card.Number
	// Token, BIN, last four and mask lie in one piece of memory.
	var buf [64 + 8 + 4 + card.MaxLen]byte
	text := append(buf[:0], q.Token...)
	var err error
	if q.Token == "" {
		if text, err = b.drawToken(ctx, i, text); err != nil {
			return err
		}
	}
	n := len(text)
	text = appendBIN(text, pan)
	bin := len(text)
	text = append(text, pan.LastFour()...)
	four := len(text)
	text = pan.AppendMasked(text, narrowed(r.c.Masking, bin-n))
	s := string(text)

	ms := b.now.UnixMilli()
	w := b.add(i)
	w.Row = store.Row{
		Scope: r.scope, Token: s[:n], RecordID: envelope.NewRecordID(), Status: store.Active,
		BIN: s[n:bin], LastFour: s[bin:four], PANLength: uint8(pan.Len()),
		Network: p.bins.Network, Brand: p.bins.Brand.String(), Funding: p.bins.Funding.String(),
		Local:  p.bins.LocalBrand.String(),
		Expiry: expiryNumber(q.Card.Expiry), Expires: endOf(q.TokenExpiry), Verified: uint8(p.verified),
		Created: ms, Updated: ms, UpdatedBy: q.Caller.by(), LastUsed: ms,
	}
	row := &w.Row
	row.Invalid = q.Invalid
	if q.Suspended {
		row.Status = store.Suspended
	}
	if r.c.Generation == Preserve64 {
		row.Order, _ = generate.Order(row.Token)
	}
	if q.Types == ReuseAndAnalytics {
		if row.Analytics, err = r.analyticsToken(ctx, b.now, pan); err != nil {
			b.takeBack()
			return err
		}
	}
	row.Sealed, row.Index = b.slots(i)
	row.Index[0] = p.index
	row.Index = append(row.Index, p.more...)
	if err := b.sealInto(ctx, row, &q.Card, 0); err != nil {
		b.takeBack()
		return err
	}
	at := moment(ms)
	b.res[i].Details = Details{
		Token: row.Token, Analytics: row.Analytics, Repository: r.c.ID, Status: Status(row.Status), Valid: !row.Invalid,
		Outcome:  Created,
		Verified: p.verified, Brand: p.bins.Brand, Scheme: p.bins.Brand.Scheme(),
		LocalBrand: p.bins.LocalBrand, Funding: p.bins.Funding,
		BIN: row.BIN, LastFour: row.LastFour, Masked: s[four:], Expiry: q.Card.Expiry,
		TokenExpiry: q.TokenExpiry, Version: 1, Created: at, Updated: at, UpdatedBy: row.UpdatedBy, LastUsed: at,
		CorrelationID: q.CorrelationID,
	}
	b.overlay(w)
	return nil
}

// narrowed is the mask without leading digits beyond those of a kept BIN. Of 12 and 13
// digits, and of 16 of most networks, a mask such as 8.0 would show more than may be
// seen beside the last four (FAQ 1091).
func narrowed(m card.Mask, bin int) card.Mask {
	if m.First() <= bin {
		return m
	}
	n, _ := card.NewMask(bin, m.Last(), m.Fill()) // within the bounds of m
	return n
}

// appendBIN appends the leading digits that may be kept in clear beside the last
// four: what FAQ 1091 allows for the number's network and length.
func appendBIN(dst []byte, pan card.PAN) []byte {
	prefix := pan.Prefix()
	return append(dst, prefix[:pan.Network().Truncation(pan.Len()).First]...)
}

// update plans a change of an existing token. Where nothing would change but the
// time of last use, and that was written down within the minute, it plans none.
func (b *batch) update(ctx context.Context, i int, row store.Row) error {
	q, p, r := &b.reqs[i], &b.prep[i], b.r
	old := row
	outcome := Existing
	newNumber := p.hasNumber && !slices.Contains(row.Index, p.index)
	if newNumber && (r.c.Generation == Preserve64 || r.c.Generation == FF1) {
		return &Error{Cause: RequestRejected, Field: card.FieldNumber, Kind: Invalid, SupportCode: "NUMBER_FIXED",
			Explanation: "of a " + r.c.Generation.String() + " token cannot change"}
	}
	if p.renumbers = newNumber; newNumber {
		if r.c.IssuerCodes && r.v.o.IssuerCodes == nil {
			return noCodeStore("token") // the old number's would stay
		}
		pan := q.Card.Number
		row.BIN, row.LastFour, row.PANLength = string(appendBIN(nil, pan)), pan.LastFour(), uint8(pan.Len())
		row.Network, row.Brand, row.Funding = p.bins.Network, p.bins.Brand.String(), p.bins.Funding.String()
		row.Local = p.bins.LocalBrand.String()
		row.Index = p.values()
	}
	// An analytics token follows the number, asked for or not.
	if newNumber && row.Analytics != "" || q.Types == ReuseAndAnalytics && row.Analytics == "" {
		token, err := r.analyticsToken(ctx, b.now, q.Card.Number)
		if err != nil {
			return err
		}
		row.Analytics, outcome = token, Updated
	}
	if newNumber || q.Card.Holder != "" || q.Card.Email != "" || q.Clear.of(&row) {
		row.Sealed = slices.Clone(row.Sealed)
		if newNumber {
			dropScheme(&row) // it was the old number's
		}
		change := card.Details{Holder: q.Card.Holder, Email: q.Card.Email}
		if newNumber {
			change.Number = q.Card.Number
		}
		if err := b.sealInto(ctx, &row, &change, q.Clear); err != nil {
			return err
		}
		outcome = Updated
	}
	if p.named.brand != 0 && !newNumber {
		changed, err := r.rename(&row, p)
		if err != nil {
			return err
		}
		if changed {
			outcome = Updated
		}
	}
	if p.keep && !newNumber {
		var brand card.Brand
		_ = brand.UnmarshalText([]byte(row.Brand))
		if err := q.Card.Code.CheckFor(brand); err != nil {
			return err
		}
	}
	if changeDates(&row, q) {
		outcome = Updated
		if row.Expiry != old.Expiry && Verified(row.Verified) == ExternalSuccessful {
			row.Verified = uint8(NotVerified) // the acquirer has not seen this one
		}
	}
	if r.c.RequireExpiry && row.Expiry == 0 {
		return invalid(card.FieldExpiry, Missing, "is demanded in this repository")
	}
	// The card was given anew, and so is good until an updater says otherwise.
	if row.Invalid != q.Invalid && (q.Invalid || p.hasNumber || !q.Card.Expiry.IsZero()) {
		row.Invalid, outcome = q.Invalid, Updated
	}
	if q.Suspended && row.Status != store.Suspended {
		row.Status, outcome = store.Suspended, Updated
	}
	if p.hasNumber && row.Verified != uint8(p.verified) {
		row.Verified, outcome = uint8(p.verified), Updated
	}
	ms := b.now.UnixMilli()
	if outcome == Updated {
		row.Updated, row.UpdatedBy = ms, q.Caller.by()
	}
	used := ms-old.LastUsed >= lastUsedStep.Milliseconds()
	if used {
		row.LastUsed = ms
	}
	b.res[i].Details = b.result(q, &row, outcome)
	if outcome == Updated || used || p.hasOnce || p.message != nil {
		w := b.add(i)
		w.Row = row
		b.res[i].Details.Version = row.Version + 1
		b.overlay(w)
	}
	return nil
}

// sealInto seals a card's number, holder and e-mail, where given, into a row, in
// place of the values there, each under its next generation.
func (b *batch) sealInto(ctx context.Context, row *store.Row, c *card.Details, clear Clear) error {
	if !c.Number.IsZero() {
		s := field(row, seal.PAN)
		from := len(b.sealed)
		out, err := b.r.sealer.SealNumber(ctx, b.sealed, seal.PAN, c.Number, bound(row, s))
		if err != nil {
			return err
		}
		b.sealed = out
		s.Record = out[from:len(out):len(out)]
	}
	if c.Holder == "" && c.Email == "" && clear == 0 {
		return nil
	}
	return b.r.sealTexts(ctx, row, c, clear)
}

// bound is what a sealed value of a row is bound to. The token is part of it:
// record ID and sealed value lie side by side, and whoever writes to the store
// could move both to another token.
func bound(row *store.Row, s *store.Sealed) *seal.Binding {
	return &seal.Binding{Record: row.RecordID, Owner: row.Token, Generation: s.Generation}
}

// field returns the row's entry for a field, made if need be, with its
// generation raised. Entries are in the order of their fields.
func field(row *store.Row, f seal.Field) *store.Sealed {
	i := 0
	for ; i < len(row.Sealed) && row.Sealed[i].Field <= byte(f); i++ {
		if row.Sealed[i].Field == byte(f) {
			row.Sealed[i].Generation++
			return &row.Sealed[i]
		}
	}
	row.Sealed = slices.Insert(row.Sealed, i, store.Sealed{Field: byte(f), Generation: 1})
	return &row.Sealed[i]
}

// add plans a write for a request. Its row is filled in place: rows are large.
func (b *batch) add(i int) *store.Write {
	b.writes, b.from = append(b.writes, store.Write{}), append(b.from, i)
	w := &b.writes[len(b.writes)-1]
	w.Unique, w.Epoch = b.r.c.Management == UniqueCard, b.l.epoch
	if b.prep[i].hasOnce {
		w.Once = &b.prep[i].once
	}
	w.Spend = b.prep[i].message
	return w
}

// takeBack undoes the last add.
func (b *batch) takeBack() {
	n := len(b.writes) - 1
	b.writes[n] = store.Write{}
	b.writes, b.from = b.writes[:n], b.from[:n]
}

// overlay lays a planned row over what the store said, for the requests behind
// it.
func (b *batch) overlay(w *store.Write) {
	if len(b.reqs) == 1 {
		return
	}
	b.rows[w.Row.Token] = known{&w.Row, true}
	for i := range w.Row.Index {
		b.cards[w.Row.Index[i].Value] = w.Row.Token
	}
}

// known is a row as the store has it, or as a write of this batch makes it.
type known struct {
	row     *store.Row
	planned bool
}

// row is a token's row as the request at hand finds it.
func (b *batch) row(token string) (store.Row, bool) {
	k, ok := b.rows[token]
	if !ok {
		return store.Row{}, false
	}
	row := *k.row
	if k.planned {
		row.Version++
	}
	return row, true
}

// slots are a new row's sealed values, empty with room for number and holder, and
// its index value: parts of two pieces of memory for the whole batch.
func (b *batch) slots(i int) ([]store.Sealed, []store.IndexValue) {
	if n := len(b.reqs); len(b.index) < n {
		b.fields, b.index = make([]store.Sealed, 2*n), make([]store.IndexValue, n)
	}
	return b.fields[2*i : 2*i : 2*i+2], b.index[i : i+1 : i+1]
}

// result is the row as it will be, told to the caller.
func (b *batch) result(q *SaveRequest, row *store.Row, o SaveOutcome) Details {
	d := b.r.details(row)
	d.Outcome, d.CorrelationID = o, q.CorrelationID
	return d
}
