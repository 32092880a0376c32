package seal_test

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/tokenize/seal"
)

// One sealer serves many, with numbers of every length and failures between, while
// its key is rotated and renewed: nobody gets what another sealed.
func TestSealerFromMany(t *testing.T) {
	m := newVault(t).manager("")
	s := seal.New(m, "shop")
	var errs [16]error
	var wg sync.WaitGroup
	for c := range errs {
		wg.Go(func() {
			pan := number(t, []string{short, visa, master, maestro}[c%4])
			id := seal.NewRecordID()
			for n := range 300 {
				rec, err := s.SealPAN(t.Context(), nil, pan, id)
				if err != nil {
					errs[c] = err
					return
				}
				got, err := s.OpenPAN(t.Context(), rec, id)
				if err != nil || !got.Equal(pan) {
					errs[c] = mismatch{err}
					return
				}
				rec[len(rec)-1] ^= 1
				if got, err = s.OpenPAN(t.Context(), rec, id); err == nil || !got.IsZero() {
					errs[c] = mismatch{err}
					return
				}
				switch {
				case c == 0 && n%50 == 0:
					m.Renew()
				case c == 1 && n%100 == 0:
					if _, err := m.Rotate(t.Context(), keys.PAN); err != nil {
						errs[c] = err
						return
					}
				case c == 2 && n%20 == 0:
					s.Refresh()
				}
			}
		})
	}
	wg.Wait()
	for _, err := range errs {
		require.NoError(t, err)
	}
}

// mismatch is a wrong answer, with the error where there was one.
type mismatch struct{ err error }

func (mismatch) Error() string { return "a wrong answer" }
