package seal_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/crypto/envelope"
	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/keys/keystest"
	"github.com/cardseal/cardseal/tokenize/card"
	"github.com/cardseal/cardseal/tokenize/seal"
)

// Every number seals to the same size, and comes back.
func TestNumbers(t *testing.T) {
	require.Equal(t, 101, seal.PANSize)
	require.Equal(t, 93, seal.CVCSize)
	v := newVault(t)
	s, other := seal.New(v.manager(""), "shop"), seal.New(v.manager(""), "shop")
	for _, digits := range []string{short, visa, maestro, "378282246310005"} {
		for _, f := range []seal.Field{seal.PAN, seal.NetworkToken} {
			b := &seal.Binding{Record: seal.NewRecordID(), Owner: "owner", Generation: 7, Pairs: []seal.Pair{{Name: "a", Value: "b"}}}
			rec, err := s.SealNumber(t.Context(), []byte("before"), f, number(t, digits), b)
			require.NoError(t, err)
			require.Equal(t, "before", string(rec[:6]))
			rec = rec[6:]
			require.Len(t, rec, seal.PANSize)
			for _, s := range []*seal.Sealer{s, other, seal.New(v.manager(""), "shop")} {
				kept := bytes.Clone(rec)
				for range 2 {
					got, err := s.OpenNumber(t.Context(), rec, f, b)
					require.NoError(t, err)
					require.Equal(t, digits, string(got.AppendDigits(nil)))
				}
				require.Equal(t, kept, rec, "the record was changed")
			}
		}
	}
	id := seal.NewRecordID()
	rec, err := s.SealPAN(t.Context(), nil, number(t, visa), id)
	require.NoError(t, err)
	got, err := s.OpenNumber(t.Context(), rec, seal.PAN, &seal.Binding{Record: id})
	require.NoError(t, err, "SealPAN binds to the record ID alone")
	require.True(t, got.Equal(number(t, visa)))
}

func TestCodes(t *testing.T) {
	v := newVault(t)
	s, other := seal.New(v.manager(""), "shop"), seal.New(v.manager(""), "shop")
	for _, digits := range []string{"000", "123", "9074"} {
		b := &seal.Binding{Record: seal.NewRecordID()}
		rec, err := s.SealCVC(t.Context(), nil, code(t, digits), b)
		require.NoError(t, err)
		require.Len(t, rec, seal.CVCSize)
		for _, s := range []*seal.Sealer{s, other} {
			got, err := s.OpenCVC(t.Context(), rec, b)
			require.NoError(t, err)
			require.True(t, got.Equal(code(t, digits)))
			// Codes have keys of their own: no other call opens one.
			_, err = s.OpenNumber(t.Context(), rec, seal.PAN, b)
			require.ErrorIs(t, err, envelope.ErrOpen)
			_, err = s.OpenText(t.Context(), rec, seal.Holder, b)
			require.ErrorIs(t, err, envelope.ErrOpen)
		}
	}
}

// Text is padded to classes and comes back, whatever is in it.
func TestTexts(t *testing.T) {
	s := newSealer(t, "shop")
	b := &seal.Binding{Record: seal.NewRecordID()}
	for n, class := range map[int]int{
		0: 32, 1: 32, 30: 32, 31: 64, 62: 64, 63: 128, 126: 128, 127: 256, 254: 256, 255: 512,
		32766: 32768, 32767: 65536, seal.MaxText: 65536,
	} {
		for _, text := range []string{strings.Repeat("x", n), strings.Repeat("\x00", n)} {
			for _, f := range []seal.Field{seal.Holder, seal.Email, seal.Custom, 255} {
				rec, err := s.SealText(t.Context(), nil, f, text, b)
				require.NoError(t, err)
				require.Len(t, rec, envelope.Overhead+class)
				got, err := s.OpenText(t.Context(), rec, f, b)
				require.NoError(t, err)
				require.True(t, text == got, "%d bytes of %v", n, f)
			}
		}
	}
	require.Equal(t, 65534, seal.MaxText)
	rec, err := s.SealText(t.Context(), nil, seal.Email, strings.Repeat("x", seal.MaxText+1), b)
	var arg *envelope.ArgumentError
	require.ErrorAs(t, err, &arg)
	require.Nil(t, rec)
}

