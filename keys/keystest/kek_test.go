package keystest

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/keys"
)

func TestFakeKEK(t *testing.T) {
	n := 0
	RunKEK(t, func(t *testing.T) keys.KEK {
		n++
		return NewKEK([]string{"fake-odd", "fake-even"}[n%2])
	}, nil)
}

// TestModelKEK runs the suite on a KEK with every optional interface, and with
// every option.
func TestModelKEK(t *testing.T) {
	RunKEK(t, func(t *testing.T) keys.KEK { return newModel("one") }, &KEKOptions{
		Flips: 10, Concurrency: 2,
		Other:  func(t *testing.T) keys.KEK { return newModel("two") },
		Reopen: func(t *testing.T, k keys.KEK) keys.KEK { return k },
	})
}

func TestClosedKEK(t *testing.T) {
	m := newModel("closed")
	m.SetError(keys.ErrClosed)
	RunKEKClosed(t, m)
}

// TestSuiteFindsFaults breaks one promise at a time and sees the check made for
// it fail.
func TestSuiteFindsFaults(t *testing.T) {
	covered := map[string]bool{}
	for _, f := range kekFaults {
		t.Run(f.check+"/"+f.name, func(t *testing.T) {
			covered[f.check] = true
			require.NotEmpty(t, findings(t, f.check, f.broken()), "the fault is not found")
		})
	}
	for _, c := range kekChecks {
		require.True(t, covered[c.name], "no fault tries the check %s", c.name)
		require.Empty(t, findings(t, c.name, newModel("one")), "%s fails without a fault", c.name)
	}
}

// TestDeterministic: a KEK that gives the same bytes twice passes where it says so.
func TestDeterministic(t *testing.T) {
	m := newModel("one")
	known := map[[keys.DataKeySize]byte][]byte{}
	wrap := m.wrap
	m.wrap = func(c call) ([]byte, error) {
		key := [keys.DataKeySize]byte(c.in)
		if known[key] == nil {
			known[key], _ = wrap(c)
		}
		return known[key], nil
	}
	for _, says := range []bool{false, true} {
		h := newKEKHarness(t.Context(), m, &KEKOptions{Deterministic: says})
		require.Equal(t, says, len(h.run(kekFresh)) == 0)
	}
}

// TestKeyInErrorIsFound: in whatever form an error quotes a part of the data key.
func TestKeyInErrorIsFound(t *testing.T) {
	key := make([]byte, keys.DataKeySize)
	for i := range key {
		key[i] = byte(0x70 + 7*i)
	}
	for _, form := range []string{"%s", "%q", "%v", "%d", "%#v", "%x", "%X"} {
		h := newKEKHarness(t.Context(), newModel("one"), nil)
		h.discreet("any", fmt.Errorf("no key: "+form, key[8:16]), key)
		require.NotEmpty(t, h.failures, form)
		h.failures = nil
		h.discreet("any", fmt.Errorf("request %x at 0xc000123456 of key: "+form, key[:6], "key"), key)
		require.Empty(t, h.failures, form)
	}
}

// TestFlipsReachEveryPart: a KEK that leaves its last or its first byte unread is
// found with few flips too.
func TestFlipsSpread(t *testing.T) {
	m := newModel("one")
	var seen []byte
	inner := m.unwrap
	m.unwrap = func(c call) ([]byte, error) {
		seen = append(seen, c.in...)
		return inner(c)
	}
	h := newKEKHarness(t.Context(), m, &KEKOptions{Flips: 16})
	require.Empty(t, h.run(kekBitsFlipped))
	require.Len(t, seen, 17*60, "16 flips and one look at the bytes as they were")
	sound := seen[16*60:]
	places := map[int]bool{}
	for i := range 16 {
		for at, b := range seen[i*60 : (i+1)*60] {
			if b != sound[at] {
				places[at/4] = true // fifteen parts of four bytes
			}
		}
	}
	require.Len(t, places, 15)
}

// findings runs one check on a KEK.
func findings(t *testing.T, check string, k keys.KEK) []string {
	for _, c := range kekChecks {
		if c.name == check {
			h := newKEKHarness(t.Context(), k, nil)
			h.other = newModel("two")
			if m, ok := k.(*model); ok && m.sharesKey != nil {
				h.other = m.sharesKey
			}
			h.reopen = func() keys.KEK {
				if m, ok := k.(*model); ok && m.reopened != nil {
					return m.reopened
				}
				return k
			}
			return h.run(c.run)
		}
	}
	t.Fatalf("no check is called %s", check)
	return nil
}
