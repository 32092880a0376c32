package vaulttransit

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"

	"github.com/hashicorp/vault/api"

	"github.com/cardseal/cardseal/keys"
)

// Bounds of an answer in bytes. One data key takes some 500; a key lists its
// versions at some 20 each.
const (
	maxAnswer    = 16 << 10
	maxKeyAnswer = 4 << 20
)

// errNotVault is an answer that cannot be read as one of Vault's. What was wrong
// with it is not said: a parser's error quotes, and answers hold data keys.
var errNotVault = errors.New("vaulttransit: the answer is not one of Vault's, or was cut off")

// call is one request to Vault.
type call struct {
	capability string // what a policy must grant on path
	path       string
	body       *body // nil for a read
	limit      int   // of the answer, in bytes
	batch      bool  // a 400 may hold results, which tell what failed
}

// name is the call in the words of a policy; a login has no path that we know.
func (c call) name() string {
	if c.path == "" {
		return c.capability
	}
	return c.capability + " " + c.path
}

func (c call) failed(kind, vendor error) *keys.CallError {
	return &keys.CallError{Call: c.name(), Kind: kind, Err: vendor}
}

// do makes the call once and reads the answer into what into points to. It wipes
// the request's body and the answer. Its errors are keys.CallErrors, but those of
// a call that did not begin.
func (k *KEK) do(ctx context.Context, c call, into any) error {
	if c.body != nil {
		defer c.body.wipe()
	}
	if err := k.ready(ctx); err != nil {
		return err
	}
	token := k.client.Token()
	client := k.calls.WithRequestCallbacks(func(r *api.Request) {
		r.ClientToken = token
		if c.body != nil {
			r.Body = c.body
		}
	})
	var resp *api.Response
	var err error
	if c.body == nil {
		resp, err = client.Logical().ReadRawWithContext(ctx, c.path)
	} else {
		resp, err = client.Logical().WriteRawWithContext(ctx, c.path, nil)
	}
	if resp != nil && resp.Body != nil {
		defer resp.Body.Close()
	}
	if err != nil {
		if c.batch && resp != nil && resp.StatusCode == http.StatusBadRequest && decodeResults(resp, into) {
			return nil
		}
		return k.failed(ctx, c, token, err)
	}
	if resp.StatusCode != http.StatusOK {
		return c.failed(keys.ErrUnavailable, errNotVault)
	}
	text, err := read(resp.Body, c.limit)
	defer clear(text)
	if err != nil {
		return classify(ctx, c, err)
	}
	if json.Unmarshal(text, into) != nil {
		return c.failed(keys.ErrUnavailable, errNotVault)
	}
	return nil
}

// failed is what a failed call comes to. Where the token was refused and turns
// out to be dead, the session has logged in again and another try helps.
func (k *KEK) failed(ctx context.Context, c call, token string, err error) error {
	e := classify(ctx, c, err)
	if refusedWith(e, http.StatusForbidden) && k.session != nil && k.session.replaced(ctx, token) {
		e.Kind = keys.ErrUnavailable
	}
	return e
}

// read reads an answer of at most limit bytes. It returns what it read with an
// error too, to be wiped, and wipes what it outgrew.
func read(r io.Reader, limit int) ([]byte, error) {
	buf := make([]byte, min(limit, maxAnswer)+1)
	for n := 0; ; {
		m, err := r.Read(buf[n:])
		n += m
		switch {
		case n > limit:
			return buf, errNotVault
		case err == io.EOF && n > 0:
			return buf[:n], nil
		case err != nil:
			return buf, err
		case n == len(buf):
			grown := make([]byte, min(2*n, limit+1))
			copy(grown, buf)
			clear(buf)
			buf = grown
		}
	}
}