// A record opens where it was sealed, and nowhere else.
func TestBoundToItsPlace(t *testing.T) {
	v := newVault(t)
	m := v.manager("")
	s := seal.New(m, "shop")
	right := seal.Binding{
		Record: seal.NewRecordID(), Owner: "owner", Generation: 3,
		Pairs: []seal.Pair{{Name: "a", Value: "1"}, {Name: "b", Value: "2"}},
	}
	sealed := map[string][]byte{}
	var err error
	sealed["number"], err = s.SealNumber(t.Context(), nil, seal.PAN, number(t, visa), &right)
	require.NoError(t, err)
	sealed["text"], err = s.SealText(t.Context(), nil, seal.Holder, "A HOLDER", &right)
	require.NoError(t, err)
	sealed["code"], err = s.SealCVC(t.Context(), nil, code(t, "123"), &right)
	require.NoError(t, err)
	open := func(s *seal.Sealer, name string, rec []byte, b *seal.Binding) (err error) {
		switch name {
		case "number":
			_, err = s.OpenNumber(t.Context(), rec, seal.PAN, b)
		case "text":
			_, err = s.OpenText(t.Context(), rec, seal.Holder, b)
		case "code":
			_, err = s.OpenCVC(t.Context(), rec, b)
		}
		return err
	}
	for name, rec := range sealed {
		require.NoError(t, open(s, name, rec, &right))
		for what, change := range map[string]func(b *seal.Binding){
			"record":       func(b *seal.Binding) { b.Record = seal.NewRecordID() },
			"no record":    func(b *seal.Binding) { b.Record = seal.RecordID{} },
			"owner":        func(b *seal.Binding) { b.Owner = "Owner" },
			"no owner":     func(b *seal.Binding) { b.Owner = "" },
			"generation":   func(b *seal.Binding) { b.Generation-- },
			"next":         func(b *seal.Binding) { b.Generation++ },
			"pair's value": func(b *seal.Binding) { b.Pairs[1].Value = "3" },
			"pair's name":  func(b *seal.Binding) { b.Pairs[1].Name = "c" },
			"pair less":    func(b *seal.Binding) { b.Pairs = b.Pairs[:1] },
			"pair more":    func(b *seal.Binding) { b.Pairs = append(b.Pairs, seal.Pair{Name: "c", Value: ""}) },
			"pairs joined": func(b *seal.Binding) { b.Pairs = []seal.Pair{{Name: "a", Value: "1b2"}} },
		} {
			wrong := right
			wrong.Pairs = slices.Clone(right.Pairs)
			change(&wrong)
			require.ErrorIs(t, open(s, name, rec, &wrong), envelope.ErrOpen, "%s: %s", name, what)
			require.ErrorIs(t, open(seal.New(v.manager(""), "shop"), name, rec, &wrong), envelope.ErrOpen, "%s: %s, cold", name, what)
		}
		for what, other := range map[string]*seal.Sealer{
			"scope":       seal.New(m, "Shop"),
			"no scope":    seal.New(m, ""),
			"environment": seal.New(v.manager("test"), "shop"),
			"vault":       newSealer(t, "shop"),
		} {
			require.ErrorIs(t, open(other, name, rec, &right), envelope.ErrOpen, "%s: %s", name, what)
		}
		for i := range rec {
			rec[i] ^= 1
			require.ErrorIs(t, open(s, name, rec, &right), envelope.ErrOpen, "%s: byte %d", name, i)
			rec[i] ^= 1
		}
		for _, cut := range [][]byte{nil, rec[:1], rec[:len(rec)-1], append(bytes.Clone(rec), 0)} {
			require.ErrorIs(t, open(s, name, cut, &right), envelope.ErrOpen)
		}
		require.NoError(t, open(s, name, rec, &right), "the record still opens")
	}
	// Fields of one kind are apart as well.
	_, err = s.OpenNumber(t.Context(), sealed["number"], seal.NetworkToken, &right)
	require.ErrorIs(t, err, envelope.ErrOpen)
	_, err = s.OpenText(t.Context(), sealed["text"], seal.Email, &right)
	require.ErrorIs(t, err, envelope.ErrOpen)
	_, err = s.OpenText(t.Context(), sealed["number"], seal.Holder, &right)
	require.ErrorIs(t, err, envelope.ErrOpen)
}

