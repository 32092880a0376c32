package main

import (
	"bytes"
	"fmt"

	capitalone "github.com/capitalone/fpe/ff1"
	ubiq "gitlab.com/ubiqsecurity/ubiq-fpe-go"

	"github.com/cardseal/cardseal/crypto/ff1"
)

var (
	ff1Key   = bytes.Repeat([]byte{7}, 32)
	ff1Tweak = []byte("41111111")
)

// encrypters encrypt one number each, with FF1 under one key.
type encrypters struct {
	cardseal   *ff1.Digits
	capitalone capitalone.Cipher
	ubiq       *ubiq.FF1
}

func newEncrypters(digits int) (e encrypters, err error) {
	key, err := ff1.NewKey(ff1Key)
	if err != nil {
		return e, err
	}
	if e.cardseal, err = key.Digits(digits, &ff1.DigitsOptions{TweakSize: len(ff1Tweak)}); err != nil {
		return e, err
	}
	if e.capitalone, err = capitalone.NewCipher(10, len(ff1Tweak), ff1Key, nil); err != nil {
		return e, err
	}
	e.ubiq, err = ubiq.NewFF1(ff1Key, nil, 0, 0, 10)
	return e, err
}

func ff1Contests() (all []contest, err error) {
	const batch = 64
	for _, digits := range []int{6, 12, 16} {
		e, err := newEncrypters(digits)
		if err != nil {
			return nil, err
		}
		number := bytes.Repeat([]byte("1"), digits)
		numbers, tweaks := bytes.Repeat(number, batch), bytes.Repeat(ff1Tweak, batch)
		text, dst := string(number), make([]byte, 0, batch*digits)
		all = append(all, contest{fmt.Sprint("FF1, ", digits, " digits"), []contender{
			{"cardseal", func(n int) {
				for range n {
					must(e.cardseal.Encrypt(dst, number, ff1Tweak))
				}
			}},
			{"cardseal, in a batch", func(n int) {
				for n > 0 {
					count := min(n, batch)
					must(e.cardseal.EncryptBatch(dst, numbers[:count*digits], tweaks[:count*len(ff1Tweak)]))
					n -= count
				}
			}},
			{"capitalone/fpe", func(n int) {
				for range n {
					must(e.capitalone.EncryptWithTweak(text, ff1Tweak))
				}
			}},
			{"ubiq-fpe-go", func(n int) {
				for range n {
					must(e.ubiq.Encrypt(text, ff1Tweak))
				}
			}},
		}})
	}
	return all, nil
}
