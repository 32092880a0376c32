package seal

import (
	"context"
	"sync"

	"github.com/cardseal/cardseal/crypto/envelope"
	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/tokenize/card"
)

// Sealer seals and opens the card fields of one scope.
type Sealer struct {
	data, codes       *keys.Scope
	dataErr, codesErr error
	work              sync.Pool // *work
}

// work is what a call on a card number borrows, since what goes through the cipher's
// interface would move to the heap each time.
type work struct {
	byID  keys.Work // for a PAN bound to a record ID alone: its additional data is built once
	bound keys.Work // for the rest
	plain [2]plain
	aad   [128]byte
}

// plain has room for a packed number, and before it for a key in the making.
type plain [32]byte

func newWork() any {
	w := new(work)
	w.byID.Plain = w.plain[0][:card.PackedSize]
	// It cannot fail: there is neither owner nor pairs.
	w.byID.AAD, _ = (&envelope.Additional{Field: byte(PAN)}).AppendTo(nil)
	return w
}

// bind sets the additional data of a call that is bound to more.
func (w *work) bind(f Field, b *Binding) (*keys.Work, error) {
	a := b.additional(f)
	aad, err := a.AppendTo(w.aad[:0])
	w.bound.AAD, w.bound.Plain = aad, w.plain[1][:card.PackedSize]
	return &w.bound, err
}

var errNoNumber = &envelope.ArgumentError{Field: "number", Reason: "is missing"}

// New returns a sealer for a scope: text of at most 255 bytes of UTF-8, bound
// byte for byte. A scope that is not, and a manager that is closed, are reported
// by every call. Security codes need a manager with a key store.
func New(m *keys.Manager, scope string) *Sealer {
	return NewIn(keys.Shared, m, scope)
}

// NewIn is [New] in either layout of data keys. In the keys.PerScope layout the
// scope must not be empty.
func NewIn(l keys.Layout, m *keys.Manager, scope string) *Sealer {
	s := new(Sealer)
	s.work.New = newWork
	s.data, s.dataErr = m.ScopeIn(l, keys.PAN, scope)
	s.codes, s.codesErr = m.ScopeIn(l, keys.CVC, scope)
	return s
}

// SealPAN appends a sealed PAN to dst, bound to a record ID alone.
func (s *Sealer) SealPAN(ctx context.Context, dst []byte, pan card.PAN, id RecordID) ([]byte, error) {
	if pan.IsZero() {
		return nil, errNoNumber
	}
	w := s.work.Get().(*work)
	envelope.SetRecord(w.byID.AAD, id)
	pan.AppendPacked(w.byID.Plain[:0])
	dst, err := s.seal(ctx, &w.byID, dst)
	s.work.Put(w)
	return dst, err
}

// OpenPAN opens what [Sealer.SealPAN] sealed. Every failure is
// [envelope.ErrOpen].
func (s *Sealer) OpenPAN(ctx context.Context, record []byte, id RecordID) (card.PAN, error) {
	// As open does it, but for a call, which would be a hundredth of all that this takes.
	if s.dataErr != nil {
		return card.PAN{}, s.dataErr
	}
	w := s.work.Get().(*work)
	envelope.SetRecord(w.byID.AAD, id)
	plain, err := s.data.OpenWith(ctx, &w.byID, record)
	if err != nil {
		s.work.Put(w)
		return card.PAN{}, err
	}
	pan, err := card.ParsePacked(plain)
	wipe(&w.byID)
	s.work.Put(w)
	if err != nil {
		return card.PAN{}, envelope.ErrOpen
	}
	return pan, nil
}

// SealNumber appends a sealed card number to dst: field [PAN] or
// [NetworkToken].
func (s *Sealer) SealNumber(ctx context.Context, dst []byte, f Field, pan card.PAN, b *Binding) ([]byte, error) {
	if f != PAN && f != NetworkToken {
		return nil, &envelope.ArgumentError{Field: "field", Reason: "holds no card number"}
	}
	if pan.IsZero() {
		return nil, errNoNumber
	}
	w := s.work.Get().(*work)
	defer s.work.Put(w)
	bound, err := w.bind(f, b)
	if err != nil {
		return nil, err
	}
	pan.AppendPacked(bound.Plain[:0])
	return s.seal(ctx, bound, dst)
}

// seal seals the number that was packed into w.
func (s *Sealer) seal(ctx context.Context, w *keys.Work, dst []byte) ([]byte, error) {
	if s.dataErr != nil {
		wipe(w)
		return nil, s.dataErr
	}
	dst, err := s.data.SealWith(ctx, w, dst)
	wipe(w)
	return dst, err
}

