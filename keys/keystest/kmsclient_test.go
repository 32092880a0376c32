package keystest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"testing"

	"github.com/cardseal/cardseal/keys"
)

// remote is a KEK in the model KMS, sound as it is made. What it stores is a check
// value (16 bytes), then what the KMS gave.
type remote struct {
	*model
	s         *kms
	key, addr string
	token     string
	client    *http.Client

	// Parts that tests break.
	roundTrip func(req *http.Request) (*http.Response, error)
	read      func(io.Reader) ([]byte, error)
	context   func(ctx context.Context) context.Context
	kind      func(err error) error
	verify    bool // Wrap sees that what it gives unwraps
	checks    bool // Unwrap looks at the check value
	version   func(wrapped []byte) string
}

func (s *kms) open(t *testing.T, key, addr string) *remote {
	r := &remote{
		s: s, key: key, addr: addr, token: "good", verify: true, checks: true, read: io.ReadAll,
		client:  &http.Client{Transport: &http.Transport{}},
		context: func(ctx context.Context) context.Context { return ctx },
		kind:    func(err error) error { return err },
		version: func(w []byte) string { return fmt.Sprint(w[16]) },
	}
	t.Cleanup(r.client.CloseIdleConnections)
	r.roundTrip = r.client.Do
	r.model = &model{KEK: NewKEK(key), id: func() string { return key }, why: "it is a model"}
	r.wrap = func(c call) ([]byte, error) {
		out, err := r.wrapped(c)
		if err != nil {
			return nil, err
		}
		return append(c.dst, out...), nil
	}
	r.unwrap = func(c call) ([]byte, error) {
		out, err := r.unwrapped(c.ctx, c.in, c.b)
		if err != nil {
			return nil, err
		}
		return append(c.dst, out...), nil
	}
	r.generate = func(c call) ([]byte, []byte, error) {
		c.in = randomBytes(keys.DataKeySize)
		out, err := r.wrapped(c)
		if err != nil {
			return nil, nil, err
		}
		return append(c.dst, c.in...), out, nil
	}
	r.rewrap = func(c call) ([]byte, error) {
		if len(c.in) < 17 {
			return nil, keys.ErrCorrupt
		}
		out, err := r.ask(c.ctx, "rewrap", c.in[16:], c.b)
		if err != nil {
			return nil, err
		}
		return append(append(c.dst, c.in[:16]...), out...), nil
	}
	r.check = func(ctx context.Context) error {
		_, err := r.ask(ctx, "check", nil, keys.Binding{})
		return err
	}
	return r
}

func (r *remote) Version(wrapped []byte) string {
	if len(wrapped) < 17 || len(wrapped) > 100 {
		return ""
	}
	return r.version(wrapped)
}

func (r *remote) wrapped(c call) ([]byte, error) {
	if len(c.in) != keys.DataKeySize {
		return nil, errors.New("not a data key")
	}
	out, err := r.ask(c.ctx, "wrap", c.in, c.b)
	if err != nil {
		return nil, err
	}
	check := sha256.Sum256(append(c.b.AAD(), c.in...))
	out = append(check[:16], out...)
	if r.verify {
		if got, err := r.unwrapped(c.ctx, out, c.b); err != nil {
			return nil, err
		} else if !bytes.Equal(got, c.in) {
			return nil, r.kind(keys.ErrCorrupt)
		}
	}
	return out, nil
}

func (r *remote) unwrapped(ctx context.Context, wrapped []byte, b keys.Binding) ([]byte, error) {
	if len(wrapped) < 17 || len(wrapped) > 4064 {
		return nil, keys.ErrCorrupt
	}
	out, err := r.ask(ctx, "unwrap", wrapped[16:], b)
	if err != nil {
		return nil, err
	}
	check := sha256.Sum256(append(b.AAD(), out...))
	if r.checks && (len(out) != keys.DataKeySize || !bytes.Equal(check[:16], wrapped[:16])) {
		return nil, r.kind(keys.ErrCorrupt)
	}
	return out, nil
}

// ask makes one call to the KMS.
func (r *remote) ask(ctx context.Context, op string, in []byte, b keys.Binding) ([]byte, error) {
	out, err := r.post(r.context(ctx), kmsRequest{Op: op, Token: r.token, Key: r.key, In: in, AAD: b.AAD()})
	if err == nil {
		return out, nil
	}
	var status statusError
	kind := keys.ErrUnavailable
	switch errors.As(err, &status); {
	case ctx.Err() != nil:
		kind = ctx.Err()
	case status == kmsMissing:
		kind = keys.ErrNotFound
	case status == kmsDisabled:
		kind = keys.ErrDisabled
	case status == kmsBad:
		kind = keys.ErrCorrupt
	case status >= 400 && status < 500:
		kind = keys.ErrDenied
	}
	return nil, r.kind(&keys.CallError{Call: op, Kind: kind, Err: err})
}

var errUnreadable = errors.New("an answer that cannot be read")

type statusError int

func (s statusError) Error() string { return fmt.Sprintf("status %d", int(s)) }

func (r *remote) post(ctx context.Context, q kmsRequest) ([]byte, error) {
	body, err := json.Marshal(q)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+r.addr+"/", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	resp, err := r.roundTrip(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	text, err := r.read(resp.Body)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		return nil, statusError(resp.StatusCode)
	}
	var a kmsAnswer
	if json.Unmarshal(text, &a) != nil {
		return nil, errUnreadable
	}
	return a.Out, nil
}
