package envelope

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// tampering is one record with everything that opens it, and a cache that holds
// the key it opens under.
type tampering struct {
	t       *testing.T
	ref     Reference
	dataKey []byte
	scope   *ScopeKey
	cache   Cache
	record  []byte
	aad     []byte
}

func newTampering(t *testing.T, ref Reference) *tampering {
	x := &tampering{t: t, ref: ref, dataKey: seed("data key modes", 32), aad: testAAD(t)}
	x.scope = testScope(t, ref, testPlace)
	s, err := x.scope.SealingKey(Salt(seed("salt", SaltSize)))
	require.NoError(t, err)
	x.record = s.Seal(nil, seed("plaintext", 11), x.aad)
	got, err := s.Open(nil, x.record, x.aad)
	require.NoError(t, err)
	require.Equal(t, seed("plaintext", 11), got)
	x.cache.Add(s)
	require.Same(t, s, x.cache.Get(x.record, testPlace.Scope))
	return x
}

// refused demands that bytes don't open in any way a program would try: with the
// right key whatever the header says; with the right data key at the place the
// header's reference gives; and through the warm cache.
func (x *tampering) refused(record, aad []byte, what ...any) {
	t := x.t
	t.Helper()
	check := func(out []byte, err error) {
		t.Helper()
		require.Nil(t, out, what...)
		require.ErrorIs(t, err, ErrOpen, what...)
	}
	if s, err := x.scope.SealingKeyFor(record); err != nil {
		require.Nil(t, s)
		require.Equal(t, ErrOpen, err, what...)
	} else {
		check(s.Open(nil, record, aad))
	}
	if k := x.cache.Get(record, testPlace.Scope); k != nil {
		check(k.Open(nil, record, aad))
	}
	// Twice, since a second success would admit the key.
	for range 2 {
		out, kept, err := x.cache.OpenWith(x.scope, nil, record, aad)
		require.Nil(t, kept, what...)
		check(out, err)
	}
	h, err := Inspect(record)
	if err != nil {
		require.ErrorIs(t, err, ErrOpen, what...)
		return
	}
	check(open(x.dataKey, h.Reference, testPlace, record, aad))
}

func TestEveryBit(t *testing.T) {
	for mode, ref := range modes() {
		t.Run(mode, func(t *testing.T) {
			x := newTampering(t, ref)
			for i := range len(x.record) * 8 {
				bad := bytes.Clone(x.record)
				bad[i/8] ^= 1 << (i % 8)
				x.refused(bad, x.aad, "byte %d bit %d", i/8, i%8)
				if i/8 >= len(x.scope.prefix) {
					continue
				}
				// Up to the commitment a change is found before any key is made, and by
				// comparison, not by the cipher.
				s, err := x.scope.SealingKeyFor(bad)
				require.Equal(t, ErrOpen, err)
				require.Nil(t, s)
				require.Nil(t, x.cache.Get(bad, testPlace.Scope))
			}
			for i := range len(x.aad) * 8 {
				bad := bytes.Clone(x.aad)
				bad[i/8] ^= 1 << (i % 8)
				x.refused(x.record, bad, "additional data, byte %d bit %d", i/8, i%8)
			}
		})
	}
}

func TestEveryLength(t *testing.T) {
	for mode, ref := range modes() {
		t.Run(mode, func(t *testing.T) {
			x := newTampering(t, ref)
			for n := range len(x.record) {
				x.refused(x.record[:n], x.aad, "%d bytes of %d", n, len(x.record))
				x.refused(x.record[n+1:], x.aad, "first %d bytes missing", n+1)
				x.refused(slices.Delete(bytes.Clone(x.record), n, n+1), x.aad, "byte %d missing", n)
				x.refused(slices.Insert(bytes.Clone(x.record), n, 0), x.aad, "a byte before byte %d", n)
			}
			for _, n := range []int{1, 2, 16, 101, MaxWrapped} {
				x.refused(append(bytes.Clone(x.record), make([]byte, n)...), x.aad, "%d bytes more", n)
			}
		})
	}
}

// TestSplices joins the head of one record to the rest of another, everywhere,
// for records that differ in one thing each.
func TestSplices(t *testing.T) {
	for mode, ref := range modes() {
		x := newTampering(t, ref)
		otherPlace := testPlace
		otherPlace.Scope = "shop-us"
		salt := func(k *ScopeKey, label string) *SealingKey {
			s, err := k.SealingKey(Salt(seed(label, SaltSize)))
			require.NoError(t, err)
			return s
		}
		otherRef := ref
		otherRef.KeyID[0] ^= 1
		for name, second := range map[string][]byte{
			"same salt":      salt(x.scope, "salt").Seal(nil, seed("plaintext 2", 11), x.aad),
			"other salt":     salt(x.scope, "salt 2").Seal(nil, seed("plaintext 2", 11), x.aad),
			"other scope":    salt(testScope(t, ref, otherPlace), "salt").Seal(nil, seed("plaintext 2", 11), x.aad),
			"other key ID":   salt(testScope(t, otherRef, testPlace), "salt").Seal(nil, seed("plaintext 2", 11), x.aad),
			"other plain":    salt(x.scope, "salt").Seal(nil, seed("plaintext 2", 30), x.aad),
			"other mode/key": testKey(t, storedRef("splice")).Seal(nil, seed("plaintext 2", 11), x.aad),
		} {
			t.Run(fmt.Sprintf("%s/%s", mode, name), func(t *testing.T) {
				x.t = t
				for i := 1; i < len(x.record); i++ {
					for _, spliced := range [][]byte{
						slices.Concat(x.record[:i], second[min(i, len(second)):]),
						slices.Concat(second[:min(i, len(second))], x.record[i:]),
					} {
						// Where both begin or end alike the splice is one of them, whole.
						if bytes.Equal(spliced, x.record) || bytes.Equal(spliced, second) {
							continue
						}
						x.refused(spliced, x.aad, "%s at %d", name, i)
					}
				}
			})
		}
	}
}

