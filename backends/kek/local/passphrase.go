package local

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"golang.org/x/crypto/argon2"
)

const (
	passFileFormat = "cardseal local passphrase 1, for development and tests only"
	passFileWhy    = "its key is guarded by a passphrase, not by a KMS or a secure device as PCI DSS 3.6.1.2 asks; use a KMS"
	kdfName        = "argon2id"
	saltSize       = 16 // RFC 9106, section 3.1
)

// passFile is a passphrase file. The key is random and wrapped under what
// argon2id makes of the passphrase, so that a wrong passphrase is found by the
// tag and never yields a key that only looks like one.
type passFile struct {
	Format    string `json:"format"`
	ID        string `json:"id"`
	KDF       string `json:"kdf"`
	Time      uint32 `json:"time"`
	MemoryKiB uint32 `json:"memoryKiB"`
	Threads   uint8  `json:"threads"`
	Salt      string `json:"salt"`
	Wrapped   string `json:"wrapped,omitempty"` // nonce 12, key 32, tag 16
}

// CreatePassphraseFile makes a file with a fresh random key, encrypted under a
// passphrase of at least [MinPassphrase] bytes, readable by its owner only and on
// disk when it returns. An existing file is left alone (fs.ErrExist). The
// passphrase counts byte for byte: the same letters in another Unicode form are
// another passphrase. The caller wipes it. nil means the default parameters;
// others out of bounds are refused with a *[ParamError].
//
// The file is JSON as this package writes it, to the byte. Its key is wrapped in
// AES-256-GCM under the 32 bytes argon2id makes of passphrase and salt; additional
// data is the file without the member "wrapped".
func CreatePassphraseFile(path string, passphrase []byte, p *Params) error {
	if len(passphrase) < MinPassphrase {
		return &ParamError{"passphrase", fmt.Sprintf("must be at least %d bytes", MinPassphrase)}
	}
	params, err := p.filled()
	if err != nil {
		return err
	}
	var id, salt [idSize]byte
	var key [keySize]byte
	rand.Read(id[:])
	rand.Read(salt[:])
	rand.Read(key[:])
	defer clear(key[:])
	f := passFile{
		Format: passFileFormat, ID: hex.EncodeToString(id[:]), KDF: kdfName,
		Time: params.Time, MemoryKiB: params.MemoryKiB, Threads: params.Threads,
		Salt: hex.EncodeToString(salt[:]),
	}
	head, err := f.encode()
	if err != nil {
		return err
	}
	derived := derive(passphrase, salt[:], params)
	defer clear(derived)
	aead, err := newAEAD(derived)
	if err != nil {
		return err
	}
	f.Wrapped = hex.EncodeToString(aead.Seal(nil, nil, key[:], head))
	content, err := f.encode()
	if err != nil {
		return err
	}
	return create(path, content)
}

// OpenPassphraseFile returns the KEK of a file made by [CreatePassphraseFile],
// after the time that its parameters take (a tenth of a second and 64 MiB by
// default). A passphrase that does not fit is [ErrPassphrase]; a file that is
// malformed, is not a regular file, grants anything to others than its owner or
// asks for more than the bounds of [Params] is refused with a *[FileError]
// before the passphrase is used. The caller wipes passphrase.
func OpenPassphraseFile(path string, passphrase []byte) (*KEK, error) {
	content, err := read(path)
	if err != nil {
		return nil, err
	}
	return openPassphraseFile(path, content, func() ([]byte, error) { return passphrase, nil })
}

// openPassphraseFile asks for the passphrase once the file is known to be sound.
func openPassphraseFile(path string, content []byte, passphrase func() ([]byte, error)) (*KEK, error) {
	p, reason := parsePassFile(content)
	if reason != "" {
		return nil, &FileError{path, reason}
	}
	pass, err := passphrase()
	if err != nil {
		return nil, err
	}
	derived := derive(pass, p.salt[:], p.params)
	defer clear(derived)
	aead, err := newAEAD(derived)
	if err != nil {
		return nil, err
	}
	var key [keySize]byte
	defer clear(key[:])
	if _, err := aead.Open(key[:0], nil, p.wrapped[:], p.head); err != nil {
		return nil, ErrPassphrase
	}
	return newKEK(p.id, &key, passFileWhy)
}

// parsed is a passphrase file that kept the bounds.
type parsed struct {
	id      [idSize]byte
	salt    [saltSize]byte
	wrapped [keySize + gcmOverhead]byte
	params  Params
	head    []byte // the file without the wrapped key
}

// parsePassFile takes what encode writes, byte for byte, or gives the reason why
// not: that leaves no room for members unknown, doubled or written otherwise.
func parsePassFile(content []byte) (p parsed, reason string) {
	const malformed = "is not a passphrase file of this version"
	var f passFile
	if err := json.Unmarshal(content, &f); err != nil {
		return p, malformed
	}
	again, err := f.encode()
	if err != nil || !bytes.Equal(again, content) || f.Format != passFileFormat || f.KDF != kdfName {
		return p, malformed
	}
	if !unhex(p.id[:], f.ID) || !unhex(p.salt[:], f.Salt) || !unhex(p.wrapped[:], f.Wrapped) {
		return p, malformed
	}
	p.params = Params{Time: f.Time, MemoryKiB: f.MemoryKiB, Threads: f.Threads}
	if err := p.params.check(); err != nil {
		return p, "asks for more or less than argon2id is allowed here"
	}
	f.Wrapped = ""
	if p.head, err = f.encode(); err != nil {
		return p, malformed
	}
	return p, ""
}

func (f *passFile) encode() ([]byte, error) {
	out, err := json.MarshalIndent(f, "", "  ")
	if err != nil {
		return nil, err
	}
	return append(out, '\n'), nil
}

// unhex fills dst from lower-case hex of just its length.
func unhex(dst []byte, text string) bool {
	if len(text) != 2*len(dst) {
		return false
	}
	_, err := hex.Decode(dst, []byte(text))
	return err == nil && hex.EncodeToString(dst) == text
}

func derive(passphrase, salt []byte, p Params) []byte {
	return argon2.IDKey(passphrase, salt, p.Time, p.MemoryKiB, p.Threads, keySize)
}
