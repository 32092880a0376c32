package local

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
)

// keyFileHead is the first line of a key file, with its version and, for whoever
// comes upon one, what it is.
const keyFileHead = "cardseal local key 1, for development and tests only\n"

const keyFileWhy = "its key lies in a file in clear, which PCI DSS 3.6.1.2 does not allow; use a KMS"

// CreateKeyFile makes a file with a fresh random key, readable by its owner only,
// on disk when it returns. An existing file is left alone (fs.ErrExist). The
// format is three lines: a heading with the version, "id " and 16 random bytes,
// "key " and the 32 bytes of the key, both in lower-case hex.
func CreateKeyFile(path string) error {
	var id [idSize]byte
	var key [keySize]byte
	rand.Read(id[:])
	rand.Read(key[:])
	content := formatKeyFile(id, &key)
	clear(key[:])
	defer clear(content)
	return create(path, content)
}

// OpenKeyFile returns the KEK of a file made by [CreateKeyFile]. A file that is
// malformed, is not a regular file or grants anything to others than its owner
// is refused with a *[FileError].
func OpenKeyFile(path string) (*KEK, error) {
	content, err := read(path)
	if err != nil {
		return nil, err
	}
	return openKeyFile(path, content)
}

// openKeyFile wipes content.
func openKeyFile(path string, content []byte) (*KEK, error) {
	defer clear(content)
	id, key, ok := parseKeyFile(content)
	if !ok {
		return nil, &FileError{path, "is not a key file of this version"}
	}
	return newKEK(id, &key, keyFileWhy)
}

func formatKeyFile(id [idSize]byte, key *[keySize]byte) []byte {
	out := make([]byte, 0, 256)
	out = append(out, keyFileHead...)
	out = hex.AppendEncode(append(out, "id "...), id[:])
	out = hex.AppendEncode(append(out, "\nkey "...), key[:])
	return append(out, '\n')
}

// parseKeyFile takes what formatKeyFile writes, byte for byte, and nothing else.
func parseKeyFile(content []byte) (id [idSize]byte, key [keySize]byte, ok bool) {
	const idAt = len(keyFileHead) + len("id ")
	const keyAt = idAt + 2*idSize + len("\nkey ")
	if len(content) != keyAt+2*keySize+1 {
		return id, key, false
	}
	_, idErr := hex.Decode(id[:], content[idAt:idAt+2*idSize])
	_, keyErr := hex.Decode(key[:], content[keyAt:keyAt+2*keySize])
	again := formatKeyFile(id, &key)
	defer clear(again)
	if idErr != nil || keyErr != nil || !bytes.Equal(again, content) {
		clear(key[:])
		return id, key, false
	}
	return id, key, true
}
