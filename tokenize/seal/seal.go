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

// work is what a call on a card number borrows. What goes through the cipher's
// interface would move to the heap each time.
type work struct {
	lease keys.Lease
	plain [card.PackedSize]byte
	room  [32]byte // for a plaintext, and before it for a key in the making
	aad   [128]byte
	pan   []byte // the additional data of a PAN bound to a record ID alone
}

func newWork() any {
	w := new(work)
	// It cannot fail: there is neither owner nor pairs.
	w.pan, _ = (&envelope.Additional{Field: byte(PAN)}).AppendTo(nil)
	return w
}

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
	w := s.work.Get().(*work)
	envelope.SetRecord(w.pan, id)
	dst, err := s.seal(ctx, w, dst, pan, w.pan)
	s.work.Put(w)
	return dst, err
}

// OpenPAN opens what [Sealer.SealPAN] sealed. Every failure is
// [envelope.ErrOpen].
func (s *Sealer) OpenPAN(ctx context.Context, record []byte, id RecordID) (card.PAN, error) {
	w := s.work.Get().(*work)
	envelope.SetRecord(w.pan, id)
	pan, err := s.open(ctx, w, record, w.pan)
	s.work.Put(w)
	return pan, err
}

// SealNumber appends a sealed card number to dst: field [PAN] or
// [NetworkToken].
func (s *Sealer) SealNumber(ctx context.Context, dst []byte, f Field, pan card.PAN, b *Binding) ([]byte, error) {
	if f != PAN && f != NetworkToken {
		return nil, &envelope.ArgumentError{Field: "field", Reason: "holds no card number"}
	}
	w := s.work.Get().(*work)
	defer s.work.Put(w)
	a := b.additional(f)
	aad, err := a.AppendTo(w.aad[:0])
	if err != nil {
		return nil, err
	}
	return s.seal(ctx, w, dst, pan, aad)
}

func (s *Sealer) seal(ctx context.Context, w *work, dst []byte, pan card.PAN, aad []byte) ([]byte, error) {
	if pan.IsZero() {
		return nil, &envelope.ArgumentError{Field: "number", Reason: "is missing"}
	}
	if s.dataErr != nil {
		return nil, s.dataErr
	}
	pan.AppendPacked(w.plain[:0])
	dst, err := s.data.SealWith(ctx, &w.lease, dst, w.plain[:], aad)
	w.plain = [card.PackedSize]byte{}
	return dst, err
}

// OpenNumber opens what [Sealer.SealNumber] sealed.
func (s *Sealer) OpenNumber(ctx context.Context, record []byte, f Field, b *Binding) (card.PAN, error) {
	if f != PAN && f != NetworkToken {
		return card.PAN{}, &envelope.ArgumentError{Field: "field", Reason: "holds no card number"}
	}
	w := s.work.Get().(*work)
	defer s.work.Put(w)
	a := b.additional(f)
	aad, err := a.AppendTo(w.aad[:0])
	if err != nil {
		return card.PAN{}, err
	}
	return s.open(ctx, w, record, aad)
}

func (s *Sealer) open(ctx context.Context, w *work, record, aad []byte) (card.PAN, error) {
	if s.dataErr != nil {
		return card.PAN{}, s.dataErr
	}
	plain, err := s.data.OpenWith(ctx, w.room[:0], record, aad)
	if err != nil {
		return card.PAN{}, err
	}
	pan, err := card.ParsePacked(plain)
	w.room = [32]byte{}
	if err != nil {
		return card.PAN{}, envelope.ErrOpen
	}
	return pan, nil
}

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
		from := len(all)
		envelope.SetRecord(w.pan, ids[i])
		var err error
		if all, err = s.seal(ctx, w, all, pan, w.pan); err != nil {
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
		envelope.SetRecord(w.pan, ids[i])
		pans[i], errs[i] = s.open(ctx, w, record, w.pan)
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
