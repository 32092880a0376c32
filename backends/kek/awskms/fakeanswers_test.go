package awskms

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"maps"
	"strings"
)

// answer is what KMS answers to a request, or the code with which it refuses.
func (f *fakeKMS) answer(op, region string, q request) (map[string]any, string) {
	name := q.KeyId
	if op == "ReEncrypt" {
		name = q.DestinationKeyId
	}
	if !strings.HasPrefix(name, "arn:") {
		name = "arn:aws:kms:" + region + ":" + account + ":" + strings.Replace("key/"+name, "key/alias/", "alias/", 1)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if target := f.aliases[name]; target != "" {
		name = target
	}
	key := f.keys[name]
	if key == nil || !strings.Contains(name, ":"+region+":") {
		return nil, "NotFoundException"
	}
	if op == "DescribeKey" {
		return map[string]any{"KeyMetadata": maps.Clone(key)}, ""
	}
	switch key["KeyState"] {
	case "Disabled":
		return nil, "DisabledException"
	case "PendingDeletion", "Unavailable":
		return nil, "KMSInvalidStateException"
	}
	id := key["KeyId"].(string)
	aad := func(id string, bound map[string]string) []byte {
		if f.unbound {
			bound = nil
		}
		return aad(id, bound)
	}
	seal := func(plain []byte, bound map[string]string) []byte {
		return f.aead.Seal([]byte(id+"|"), nil, plain, aad(id, bound))
	}
	switch op {
	case "Encrypt":
		return map[string]any{"KeyId": name, "CiphertextBlob": seal(q.Plaintext, q.EncryptionContext)}, ""
	case "GenerateDataKey":
		if q.KeySpec != "AES_256" {
			return nil, "ValidationException"
		}
		plain := make([]byte, 32)
		rand.Read(plain)
		return map[string]any{"KeyId": name, "CiphertextBlob": seal(plain, q.EncryptionContext), "Plaintext": plain}, ""
	case "Decrypt", "ReEncrypt":
		bound := q.EncryptionContext
		if op == "ReEncrypt" {
			bound = q.SourceEncryptionContext
			if q.SourceKeyId != q.DestinationKeyId {
				return nil, "IncorrectKeyException"
			}
		}
		from, sealed, ok := bytes.Cut(q.CiphertextBlob, []byte("|"))
		if !ok {
			return nil, "InvalidCiphertextException"
		}
		if string(from) != id {
			return nil, "IncorrectKeyException"
		}
		plain, err := f.aead.Open(nil, nil, sealed, aad(id, bound))
		if err != nil {
			return nil, "InvalidCiphertextException"
		}
		if op == "Decrypt" {
			return map[string]any{"KeyId": name, "Plaintext": plain}, ""
		}
		return map[string]any{
			"KeyId": name, "SourceKeyId": name, "CiphertextBlob": seal(plain, q.DestinationEncryptionContext),
		}, ""
	}
	return nil, "UnknownOperationException"
}

// aad has an order of its own: JSON sorts the names.
func aad(id string, bound map[string]string) []byte {
	text, err := json.Marshal([]any{id, bound})
	if err != nil {
		panic(err)
	}
	return text
}
