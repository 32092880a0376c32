package awskms

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"github.com/cardseal/cardseal/keys"
)

// Options of [New]; nil is the zero value.
type Options struct {
	// GrantTokens let calls use a grant that has not reached all of KMS yet.
	// At most ten.
	GrantTokens []string
	// Closer is closed by [KEK.Close], after which nothing uses it: what the
	// caller made for this KEK alone, the idle connections of an HTTP client say.
	// nil where the caller keeps it.
	Closer io.Closer
}

// KEK is a symmetric key in AWS KMS. It implements keys.KEK, keys.Generator,
// keys.Rewrapper and keys.Checker.
type KEK struct {
	key    keyARN
	s      *session // behind a pointer, so that it does not print
	closed atomic.Bool
}

// session is what calls are made with.
type session struct {
	client *kms.Client
	grants []string
	closer io.Closer
	close  sync.Once
}

// New returns the KEK that key names: a key ARN, an alias ARN, or – in cfg's
// region – a key ID, an alias as "alias/…". A region in the name goes before
// cfg's. An alias is looked up once: pointing it elsewhere later does not move
// the KEK.
//
// It asks KMS once (DescribeKey) for the key's ARN, state, usage and spec, and
// refuses any key but an enabled symmetric one for encryption with
// keys.ErrDisabled. Where DescribeKey is denied and key is a key's full ARN it
// goes on without. Other failures are a *[ParamError] or a *keys.CallError.
func New(ctx context.Context, cfg aws.Config, key string, o *Options) (*KEK, error) {
	if o == nil {
		o = &Options{}
	}
	if len(o.GrantTokens) > maxGrants {
		return nil, &ParamError{"grant tokens", fmt.Sprintf("must be at most %d", maxGrants)}
	}
	named, err := parseKey(key)
	if err != nil {
		return nil, err
	}
	if named.region == "" {
		named.region = cfg.Region
	}
	if named.region == "" {
		return nil, &ParamError{"key", "has no region in its name, and the configuration has none"}
	}
	s := &session{client: newClient(cfg, named.region), grants: slices.Clone(o.GrantTokens), closer: o.Closer}
	arn, err := s.describe(ctx, key, named)
	if err != nil {
		return nil, err
	}
	return &KEK{key: arn, s: s}, nil
}

const maxGrants = 10

// newClient makes a client that tries once and logs no bodies.
func newClient(cfg aws.Config, region string) *kms.Client {
	return kms.NewFromConfig(cfg, func(o *kms.Options) {
		o.Region = region
		o.Retryer = aws.NopRetryer{}
		o.RetryMaxAttempts = 0 // or it would wrap the retryer
		o.ClientLogMode.ClearRequestWithBody()
		o.ClientLogMode.ClearResponseWithBody()
		o.HTTPClient = plainBodies{o.HTTPClient}
	})
}

// plainBodies has requests read by Read alone. The vendor's client closes a
// request's body once the answer's header is there; its WriteTo then fails with
// io.EOF, where Read ends, and net/http, which looks once more behind a body that it
// has sent, takes that for a failure and drops the connection under the answer.
type plainBodies struct{ inner kms.HTTPClient }

func (c plainBodies) Do(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		r.Body = struct{ io.ReadCloser }{r.Body}
	}
	return c.inner.Do(r)
}

// ID is the key's ARN. For a multi-Region key it has no region, as in
// arn:aws:kms::111122223333:key/mrk-…, since the related keys of all regions are
// one key.
func (k *KEK) ID() string {
	if k == nil {
		return ""
	}
	return k.key.id()
}

// String is the ID.
func (k *KEK) String() string { return k.ID() }

// Format prints the ID whatever the verb, so that nothing of the client does.
func (k *KEK) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, k.ID()) }

// Close makes every later call fail with [ErrClosed] and closes Options.Closer,
// whose error it returns. Calls under way end as usual, or with
// keys.ErrUnavailable where the Closer takes their connection away. Closing again
// does nothing.
func (k *KEK) Close() (err error) {
	if k == nil || k.s == nil {
		return ErrClosed
	}
	k.closed.Store(true)
	k.s.close.Do(func() {
		if k.s.closer != nil {
			err = k.s.closer.Close()
		}
	})
	return err
}

// use comes first in every call. The zero KEK is a closed one.
func (k *KEK) use(ctx context.Context) error {
	if k == nil || k.s == nil || k.closed.Load() {
		return ErrClosed
	}
	return ctx.Err()
}

var (
	_ keys.KEK       = (*KEK)(nil)
	_ keys.Generator = (*KEK)(nil)
	_ keys.Rewrapper = (*KEK)(nil)
	_ keys.Checker   = (*KEK)(nil)
)
