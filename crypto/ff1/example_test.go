package ff1_test

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/cardseal/cardseal/crypto/ff1"
)

// demo is a fixed key: real ones are derived from a managed data key.
func demo() *ff1.Key {
	key, err := ff1.NewKey(bytes.Repeat([]byte{7}, 32))
	if err != nil {
		panic(err)
	}
	return key
}

// Customer numbers of nine digits, one number space a shop.
func ExampleKey_Digits() {
	numbers, err := demo().Digits(9, &ff1.DigitsOptions{TweakPrefix: []byte("example.org customer number, shop "), TweakSize: 4})
	if err != nil {
		panic(err)
	}
	shop := []byte("0017")
	out, err := numbers.Encrypt(nil, []byte("123456789"), shop)
	if err != nil {
		panic(err)
	}
	back, err := numbers.Decrypt(nil, out, shop)
	fmt.Println(len(out), string(back), err)

	_, err = demo().Digits(5, nil)
	fmt.Println(errors.Is(err, ff1.ErrDomain), err)
	// Output:
	// 9 123456789 <nil>
	// true ff1: length gives fewer than 1000000 values
}

// Many numbers at once take about half the time. Each has its own tweak.
func ExampleDigits_EncryptBatch() {
	numbers, err := demo().Digits(6, &ff1.DigitsOptions{TweakSize: 2})
	if err != nil {
		panic(err)
	}
	list := []byte("000001" + "000002" + "000003")
	tweaks := []byte("de" + "de" + "fr")
	list, err = numbers.EncryptBatch(list[:0], list, tweaks)
	if err != nil {
		panic(err)
	}
	list, err = numbers.DecryptBatch(list[:0], list, tweaks)
	fmt.Println(string(list), err)
	// Output: 000001000002000003 <nil>
}

// Letters and digits: sample 3 of NIST's, but for the key.
func ExampleKey_Cipher() {
	c, err := demo().Cipher(36)
	if err != nil {
		panic(err)
	}
	const alphabet = "0123456789abcdefghijklmnopqrstuvwxyz"
	var numerals []uint16
	for _, letter := range []byte("0123456789abcdefghi") {
		numerals = append(numerals, uint16(bytes.IndexByte([]byte(alphabet), letter)))
	}
	tweak := []byte("7777pqrs777")
	out, err := c.Encrypt(nil, numerals, tweak)
	if err != nil {
		panic(err)
	}
	out, err = c.Decrypt(out[:0], out, tweak)
	if err != nil {
		panic(err)
	}
	for _, n := range out {
		fmt.Print(string(alphabet[n]))
	}
	fmt.Println()
	// Output: 0123456789abcdefghi
}
