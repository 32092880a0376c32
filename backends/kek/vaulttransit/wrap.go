package vaulttransit

import (
	"context"
	"crypto/subtle"
	"fmt"
	"math"
	"strconv"

	"github.com/cardseal/cardseal/backends/kek/internal/wrapped"
	"github.com/cardseal/cardseal/keys"
)

// answer is what the operations on a ciphertext return.
type answer struct {
	Data struct {
		Plaintext  plaintext `json:"plaintext"`
		Ciphertext string    `json:"ciphertext"`
	} `json:"data"`
}

// Wrap appends the wrapped form of a data key of exactly 32 bytes. It makes three
// calls: it reads the key, since Vault would make one that is gone, encrypts, and
// has the result decrypted to see that it is what it should be.
func (k *KEK) Wrap(ctx context.Context, dst, dataKey []byte, b keys.Binding) ([]byte, error) {
	if err := k.ready(ctx); err != nil {
		return nil, err
	}
	if len(dataKey) != keys.DataKeySize {
		return nil, &ParamError{"data key", fmt.Sprintf("must be %d bytes", keys.DataKeySize)}
	}
	aad, err := contextOf(b)
	if err != nil {
		return nil, err
	}
	if _, err := k.readKey(ctx); err != nil {
		return nil, err
	}
	body := newBody(len(dataKey)+len(aad)).bytes("plaintext", dataKey).bytes("context", aad).end()
	var a answer
	defer func() { clear(a.Data.Plaintext) }()
	c := k.post("encrypt", body)
	if err := k.do(ctx, c, &a); err != nil {
		return nil, k.refusal(ctx, c, err, nil)
	}
	return k.keep(ctx, dst, dataKey, b, aad, c, a.Data.Ciphertext)
}

// GenerateDataKey appends a data key that Vault made to dst and returns it with
// its wrapped form. Like [KEK.Wrap] it reads the key before and has the result
// decrypted after.
func (k *KEK) GenerateDataKey(ctx context.Context, dst []byte, b keys.Binding) (dataKey, wrapped []byte, err error) {
	if err := k.ready(ctx); err != nil {
		return nil, nil, err
	}
	aad, err := contextOf(b)
	if err != nil {
		return nil, nil, err
	}
	if _, err := k.readKey(ctx); err != nil {
		return nil, nil, err
	}
	body := newBody(len(aad)).number("bits", 8*keys.DataKeySize).bytes("context", aad).end()
	var a answer
	defer func() { clear(a.Data.Plaintext) }()
	c := k.post("datakey/plaintext", body)
	if err := k.do(ctx, c, &a); err != nil {
		return nil, nil, k.refusal(ctx, c, err, nil)
	}
	if a.Data.Plaintext == nil {
		return nil, nil, c.failed(keys.ErrUnavailable, errNotVault)
	}
	if len(a.Data.Plaintext) != keys.DataKeySize {
		return nil, nil, c.failed(keys.ErrCorrupt, nil)
	}
	wrapped, err = k.keep(ctx, nil, a.Data.Plaintext, b, aad, c, a.Data.Ciphertext)
	if err != nil {
		return nil, nil, err
	}
	return append(dst, a.Data.Plaintext...), wrapped, nil
}

// keep has Vault decrypt what it gave in answer to c, and appends its stored form
// if that is the data key. Vault's answers carry no checksum.
func (k *KEK) keep(ctx context.Context, dst, dataKey []byte, b keys.Binding, aad []byte, c call, text string) ([]byte, error) {
	ct, ok := parseText([]byte(text))
	if !ok {
		return nil, c.failed(keys.ErrUnavailable, errNotVault)
	}
	got, err := k.decrypt(ctx, ct, aad)
	defer clear(got)
	if err != nil {
		return nil, err
	}
	if subtle.ConstantTimeCompare(got, dataKey) != 1 {
		return nil, c.failed(keys.ErrCorrupt, nil)
	}
	check, err := wrapped.NewCheck(dataKey, b, nil)
	if err != nil {
		return nil, err
	}
	return ct.appendStored(dst, check), nil
}

