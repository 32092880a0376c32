package main

import (
	"context"
	"crypto/aes"
	"crypto/cipher"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/keyset"

	"github.com/cardseal/cardseal/backends/store/memory"
	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/tokenize/card"
	"github.com/cardseal/cardseal/tokenize/seal"
)

// pan16 is a published test card.
var pan16 = []byte("4111111111111111")

// kms is a key-encryption key in this process: it costs next to nothing, for
// cardseal as for the others.
type kms struct{ gcm cipher.AEAD }

func newKMS() (*kms, error) {
	block, err := aes.NewCipher(make([]byte, 32))
	if err != nil {
		return nil, err
	}
	gcm, err := cipher.NewGCMWithRandomNonce(block)
	return &kms{gcm}, err
}

func (*kms) ID() string { return "peers" }

func (k *kms) Wrap(_ context.Context, dst, dataKey []byte, b keys.Binding) ([]byte, error) {
	return k.gcm.Seal(dst, nil, dataKey, b.AAD()), nil
}

func (k *kms) Unwrap(_ context.Context, dst, wrapped []byte, b keys.Binding) ([]byte, error) {
	return k.gcm.Open(dst, nil, wrapped, b.AAD())
}

// Encrypt and Decrypt are the same as Tink calls it.
func (k *kms) Encrypt(plaintext, aad []byte) ([]byte, error) {
	return k.gcm.Seal(nil, nil, plaintext, aad), nil
}

func (k *kms) Decrypt(ciphertext, aad []byte) ([]byte, error) {
	return k.gcm.Open(nil, nil, ciphertext, aad)
}

func sealContests() ([]contest, error) {
	ctx, aad := context.Background(), make([]byte, 32)
	k, err := newKMS()
	if err != nil {
		return nil, err
	}
	m, err := keys.Open(ctx, memory.New().Keys(), k, nil)
	if err != nil {
		return nil, err
	}
	s, id := seal.New(m, "peers"), seal.NewRecordID()
	pan, err := card.ParsePAN(pan16)
	if err != nil {
		return nil, err
	}
	dst := make([]byte, 0, 256)
	record, err := s.SealPAN(ctx, nil, pan, id)
	if err != nil {
		return nil, err
	}

	h, err := keyset.NewHandle(aead.AES256GCMKeyTemplate())
	if err != nil {
		return nil, err
	}
	plain, err := aead.New(h)
	if err != nil {
		return nil, err
	}
	plainRecord, err := plain.Encrypt(pan16, aad)
	if err != nil {
		return nil, err
	}
	envelope := aead.NewKMSEnvelopeAEAD2(aead.AES256GCMKeyTemplate(), k)
	envelopeRecord, err := envelope.Encrypt(pan16, aad)
	if err != nil {
		return nil, err
	}
	return []contest{
		{"seal a card number", []contender{
			{"cardseal", func(n int) {
				for range n {
					must(s.SealPAN(ctx, dst, pan, id))
				}
			}},
			{"Tink AEAD, one key, no envelope", func(n int) {
				for range n {
					must(plain.Encrypt(pan16, aad))
				}
			}},
			{"Tink KMS envelope", func(n int) {
				for range n {
					must(envelope.Encrypt(pan16, aad))
				}
			}},
		}},
		{"open a card number", []contender{
			{"cardseal", func(n int) {
				for range n {
					must(s.OpenPAN(ctx, record, id))
				}
			}},
			{"Tink AEAD, one key, no envelope", func(n int) {
				for range n {
					must(plain.Decrypt(plainRecord, aad))
				}
			}},
			{"Tink KMS envelope", func(n int) {
				for range n {
					must(envelope.Decrypt(envelopeRecord, aad))
				}
			}},
		}},
	}, nil
}
