package envelope

import (
	"errors"
	"slices"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

// kindOf names an error the way vectors.json does.
func kindOf(err error) string {
	switch {
	case err == nil:
		return ""
	case errors.Is(err, ErrVersion):
		return "version"
	case errors.Is(err, ErrSuite):
		return "suite"
	case errors.Is(err, ErrUnknownKey):
		return "unknown key"
	case errors.Is(err, ErrText):
		return "text"
	case errors.Is(err, ErrOpen):
		return "open"
	}
	return "other"
}

// dataKey finds the data key that a header names, among those of the file. It
// stands for key store and KMS.
func (v *vectors) dataKey(h *Header) ([]byte, error) {
	r := &h.Reference
	if !r.Inline() {
		i := slices.IndexFunc(v.Keys, func(k vKey) bool { return KeyID(k.KeyID) == r.KeyID })
		if i < 0 {
			return nil, ErrUnknownKey
		}
		return v.Keys[i].DataKey, nil
	}
	failure := ErrUnknownKey
	for _, w := range v.Wrapped {
		if KEKID(w.KEK) != r.KEK {
			continue
		}
		failure = ErrOpen
		if KeyID(w.KeyID) == r.KeyID && w.Created == strconv.FormatInt(r.Created, 10) &&
			slices.Equal(w.Wrapped, r.Wrapped) {
			return w.DataKey, nil
		}
	}
	return nil, failure
}

// caches holds a cache for each environment and purpose, as its users do.
type caches map[[2]string]*Cache

func (c caches) of(p vPlace) *Cache {
	ring := [2]string{p.Environment, p.Purpose}
	if c[ring] == nil {
		c[ring] = new(Cache)
	}
	return c[ring]
}

// open opens as a program does: cache first, if there is one, then the header's
// data key.
func (v *vectors) open(c caches, p vPlace, record, aad []byte) ([]byte, error) {
	if c != nil {
		if k := c.of(p).Get(record, p.Scope); k != nil {
			return k.Open(nil, record, aad)
		}
	}
	h, err := Inspect(record)
	if err != nil {
		return nil, err
	}
	dataKey, err := v.dataKey(&h)
	if err != nil {
		return nil, err
	}
	scope, err := Derive(dataKey, h.Reference, Place(p))
	if err != nil {
		return nil, err
	}
	if c != nil {
		out, _, err := c.of(p).OpenWith(scope, nil, record, aad)
		return out, err
	}
	s, err := scope.SealingKeyFor(record)
	if err != nil {
		return nil, err
	}
	return s.Open(nil, record, aad)
}

// warm opens every good record three times: the second time the cache keeps the
// key, the third it has it.
func (v *vectors) warm(t *testing.T) caches {
	t.Helper()
	c := caches{}
	for _, r := range v.Records {
		for range 3 {
			got, err := v.open(c, r.Place, r.Record, r.AAD)
			require.NoError(t, err, r.Name)
			require.Equal(t, []byte(r.Plaintext), append([]byte{}, got...), r.Name)
		}
		require.NotNil(t, c.of(r.Place).Get(r.Record, r.Place.Scope), r.Name)
	}
	return c
}

func TestVectorsDerivation(t *testing.T) {
	v := loadVectors(t)
	carries := map[bool]int{}
	for _, r := range v.Records {
		t.Run(r.Name, func(t *testing.T) {
			h, err := Inspect(r.Record)
			require.NoError(t, err)
			dataKey, err := v.dataKey(&h)
			require.NoError(t, err)
			suite, ref, err := h.Reference.encode()
			require.NoError(t, err)
			place := Place(r.Place)
			require.Equal(t, string(r.Info), place.info(sealLabel, suite, ref))
			out, err := expand(dataKey, &place, sealLabel, suite, ref, keySize+commitSize)
			require.NoError(t, err)
			require.Equal(t, []byte(r.ScopeKey), out[:keySize])
			require.Equal(t, []byte(r.Commitment), out[keySize:])

			scope, err := Derive(dataKey, h.Reference, place)
			require.NoError(t, err)
			require.Equal(t, []byte(r.Commitment), scope.Commitment())
			require.Equal(t, []byte(r.Commitment), h.Commitment)
			require.Equal(t, []byte(r.K1), scope.k1[:])
			require.Equal(t, place, scope.Place())
			require.Equal(t, h.Reference.KeyID, scope.KeyID())
			salt, key := Salt(r.Salt), [keySize]byte{}
			scope.subkey(&key, &salt)
			require.Equal(t, []byte(r.SealingKey), key[:])
			carries[r.K1[15]&1 == 1]++

			aad, err := r.Additional.value(t).AppendTo(nil)
			require.NoError(t, err)
			require.Equal(t, []byte(r.AAD), aad)
			s, err := scope.SealingKey(salt)
			require.NoError(t, err)
			require.Equal(t, []byte(r.Record), sealFixed(t, s, r.Nonce, r.Plaintext, aad))
			require.Equal(t, r.Text, string(AppendText(nil, r.Record)))
			back, err := ParseText(nil, r.Text)
			require.NoError(t, err)
			require.Equal(t, []byte(r.Record), back)
			require.Equal(t, len(r.Plaintext), h.PlaintextSize())
		})
	}
	require.NotZero(t, carries[true], "K1 with the carry")
	require.NotZero(t, carries[false], "K1 without the carry")
}

func TestVectorsSubkeys(t *testing.T) {
	v := loadVectors(t)
	require.NotEmpty(t, v.Subkeys)
	for _, s := range v.Subkeys {
		place := Place(s.Place)
		got, err := Subkey(s.DataKey, KeyID(s.KeyID), place, s.Label)
		require.NoError(t, err, s.Name)
		require.Equal(t, []byte(s.Subkey), got, s.Name)
		require.Equal(t, string(s.Info), place.info(s.Label, SuiteXAES, s.KeyID), s.Name)
	}
}

func TestVectorsAdditionalRefused(t *testing.T) {
	for _, a := range loadVectors(t).Additional {
		out, err := a.value(t).AppendTo(nil)
		var arg *ArgumentError
		require.ErrorAs(t, err, &arg, a.Name)
		require.Nil(t, out, a.Name)
	}
}

// TestVectorsFailing runs each single fault with no cache and with one that
// holds every good record's key: the answer must be the same.
func TestVectorsFailing(t *testing.T) {
	v := loadVectors(t)
	require.GreaterOrEqual(t, len(v.Failing), 40)
	warm := v.warm(t)
	for _, f := range v.Failing {
		aad, err := f.Additional.value(t).AppendTo(nil)
		require.NoError(t, err, f.Name)
		for name, c := range map[string]caches{"cold": nil, "warm": warm} {
			t.Run(f.Name+"/"+name, func(t *testing.T) {
				record := []byte(f.Record)
				if f.Text != nil {
					var err error
					if record, err = ParseText(nil, *f.Text); err != nil {
						require.Nil(t, record)
						require.Equal(t, f.Error, kindOf(err))
						return
					}
				}
				out, err := v.open(c, f.Place, record, aad)
				require.Nil(t, out)
				require.ErrorIs(t, err, ErrOpen)
				require.Equal(t, f.Error, kindOf(err))
			})
		}
	}
}