// Unwrap appends the data key to dst.
func (k *KEK) Unwrap(ctx context.Context, dst, wrapped []byte, b keys.Binding) ([]byte, error) {
	if err := k.ready(ctx); err != nil {
		return nil, err
	}
	check, ct, aad, err := k.parse("decrypt", wrapped, b)
	if err != nil {
		return nil, err
	}
	got, err := k.decrypt(ctx, ct, aad)
	defer clear(got)
	if err != nil {
		return nil, err
	}
	if !check.Matches(got, b, nil) {
		return nil, k.post("decrypt", nil).failed(keys.ErrCorrupt, nil)
	}
	return append(dst, got...), nil
}

// decrypt returns what Vault decrypts, unchecked but for being there.
func (k *KEK) decrypt(ctx context.Context, ct ciphertext, aad []byte) ([]byte, error) {
	var a answer
	c := k.post("decrypt", newBody(len(aad)+len(ct.raw)).ciphertext(ct).bytes("context", aad).end())
	if err := k.do(ctx, c, &a); err != nil {
		clear(a.Data.Plaintext)
		return nil, k.refusal(ctx, c, err, &ct)
	}
	if a.Data.Plaintext == nil {
		return nil, c.failed(keys.ErrUnavailable, errNotVault)
	}
	return a.Data.Plaintext, nil
}

// Rewrap appends the data key wrapped under the newest version of the key, or
// that which the key's min_encryption_version names. The data key stays in Vault,
// and a policy can grant this without decryption.
func (k *KEK) Rewrap(ctx context.Context, dst, wrapped []byte, b keys.Binding) ([]byte, error) {
	if err := k.ready(ctx); err != nil {
		return nil, err
	}
	check, ct, aad, err := k.parse("rewrap", wrapped, b)
	if err != nil {
		return nil, err
	}
	var a answer
	defer func() { clear(a.Data.Plaintext) }()
	c := k.post("rewrap", newBody(len(aad)+len(ct.raw)).ciphertext(ct).bytes("context", aad).end())
	if err := k.do(ctx, c, &a); err != nil {
		return nil, k.refusal(ctx, c, err, &ct)
	}
	again, ok := parseText([]byte(a.Data.Ciphertext))
	if !ok {
		return nil, c.failed(keys.ErrUnavailable, errNotVault)
	}
	return again.appendStored(dst, check), nil
}

// Version is the number of the key's version that wrapped a data key, "" where
// the bytes are no wrapped data key.
func (k *KEK) Version(wrapped []byte) string {
	_, ct, ok := parseStored(wrapped)
	if !ok {
		return ""
	}
	return strconv.FormatUint(uint64(ct.version), 10)
}

func (k *KEK) post(operation string, b *body) call {
	return call{capability: "update", path: k.name.path(operation), body: b, limit: maxAnswer}
}

// parse takes wrapped bytes apart; what fails here is not sent.
func (k *KEK) parse(operation string, form []byte, b keys.Binding) (wrapped.Check, ciphertext, []byte, error) {
	check, ct, ok := parseStored(form)
	aad, err := contextOf(b)
	if !ok || err != nil {
		return check, ct, nil, k.post(operation, nil).failed(keys.ErrCorrupt, nil)
	}
	return check, ct, aad, nil
}

// refusal explains a request that Vault called bad, and leaves other errors alone.
func (k *KEK) refusal(ctx context.Context, c call, err error, ct *ciphertext) error {
	if badRequest(err) {
		return k.explain(ctx, c, err, ct)
	}
	return err
}

// contextOf is the context of the derived key that wraps under a binding: Vault
// derives a key of its own from it.
func contextOf(b keys.Binding) ([]byte, error) {
	if max(len(b.Environment), len(b.Scope), len(b.Purpose)) > math.MaxUint16 {
		return nil, &ParamError{"binding", "has a text longer than 65,535 bytes"}
	}
	return b.AAD(), nil
}
