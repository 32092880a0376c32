//go:build !race

package card

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// What lies on the path of every card allocates nothing. (The race detector's own
// allocations would be counted too.)
func TestAllocations(t *testing.T) {
	number, text := []byte("4111111111111111"), "4111 1111 1111 1111"
	long := []byte("6205500000000000004")
	p := mustPAN(t, "4111111111111111")
	c, err := ParseCVC("123")
	require.NoError(t, err)
	dst := make([]byte, 0, 64)
	own := BINTable(FirstOf(issuers{}, BuiltinTable{}))
	packed, packedCode := p.AppendPacked(nil), c.AppendPacked(nil)
	var (
		ok   bool
		pan  PAN
		code CVC
		b    byte
	)
	for name, f := range map[string]func(){
		"ParsePAN bytes":    func() { pan, err = ParsePAN(number) },
		"ParsePAN string":   func() { pan, err = ParsePAN("378282246310005") },
		"ParsePANLenient":   func() { pan, err = ParsePANLenient(text) },
		"ParsePacked":       func() { pan, err = ParsePacked(packed) },
		"ParseCVC":          func() { code, err = ParseCVC("1234") },
		"ParsePackedCVC":    func() { code, err = ParsePackedCVC(packedCode) },
		"AppendDigits":      func() { dst = p.AppendDigits(dst[:0]) },
		"AppendPacked":      func() { dst = p.AppendPacked(dst[:0]) },
		"AppendBIN":         func() { dst = p.AppendBIN(dst[:0]) },
		"PAN.AppendMasked":  func() { dst = p.AppendMasked(dst[:0], Mask64) },
		"AppendMasked":      func() { dst = AppendMasked(dst[:0], long, Mask64) },
		"CVC.AppendDigits":  func() { dst = c.AppendDigits(dst[:0]) },
		"CVC.AppendPacked":  func() { dst = c.AppendPacked(dst[:0]) },
		"Luhn 16":           func() { ok = Luhn(number) },
		"Luhn 19":           func() { ok = Luhn(long) },
		"CheckDigit 15":     func() { b, err = CheckDigit(number[:15]) },
		"CheckDigit 18":     func() { b, err = CheckDigit(long[:18]) },
		"PAN.Luhn":          func() { ok = p.Luhn() },
		"PAN.Equal":         func() { ok = p.Equal(pan) },
		"CVC.Equal":         func() { ok = c.Equal(code) },
		"PAN.Brand":         func() { ok = p.Brand() == BrandVisa },
		"NetworkOf":         func() { ok = NetworkOf(long).Known() },
		"NetworkOf BIN":     func() { ok = NetworkOf(long[:6]).Known() },
		"LooksLikePAN":      func() { ok = LooksLikePAN(number) },
		"Check":             func() { err = p.Check(nil) },
		"Check own table":   func() { err = p.Check(own) },
		"Expiry.AppendMMYY": func() { dst = Expiry{12, 2030}.AppendMMYY(dst[:0]) },
		"ParseExpiry":       func() { _, err = ParseExpiryLenient("12/30") },
	} {
		require.Zero(t, testing.AllocsPerRun(100, f), name)
		require.NoError(t, err, name)
	}
	_, _ = ok, b
}
