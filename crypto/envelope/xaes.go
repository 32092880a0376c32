package envelope

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/subtle"
	"slices"
)

// Salt is the first half of XAES-256-GCM's 192-bit nonce. It picks the sealing
// key; the second half is drawn for each record.
type Salt [SaltSize]byte

// NewSalt draws a salt.
func NewSalt() (s Salt) {
	rand.Read(s[:])
	return s
}

// cmacSubkey is K1 of AES-CMAC (NIST SP 800-38B, 6.1): AES of the zero block,
// doubled in GF(2^128).
func cmacSubkey(block cipher.Block) (k1 [aes.BlockSize]byte) {
	l := make([]byte, aes.BlockSize)
	block.Encrypt(l, l)
	carry := byte(0)
	for i := aes.BlockSize - 1; i >= 0; i-- {
		k1[i] = l[i]<<1 | carry
		carry = l[i] >> 7
	}
	k1[aes.BlockSize-1] ^= carry * 0x87
	return k1
}

// subkey is the key derivation of XAES-256-GCM (C2SP): the counter mode of NIST
// SP 800-108 with AES-CMAC, label 'X', a 16-bit counter and the salt as context.
// One block a half suffices, since each CMAC input is exactly one block. It
// writes the 32-byte key to out, which should be on the heap already: handing a
// local array to a cipher.Block would move it there.
func (k *ScopeKey) subkey(out *[keySize]byte, salt *Salt) {
	for half := range 2 {
		m := out[half*aes.BlockSize : (half+1)*aes.BlockSize]
		m[0], m[1], m[2], m[3] = 0, byte(half+1), 'X', 0
		copy(m[4:], salt[:])
		subtle.XORBytes(m, m, k.k1[:])
		k.block.Encrypt(m, m)
	}
}

// cipher is AES-256-GCM under the sealing key of a salt. The 32 bytes of work are
// overwritten.
func (k *ScopeKey) cipher(work, salt []byte) (cipher.AEAD, error) {
	work = work[:keySize]
	k.subkey((*[keySize]byte)(work), (*Salt)(salt))
	block, err := aes.NewCipher(work)
	clear(work)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}

// cipherFor is the cipher that a record's header asks for, and the salt there. It
// fails with ErrOpen where the header's reference or commitment is not this scope
// key's: the record belongs to another key or place, or was altered. The spare
// capacity of dst serves as work space.
func (k *ScopeKey) cipherFor(dst, record []byte) (aead cipher.AEAD, salt Salt, err error) {
	n := len(k.prefix)
	if len(record) < n+SaltSize+nonceSize+tagSize ||
		subtle.ConstantTimeCompare(record[:n], k.prefix) != 1 {
		return nil, salt, ErrOpen
	}
	// Copied before anything is written to dst: were it laid over the record by
	// mistake, a key would come to stand under another salt than its own.
	salt = Salt(record[n : n+SaltSize])
	work := slices.Grow(dst, keySize)[len(dst) : len(dst)+keySize]
	aead, err = k.cipher(work, salt[:])
	return aead, salt, err
}
