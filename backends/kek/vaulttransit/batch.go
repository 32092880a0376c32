package vaulttransit

import (
	"context"
	"encoding/json"
	"errors"
	"slices"

	"github.com/hashicorp/vault/api"

	"github.com/cardseal/cardseal/backends/kek/internal/wrapped"
	"github.com/cardseal/cardseal/keys"
)

// maxBatch is how many data keys go into one request: some 300 bytes each, far
// below Vault's limit of 32 MiB.
const maxBatch = 1000

// Wrapped is a wrapped data key and what it is bound to.
type Wrapped struct {
	Bytes   []byte
	Binding keys.Binding
}

// Unwrapped is what became of a [Wrapped]: a data key of 32 bytes, or why there is
// none.
type Unwrapped struct {
	DataKey []byte
	Err     error
}

// UnwrapBatch unwraps many data keys in few calls, one for each 1,000. Its results
// are in the order of the items, one for each, and each fails or not by itself
// with the errors of [KEK.Unwrap]; where a whole call fails, all its items have
// its error. The caller wipes the data keys.
func (k *KEK) UnwrapBatch(ctx context.Context, items []Wrapped) []Unwrapped {
	out := make([]Unwrapped, len(items))
	for first := 0; first < len(items); first += maxBatch {
		last := min(first+maxBatch, len(items))
		k.unwrapSome(ctx, items[first:last], out[first:last])
	}
	return out
}

// batchItem is an item that was sent.
type batchItem struct {
	at    int // its place among items and results
	check wrapped.Check
	ct    ciphertext
	aad   []byte
	b     keys.Binding
}

// batchAnswer is what Vault returns for them, in their order.
type batchAnswer struct {
	Data struct {
		Results []struct {
			Plaintext plaintext `json:"plaintext"`
			Error     string    `json:"error"`
		} `json:"batch_results"`
	} `json:"data"`
}

func (a *batchAnswer) wipe() {
	for _, r := range a.Data.Results {
		clear(r.Plaintext)
	}
}

func (k *KEK) unwrapSome(ctx context.Context, items []Wrapped, out []Unwrapped) {
	if err := k.ready(ctx); err != nil {
		for i := range out {
			out[i].Err = err
		}
		return
	}
	var sent []batchItem
	room := 0
	for i, item := range items {
		check, ct, aad, err := k.parse("decrypt", item.Bytes, item.Binding)
		if out[i].Err = err; err == nil {
			sent = append(sent, batchItem{i, check, ct, aad, item.Binding})
			room += len(ct.raw) + len(aad) + 64
		}
	}
	if len(sent) == 0 {
		return
	}
	c := k.post("decrypt", batchBody(sent, room))
	c.limit, c.batch = maxAnswer+256*len(sent), true
	var a batchAnswer
	defer a.wipe()
	err := k.do(ctx, c, &a)
	if err == nil && len(a.Data.Results) != len(sent) {
		err = c.failed(keys.ErrUnavailable, errNotVault)
	}
	switch {
	case badRequest(err):
		err = k.refused(ctx, c, err, sent, out)
	case err == nil:
		err = k.results(ctx, c, sent, a, out)
	}
	if err != nil {
		for _, s := range sent {
			clear(out[s.at].DataKey)
			out[s.at] = Unwrapped{Err: err}
		}
	}
}

func batchBody(sent []batchItem, room int) *body {
	b := newBody(room)
	b.number("partial_failure_response_code", 200) // without it 400, as where all fail
	b.next("batch_input")
	b.text = append(b.text, '[')
	for i, s := range sent {
		if i > 0 {
			b.text = append(b.text, ',')
		}
		b.text = append(b.text, '{')
		b.ciphertext(s.ct).bytes("context", s.aad).end()
	}
	b.text = append(b.text, ']')
	return b.end()
}

// refused gives every item its kind where Vault refused all in one.
func (k *KEK) refused(ctx context.Context, c call, vendor error, sent []batchItem, out []Unwrapped) error {
	kind, err := k.verdict(ctx)
	if err != nil {
		return err
	}
	var answer *api.ResponseError
	errors.As(vendor, &answer)
	for _, s := range sent {
		out[s.at].Err = c.failed(kind(s.ct), answer)
	}
	return nil
}

// decodeResults reads the results that came with the status 400, which is how
// Vault answers where no item at all could be served.
func decodeResults(resp *api.Response, into any) bool {
	a, ok := into.(*batchAnswer)
	if !ok {
		return false
	}
	text, err := read(resp.Body, maxKeyAnswer)
	defer clear(text)
	return err == nil && json.Unmarshal(text, a) == nil && len(a.Data.Results) > 0
}

// results reads what came back for what was sent. It fails only where nothing can
// be said of an item that Vault refused.
func (k *KEK) results(ctx context.Context, c call, sent []batchItem, a batchAnswer, out []Unwrapped) error {
	var kind func(ciphertext) error
	for i, r := range a.Data.Results {
		s, item := sent[i], &out[sent[i].at]
		dataKey := r.Plaintext
		switch {
		case r.Error != "":
			if kind == nil {
				var err error
				if kind, err = k.verdict(ctx); err != nil {
					return err
				}
			}
			item.Err = c.failed(kind(s.ct), errors.New(clip(r.Error, 512)))
		case dataKey == nil:
			item.Err = c.failed(keys.ErrUnavailable, errNotVault)
		case !s.check.Matches(dataKey, s.b, nil):
			item.Err = c.failed(keys.ErrCorrupt, nil)
		default:
			item.DataKey = slices.Clone(dataKey)
		}
	}
	return nil
}
