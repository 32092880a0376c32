package bench

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"math/bits"
	"testing"
)

// The floors: what each path is measured against, written as plainly as they can
// be fast.

func newAES(tb testing.TB) cipher.Block {
	key := make([]byte, 32)
	rand.Read(key)
	block, err := aes.NewCipher(key)
	if err != nil {
		tb.Fatal(err)
	}
	return block
}

func bareGCM(tb testing.TB) cipher.AEAD {
	g, err := cipher.NewGCMWithRandomNonce(newAES(tb))
	if err != nil {
		tb.Fatal(err)
	}
	return g
}

func bareHMAC() hash.Hash {
	key := make([]byte, 32)
	rand.Read(key)
	h := hmac.New(sha256.New, key)
	h.Sum(nil)
	return h
}

// luhnFloor checks sixteen ASCII digits as two words of eight: all bytes are
// digits, and doubled every other one the digit sums end in 0.
func luhnFloor(d []byte) bool {
	a, b := binary.LittleEndian.Uint64(d), binary.LittleEndian.Uint64(d[8:])
	a ^= 0x3030303030303030
	b ^= 0x3030303030303030
	if ((a+0x7676767676767676)|a|(b+0x7676767676767676)|b)&0x8080808080808080 != 0 {
		return false
	}
	return (luhnWord(a)+luhnWord(b))%10 == 0
}

// luhnWord sums eight digits, those at even places doubled with 9 taken off
// where that makes ten or more.
func luhnWord(w uint64) uint64 {
	const even = 0x00ff00ff00ff00ff
	twice := (w & even) << 1
	over := ((twice + 0x0076007600760076) >> 7) & 0x0001000100010001
	sum := twice - over*9 + (w >> 8 & even)
	return sum * 0x0001000100010001 >> 48
}

// checkDigitFloor is the check digit of fifteen ASCII digits. The second word
// overlaps the first by a digit, which is shifted out; the place that opens at the
// end is the check digit's own.
func checkDigitFloor(d []byte) byte {
	a, b := binary.LittleEndian.Uint64(d), binary.LittleEndian.Uint64(d[7:])
	a ^= 0x3030303030303030
	b = (b ^ 0x3030303030303030) >> 8
	if ((a+0x7676767676767676)|a|(b+0x7676767676767676)|b)&0x8080808080808080 != 0 {
		return 0
	}
	return '0' + byte((10-(luhnWord(a)+luhnWord(b))%10)%10)
}

// brandFloor is a switch on the prefix of a few brands.
func brandFloor(d []byte) string {
	switch d[0] {
	case '4':
		return "visa"
	case '5':
		if d[1] >= '1' && d[1] <= '5' {
			return "mastercard"
		}
	case '3':
		switch d[1] {
		case '4', '7':
			return "amex"
		case '5':
			return "jcb"
		case '0', '6', '8', '9':
			return "diners"
		}
	case '6':
		if d[1] == '5' || d[1] == '0' && d[2] == '1' && d[3] == '1' {
			return "discover"
		}
		if d[1] == '2' {
			return "unionpay"
		}
	}
	return ""
}

// tokenFloor draws on eight buffered random bytes by multiply-shift, and formats
// sixteen digits: 9, fourteen drawn, the check digit.
type tokenFloor struct {
	buf  [1024]byte
	next int
}

func (f *tokenFloor) append(dst []byte) []byte {
	const space = 100_000_000_000_000
	if f.next == 0 {
		rand.Read(f.buf[:])
		f.next = len(f.buf)
	}
	f.next -= 8
	n, _ := bits.Mul64(binary.LittleEndian.Uint64(f.buf[f.next:]), space)
	var d [16]byte
	d[0] = '9'
	for i := 14; i > 0; i-- {
		d[i] = '0' + byte(n%10)
		n /= 10
	}
	d[15] = checkDigitFloor(d[:15])
	return append(dst, d[:]...)
}

func TestFloorsAreRight(t *testing.T) {
	for _, number := range []string{"4111111111111111", "5555555555554444", "4242424242424242"} {
		if !luhnFloor([]byte(number)) || luhnFloor([]byte("5"+number[1:])) == (number[0] != '5') {
			t.Fatal("luhnFloor is wrong")
		}
		if checkDigitFloor([]byte(number[:15])) != number[15] {
			t.Fatal("checkDigitFloor is wrong")
		}
	}
	var f tokenFloor
	for range 1000 {
		if !luhnFloor(f.append(nil)) {
			t.Fatal("tokenFloor is wrong")
		}
	}
}
