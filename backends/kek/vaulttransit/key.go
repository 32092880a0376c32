package vaulttransit

import (
	"context"
	"slices"

	"github.com/cardseal/cardseal/keys"
)

// KeyError is a key of the Transit engine that cannot serve, and the command that
// makes one that can. It comes as the error of a keys.CallError whose kind is
// keys.ErrDisabled.
type KeyError struct {
	Key    string // the key's path, "transit/keys/pan"
	Reason string
}

func (e *KeyError) Error() string {
	return "vaulttransit: " + e.Key + " " + e.Reason + "; this makes a key that serves: " + e.Command()
}

// Command makes a key that serves. What is wrong with a key cannot be changed
// afterwards, so the new one needs a name of its own.
func (e *KeyError) Command() string { return "vault write -f " + e.Key + "-2 derived=true" }

// cipherTypes are the keys that encrypt 256-bit data keys with a cipher of at
// least their strength and authenticate. AES-128 is weaker than what it would
// guard. The last one is OpenBao's.
var cipherTypes = []string{"aes256-gcm96", "chacha20-poly1305", "xchacha20-poly1305"}

// keyState is what Vault tells of a key.
type keyState struct {
	Type        string `json:"type"`
	Derived     bool   `json:"derived"`
	Convergent  bool   `json:"convergent_encryption"`
	Latest      uint32 `json:"latest_version"`
	MinDecrypt  uint32 `json:"min_decryption_version"`
	MinAvail    uint32 `json:"min_available_version"`
	SoftDeleted bool   `json:"soft_deleted"`
}

// unfit says why the key cannot serve, "" where it can.
func (s *keyState) unfit() string {
	switch {
	case !slices.Contains(cipherTypes, s.Type):
		return "has the type " + clip(s.Type, 64) + ", which does not encrypt data keys of 256 bits"
	case !s.Derived:
		return "is not derived, so that it would ignore what a data key is bound to"
	case s.Convergent:
		return "encrypts convergently, so that equal data keys would show"
	case s.SoftDeleted:
		return "is deleted until it is restored"
	}
	return ""
}

// readKey reads the key and refuses one that cannot serve. It must be read right
// before encrypting: Vault makes a key that does not exist, where policy lets it.
func (k *KEK) readKey(ctx context.Context) (*keyState, error) {
	c := call{capability: "read", path: k.name.key(), limit: maxKeyAnswer}
	var answer struct {
		Data *keyState `json:"data"`
	}
	if err := k.do(ctx, c, &answer); err != nil {
		return nil, err
	}
	if answer.Data == nil || answer.Data.Type == "" || answer.Data.Latest == 0 {
		return nil, c.failed(keys.ErrUnavailable, errNotVault)
	}
	if reason := answer.Data.unfit(); reason != "" {
		return nil, c.failed(keys.ErrDisabled, &KeyError{k.name.key(), reason})
	}
	return answer.Data, nil
}