// TestOtherPlace changes one thing of where a record belongs, with the header as
// it is: cold with the record's own reference, and warm with a cache per ring.
func TestOtherPlace(t *testing.T) {
	for mode, ref := range modes() {
		x := newTampering(t, ref)
		for name, change := range map[string]func(dataKey *[]byte, r *Reference, p *Place){
			"environment":       func(_ *[]byte, _ *Reference, p *Place) { p.Environment = "test" },
			"scope":             func(_ *[]byte, _ *Reference, p *Place) { p.Scope = "shop-us" },
			"purpose":           func(_ *[]byte, _ *Reference, p *Place) { p.Purpose = "cvc" },
			"empty scope":       func(_ *[]byte, _ *Reference, p *Place) { p.Scope = "" },
			"shifted":           func(_ *[]byte, _ *Reference, p *Place) { p.Environment, p.Scope = "productions", "hop-eu" },
			"exchanged":         func(_ *[]byte, _ *Reference, p *Place) { p.Environment, p.Scope = p.Scope, p.Environment },
			"data key":          func(k *[]byte, _ *Reference, _ *Place) { *k = seed("another data key", 32) },
			"data key, one bit": func(k *[]byte, _ *Reference, _ *Place) { *k = bytes.Clone(*k); (*k)[31] ^= 1 },
			"key ID":            func(_ *[]byte, r *Reference, _ *Place) { r.KeyID[15] ^= 1 },
		} {
			dataKey, r, p := x.dataKey, ref, testPlace
			change(&dataKey, &r, &p)
			out, err := open(dataKey, r, p, x.record, x.aad)
			require.Nil(t, out, "%s, %s", mode, name)
			require.ErrorIs(t, err, ErrOpen, "%s, %s", mode, name)
			if p.Scope != testPlace.Scope {
				require.Nil(t, x.cache.Get(x.record, p.Scope), "%s, %s: warm", mode, name)
			}
		}
	}
}

// TestOtherAdditional changes one field of the additional data at a time.
func TestOtherAdditional(t *testing.T) {
	base := func() Additional {
		return Additional{
			Field: 1, Record: RecordID(seed("record", 16)), Owner: "m-17", Generation: 3,
			Pairs: []Pair{{"country", "NL"}, {"order", "2026-11"}},
		}
	}
	for mode, ref := range modes() {
		x := newTampering(t, ref)
		for name, change := range map[string]func(a *Additional){
			"field":            func(a *Additional) { a.Field = 2 },
			"record":           func(a *Additional) { a.Record[15] ^= 1 },
			"owner":            func(a *Additional) { a.Owner = "m-18" },
			"no owner":         func(a *Additional) { a.Owner = "" },
			"longer owner":     func(a *Additional) { a.Owner += "\x00" },
			"generation":       func(a *Additional) { a.Generation = 4 },
			"older generation": func(a *Additional) { a.Generation = 2 },
			"no pairs":         func(a *Additional) { a.Pairs = nil },
			"one pair less":    func(a *Additional) { a.Pairs = a.Pairs[:1] },
			"one pair more":    func(a *Additional) { a.Pairs = append(a.Pairs, Pair{"z", ""}) },
			"pair's name":      func(a *Additional) { a.Pairs[0].Name = "countrz" },
			"pair's value":     func(a *Additional) { a.Pairs[1].Value = "2026-12" },
			"shifted pair":     func(a *Additional) { a.Pairs[0] = Pair{"countryN", "L"} },
		} {
			a := base()
			change(&a)
			aad, err := a.AppendTo(nil)
			require.NoError(t, err)
			x.refused(x.record, aad, "%s, %s", mode, name)
		}
		a := base()
		aad, err := a.AppendTo(nil)
		require.NoError(t, err)
		out, err := open(x.dataKey, ref, testPlace, x.record, aad)
		require.NoError(t, err)
		require.Equal(t, seed("plaintext", 11), out)
	}
}

// TestStoredIsNotInline derives with bit 7 of the suite and without it from the
// same reference bytes: the two must never meet.
func TestStoredIsNotInline(t *testing.T) {
	r := storedRef("modes")
	ref := r.KeyID[:]
	stored, err := expand(seed("data key modes", 32), &testPlace, sealLabel, SuiteXAES, ref, 64)
	require.NoError(t, err)
	inline, err := expand(seed("data key modes", 32), &testPlace, sealLabel, SuiteXAES|inlineFlag, ref, 64)
	require.NoError(t, err)
	require.NotEqual(t, stored[:32], inline[:32])
	require.NotEqual(t, stored[32:], inline[32:])
}
