package bench

import (
	"testing"

	"github.com/cardseal/cardseal/tokenize/card"
	"github.com/cardseal/cardseal/tokenize/generate"
)

// pan16 is a published test card.
var pan16 = []byte("4111111111111111")

// What loops compute goes here, so that it is computed.
var (
	sinkBool    bool
	sinkByte    byte
	sinkString  string
	sinkBytes   []byte
	sinkPAN     card.PAN
	sinkNetwork card.Network
)

var luhnPath = path{"Luhn", 1,
	single(func(n int) {
		for range n {
			sinkBool = luhnFloor(pan16)
		}
	}),
	single(func(n int) {
		for range n {
			sinkBool = card.Luhn(pan16)
		}
	}),
}

var checkDigitPath = path{"CheckDigit", 1,
	single(func(n int) {
		for range n {
			sinkByte = checkDigitFloor(pan16[:15])
		}
	}),
	single(func(n int) {
		for range n {
			sinkByte, _ = card.CheckDigit(pan16[:15])
		}
	}),
}

var brandPath = path{"Brand", 1,
	single(func(n int) {
		for range n {
			sinkString = brandFloor(pan16)
		}
	}),
	single(func(n int) {
		for range n {
			sinkNetwork = card.NetworkOf(pan16)
		}
	}),
}

var maskPath = path{"Mask", 1,
	single(func(n int) {
		buf := make([]byte, 0, 32)
		for range n {
			sinkBytes = append(buf, pan16...)
		}
	}),
	single(func(n int) {
		buf := make([]byte, 0, 32)
		for range n {
			sinkBytes = card.AppendMasked(buf, pan16, card.Mask64)
		}
	}),
}

// Parsing has no budget of its own; its floor packs sixteen checked digits.
var parsePath = path{"Parse", 1,
	func(tb testing.TB) func() func(int) {
		return func() func(int) {
			var packed [10]byte
			return func(n int) {
				for range n {
					for i := 0; i < len(pan16); i += 2 {
						hi, lo := pan16[i]-'0', pan16[i+1]-'0'
						if hi > 9 || lo > 9 {
							tb.Error("not digits")
						}
						packed[i/2] = hi<<4 | lo
					}
				}
			}
		}
	},
	single(func(n int) {
		for range n {
			sinkPAN, _ = card.ParsePAN(pan16)
		}
	}),
}

var tokenPath = path{"Token", 1,
	func(testing.TB) func() func(int) {
		return func() func(int) {
			f, buf := new(tokenFloor), make([]byte, 0, 32)
			return func(n int) {
				for range n {
					f.append(buf)
				}
			}
		}
	},
	func(testing.TB) func() func(int) {
		return func() func(int) {
			buf := make([]byte, 0, 32)
			return func(n int) {
				for range n {
					generate.AppendRandomWithLuhn(buf)
				}
			}
		}
	},
}