// What cannot be sealed is refused, with a word on the field and nothing of the
// value.
func TestRefused(t *testing.T) {
	s := newSealer(t, "shop")
	b := &seal.Binding{Record: seal.NewRecordID()}
	pan, ctx := number(t, visa), t.Context()
	var zero card.PAN
	for name, call := range map[string]func() ([]byte, error){
		"number as code":   func() ([]byte, error) { return s.SealNumber(ctx, nil, seal.CVC, pan, b) },
		"number as holder": func() ([]byte, error) { return s.SealNumber(ctx, nil, seal.Holder, pan, b) },
		"number as custom": func() ([]byte, error) { return s.SealNumber(ctx, nil, seal.Custom, pan, b) },
		"number as none":   func() ([]byte, error) { return s.SealNumber(ctx, nil, 0, pan, b) },
		"no number":        func() ([]byte, error) { return s.SealNumber(ctx, nil, seal.PAN, zero, b) },
		"text as number":   func() ([]byte, error) { return s.SealText(ctx, nil, seal.PAN, visa, b) },
		"text as code":     func() ([]byte, error) { return s.SealText(ctx, nil, seal.CVC, "123", b) },
		"text as reserved": func() ([]byte, error) { return s.SealText(ctx, nil, 6, visa, b) },
		"owner not UTF-8": func() ([]byte, error) {
			return s.SealNumber(ctx, nil, seal.PAN, pan, &seal.Binding{Owner: "\xff"})
		},
		"long owner": func() ([]byte, error) {
			return s.SealNumber(ctx, nil, seal.PAN, pan, &seal.Binding{Owner: strings.Repeat("x", 1<<16)})
		},
		"pairs out of order": func() ([]byte, error) {
			return s.SealText(ctx, nil, seal.Holder, visa, &seal.Binding{Pairs: []seal.Pair{{Name: "b"}, {Name: "a"}}})
		},
	} {
		rec, err := call()
		var arg *envelope.ArgumentError
		require.ErrorAs(t, err, &arg, name)
		require.Nil(t, rec, name)
		require.NotContains(t, err.Error(), visa)
	}
	rec, err := s.SealCVC(ctx, nil, card.CVC{}, b)
	require.Error(t, err)
	require.Nil(t, rec)
	_, err = s.OpenText(ctx, nil, seal.PAN, b)
	require.Error(t, err)
}

func TestBatches(t *testing.T) {
	s, ctx := newSealer(t, "shop"), t.Context()
	pans := slices.Repeat([]card.PAN{number(t, visa), number(t, master), number(t, maestro)}, 100)
	ids := make([]seal.RecordID, len(pans))
	for i := range ids {
		ids[i] = seal.NewRecordID()
	}
	records, err := s.SealPANs(ctx, pans, ids)
	require.NoError(t, err)
	require.Len(t, records, len(pans))
	for i, rec := range records {
		require.Len(t, rec, seal.PANSize)
		require.Equal(t, len(rec), cap(rec), "appending to a record would reach the next")
		got, err := s.OpenPAN(ctx, rec, ids[i])
		require.NoError(t, err)
		require.True(t, got.Equal(pans[i]))
	}
	records[1], records[2] = records[2], records[1]
	records[4] = nil
	got, errs := s.OpenPANs(ctx, records, ids)
	require.Len(t, errs, len(pans))
	for i := range got {
		if i == 1 || i == 2 || i == 4 {
			require.ErrorIs(t, errs[i], envelope.ErrOpen)
			require.True(t, got[i].IsZero())
			continue
		}
		require.NoError(t, errs[i])
		require.True(t, got[i].Equal(pans[i]))
	}
	_, errs = s.OpenPANs(ctx, records[:3], ids[:1])
	require.NoError(t, errs[0])
	require.Error(t, errs[2])
	_, err = s.SealPANs(ctx, pans, ids[1:])
	require.Error(t, err)
	bad := slices.Clone(pans)
	bad[299] = card.PAN{}
	records, err = s.SealPANs(ctx, bad, ids)
	require.Error(t, err)
	require.Nil(t, records)
}

