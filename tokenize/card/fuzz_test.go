package card

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

// checkError demands of every refusal that it is an *Error, and that it says the same
// whatever the digits were.
func checkError(t *testing.T, err error, field string) {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) || e.Field != field || e.Kind == 0 || e.Reason == "" {
		t.Fatal("not a complete *Error for ", field)
	}
}

func FuzzParsePAN(f *testing.F) {
	for _, c := range testCards(f) {
		f.Add([]byte(c.number))
	}
	for _, s := range []string{"", "4111 1111 1111 1111", "411111111111111a", strings.Repeat("9", 30), "4111-1111-1111-1111"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		p, err := ParsePAN(in)
		q, errString := ParsePAN(string(in))
		if (err == nil) != (errString == nil) || !p.Equal(q) {
			t.Fatal("bytes and string differ")
		}
		l, errLenient := ParsePANLenient(in)
		if err != nil {
			checkError(t, err, FieldNumber)
			if !p.IsZero() {
				t.Fatal("something is returned on error")
			}
		} else if errLenient != nil || !l.Equal(p) || !bytes.Equal(p.AppendDigits(nil), in) {
			t.Fatal("digits don't come out as they went in, or the lenient parser differs")
		}
		if errLenient != nil {
			checkError(t, errLenient, FieldNumber)
			return
		}
		want := bytes.Map(func(r rune) rune {
			if r == ' ' || r == '-' {
				return -1
			}
			return r
		}, in)
		if !bytes.Equal(l.AppendDigits(nil), want) {
			t.Fatal("the lenient parser drops more than separators")
		}
		if l.Luhn() != Luhn(want) || l.Network() != NetworkOf(want) || l.Masked() != string(AppendMasked(nil, want, Mask64)) {
			t.Fatal("a PAN and its digits differ")
		}
		if back, err := ParsePacked(l.AppendPacked(nil)); err != nil || !back.Equal(l) {
			t.Fatal("packed form doesn't come back")
		}
	})
}

func FuzzParsePacked(f *testing.F) {
	for _, c := range testCards(f) {
		f.Add(mustPAN(f, c.number).AppendPacked(nil))
	}
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, in []byte) {
		p, err := ParsePacked(in)
		if err != nil {
			checkError(t, err, FieldNumber)
			return
		}
		if !bytes.Equal(p.AppendPacked(nil), in) {
			t.Fatal("two packed forms of one number")
		}
		if q, err := ParsePAN(p.AppendDigits(nil)); err != nil || !q.Equal(p) {
			t.Fatal("a packed form holds no number")
		}
	})
}

func FuzzParseCVC(f *testing.F) {
	for _, s := range []string{"", "123", "1234", "12a", "12345", "\x03\x12\x3f", "\x04\x12\x34"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		if c, err := ParseCVC(in); err != nil {
			checkError(t, err, FieldCode)
		} else if !bytes.Equal(c.AppendDigits(nil), in) {
			t.Fatal("a code doesn't come out as it went in")
		}
		if c, err := ParsePackedCVC(in); err != nil {
			checkError(t, err, FieldCode)
		} else if !bytes.Equal(c.AppendPacked(nil), in) {
			t.Fatal("two packed forms of one code")
		}
	})
}

func FuzzParseExpiry(f *testing.F) {
	for _, s := range []string{"", "1230", "12/30", "0000", "1300", "12/3"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		if e, err := ParseExpiry(in); err != nil {
			checkError(t, err, FieldExpiry)
		} else if e.String() != in {
			t.Fatal("an expiry doesn't come out as it went in")
		}
		if e, err := ParseExpiryLenient(in); err == nil && e.String() != strings.Replace(in, "/", "", 1) {
			t.Fatal("the lenient parser reads another month")
		}
	})
}

func FuzzParseMask(f *testing.F) {
	for _, s := range []string{"", "6.4", "8.4*", "9.9", "06.4"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		m, err := ParseMask(in)
		if err != nil {
			checkError(t, err, FieldMask)
			return
		}
		if m.String() != in {
			t.Fatal("two spellings of one mask")
		}
		if again, err := NewMask(m.First(), m.Last(), m.Fill()); err != nil || again != m {
			t.Fatal("a mask that NewMask doesn't make")
		}
	})
}

func FuzzAppendMasked(f *testing.F) {
	f.Add([]byte("4111111111111111"), uint32(Mask64))
	f.Add([]byte("3782 82246310005"), ^uint32(0))
	f.Fuzz(func(t *testing.T, in []byte, mask uint32) {
		m := Mask(mask)
		out := AppendMasked([]byte("ab"), in, m)
		if string(out[:2]) != "ab" || len(out) != 2+len(in) {
			t.Fatal("not appended, or of another length")
		}
		seen := 0
		for i, c := range out[2:] {
			if c != m.Fill() {
				seen++
				if c != in[i] || !isDigit(c) {
					t.Fatal("shows what is not there")
				}
			}
		}
		if first, last := m.Shows(len(in)); seen > first+last || len(in) >= 4 && seen > len(in)-4 {
			t.Fatal("shows too much")
		}
	})
}

func FuzzLuhn(f *testing.F) {
	f.Add([]byte("4111111111111111"))
	f.Add([]byte("6205500000000000004"))
	f.Fuzz(func(t *testing.T, in []byte) {
		digits := len(in) > 0
		for _, c := range in {
			digits = digits && '0' <= c && c <= '9'
		}
		if Luhn(in) != (digits && naiveSum(in, false)%10 == 0) {
			t.Fatal("Luhn differs from the reference")
		}
		c, err := CheckDigit(in)
		if (err == nil) != digits || digits && !Luhn(append(bytes.Clone(in), c)) {
			t.Fatal("the check digit is wrong")
		}
	})
}

func FuzzResolveBrand(f *testing.F) {
	f.Add("CB")
	f.Add("diners club")
	f.Fuzz(func(t *testing.T, in string) {
		b, l, err := ResolveBrand(in)
		if err != nil {
			checkError(t, err, FieldBrand)
		} else if b == 0 || b > BrandUnknown || l != 0 && b != BrandLocalOnly {
			t.Fatal("a brand that is none")
		}
	})
}