// OpenNumber opens what [Sealer.SealNumber] sealed.
func (s *Sealer) OpenNumber(ctx context.Context, record []byte, f Field, b *Binding) (card.PAN, error) {
	if f != PAN && f != NetworkToken {
		return card.PAN{}, &envelope.ArgumentError{Field: "field", Reason: "holds no card number"}
	}
	w := s.work.Get().(*work)
	defer s.work.Put(w)
	bound, err := w.bind(f, b)
	if err != nil {
		return card.PAN{}, err
	}
	return s.open(ctx, bound, record)
}

func (s *Sealer) open(ctx context.Context, w *keys.Work, record []byte) (pan card.PAN, err error) {
	if s.dataErr != nil {
		return pan, s.dataErr
	}
	plain, err := s.data.OpenWith(ctx, w, record)
	if err != nil {
		return pan, err
	}
	pan, err = card.ParsePacked(plain)
	wipe(w)
	if err != nil {
		return card.PAN{}, envelope.ErrOpen
	}
	return pan, nil
}

// wipe clears the number in w, and whatever else was worked on there.
func wipe(w *keys.Work) { *(*plain)(w.Plain[:len(plain{})]) = plain{} }

// SealPANs seals many PANs, each under the record ID at its place. The records
// lie in one piece of memory. On error nothing is returned.
func (s *Sealer) SealPANs(ctx context.Context, pans []card.PAN, ids []RecordID) ([][]byte, error) {
	if len(pans) != len(ids) {
		return nil, &envelope.ArgumentError{Field: "record IDs", Reason: "must be as many as the numbers"}
	}
	records := make([][]byte, len(pans))
	all := make([]byte, 0, len(pans)*PANSize)
	w := s.work.Get().(*work)
	defer s.work.Put(w)
	for i, pan := range pans {
		if pan.IsZero() {
			return nil, errNoNumber
		}
		from := len(all)
		envelope.SetRecord(w.byID.AAD, ids[i])
		var err error
		pan.AppendPacked(w.byID.Plain[:0])
		if all, err = s.seal(ctx, &w.byID, all); err != nil {
			return nil, err
		}
		records[i] = all[from:len(all):len(all)]
	}
	return records, nil
}

// OpenPANs opens many records; the i-th error says why the i-th did not open,
// and is nil where it did.
func (s *Sealer) OpenPANs(ctx context.Context, records [][]byte, ids []RecordID) ([]card.PAN, []error) {
	pans, errs := make([]card.PAN, len(records)), make([]error, len(records))
	w := s.work.Get().(*work)
	defer s.work.Put(w)
	for i, record := range records {
		if i >= len(ids) {
			errs[i] = &envelope.ArgumentError{Field: "record IDs", Reason: "must be as many as the records"}
			continue
		}
		envelope.SetRecord(w.byID.AAD, ids[i])
		pans[i], errs[i] = s.open(ctx, &w.byID, record)
	}
	return pans, errs
}

// SealCVC appends a sealed security code to dst.
func (s *Sealer) SealCVC(ctx context.Context, dst []byte, code card.CVC, b *Binding) ([]byte, error) {
	if code.IsZero() {
		return nil, &envelope.ArgumentError{Field: "security code", Reason: "is missing"}
	}
	if s.codesErr != nil {
		return nil, s.codesErr
	}
	var plain [card.PackedCVCSize]byte
	code.AppendPacked(plain[:0])
	a := b.additional(CVC)
	dst, err := s.codes.Seal(ctx, dst, plain[:], &a)
	clear(plain[:])
	return dst, err
}

// OpenCVC opens what [Sealer.SealCVC] sealed.
func (s *Sealer) OpenCVC(ctx context.Context, record []byte, b *Binding) (card.CVC, error) {
	if s.codesErr != nil {
		return card.CVC{}, s.codesErr
	}
	var buf [card.PackedCVCSize]byte
	a := b.additional(CVC)
	plain, err := s.codes.Open(ctx, buf[:0], record, &a)
	if err != nil {
		return card.CVC{}, err
	}
	code, err := card.ParsePackedCVC(plain)
	clear(plain)
	if err != nil {
		return card.CVC{}, envelope.ErrOpen
	}
	return code, nil
}

// Refresh makes the next seal read from the key store which key is active; see
// [keys.Scope.Refresh].
func (s *Sealer) Refresh() {
	if s.data != nil {
		s.data.Refresh()
	}
	if s.codes != nil {
		s.codes.Refresh()
	}
}