// An embedder without a key store: numbers and texts, but no codes.
func TestInline(t *testing.T) {
	kek, id := keystest.NewKEK("test"), keys.NewKEKID()
	open := func() *seal.Sealer {
		m, err := keys.Inline(t.Context(), id, kek, nil)
		require.NoError(t, err)
		t.Cleanup(func() { m.Close() })
		return seal.New(m, "shop")
	}
	s, rid := open(), seal.NewRecordID()
	rec, err := s.SealPAN(t.Context(), nil, number(t, visa), rid)
	require.NoError(t, err)
	require.Greater(t, len(rec), seal.PANSize)
	for _, s := range []*seal.Sealer{s, open()} {
		got, err := s.OpenPAN(t.Context(), rec, rid)
		require.NoError(t, err)
		require.True(t, got.Equal(number(t, visa)))
		out, err := s.SealCVC(t.Context(), nil, code(t, "123"), &seal.Binding{})
		require.Error(t, err)
		require.Nil(t, out)
		_, err = s.OpenCVC(t.Context(), rec, &seal.Binding{})
		require.Error(t, err)
		s.Refresh()
	}
}

// A scope that cannot be, and a manager that is closed, are told by every call.
func TestScopeErrors(t *testing.T) {
	m := newVault(t).manager("")
	require.NoError(t, m.Close())
	for name, s := range map[string]*seal.Sealer{
		"not UTF-8": newSealer(t, "\xff"), "long": newSealer(t, strings.Repeat("x", 256)), "closed": seal.New(m, "shop"),
	} {
		for range 2 {
			_, err := s.SealPAN(t.Context(), nil, number(t, visa), seal.RecordID{})
			require.Error(t, err, name)
			_, err = s.OpenPAN(t.Context(), make([]byte, seal.PANSize), seal.RecordID{})
			require.Error(t, err, name)
			_, err = s.SealText(t.Context(), nil, seal.Holder, "x", &seal.Binding{})
			require.Error(t, err, name)
			_, err = s.OpenText(t.Context(), nil, seal.Holder, &seal.Binding{})
			require.Error(t, err, name)
			_, err = s.SealCVC(t.Context(), nil, code(t, "123"), &seal.Binding{})
			require.Error(t, err, name)
			_, err = s.OpenCVC(t.Context(), nil, &seal.Binding{})
			require.Error(t, err, name)
			_, err = s.SealPANs(t.Context(), []card.PAN{number(t, visa)}, make([]seal.RecordID, 1))
			require.Error(t, err, name)
			s.Refresh()
		}
	}
}

// A manager that is closed while it serves gives out nothing more.
func TestClosedWhileServing(t *testing.T) {
	m := newVault(t).manager("")
	s, id := seal.New(m, "shop"), seal.NewRecordID()
	rec, err := s.SealPAN(t.Context(), nil, number(t, visa), id)
	require.NoError(t, err)
	_, err = s.OpenPAN(t.Context(), rec, id)
	require.NoError(t, err)
	require.NoError(t, m.Close())
	out, err := s.SealPAN(t.Context(), nil, number(t, visa), id)
	require.ErrorIs(t, err, keys.ErrClosed)
	require.Nil(t, out)
	got, err := s.OpenPAN(t.Context(), rec, id)
	require.ErrorIs(t, err, envelope.ErrOpen)
	require.True(t, got.IsZero())
}

// After a rotation new records name the new key, and old ones open.
func TestRotation(t *testing.T) {
	m := newVault(t).manager("")
	s, id := seal.New(m, "shop"), seal.NewRecordID()
	old, err := s.SealPAN(t.Context(), nil, number(t, visa), id)
	require.NoError(t, err)
	key, err := m.Rotate(t.Context(), keys.PAN)
	require.NoError(t, err)
	rec, err := s.SealPAN(t.Context(), nil, number(t, visa), id)
	require.NoError(t, err)
	got, ok := envelope.StoredKeyID(rec)
	require.True(t, ok)
	require.Equal(t, key, got)
	for _, r := range [][]byte{old, rec} {
		_, err = s.OpenPAN(t.Context(), r, id)
		require.NoError(t, err)
	}
}

func TestFieldNames(t *testing.T) {
	for f, name := range map[seal.Field]string{
		seal.PAN: "PAN", seal.CVC: "CVC", seal.NetworkToken: "network token", seal.Holder: "holder",
		seal.Email: "e-mail", seal.Custom: "custom field 128", 255: "custom field 255", 0: "unknown field 0", 127: "unknown field 127",
	} {
		require.Equal(t, name, f.String())
	}
	// The numbers are part of the format.
	require.Equal(t, []seal.Field{1, 2, 3, 4, 5, 128}, []seal.Field{seal.PAN, seal.CVC, seal.NetworkToken, seal.Holder, seal.Email, seal.Custom})
}
