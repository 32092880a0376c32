package vaulttransit

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"

	"github.com/hashicorp/vault/api"

	"github.com/cardseal/cardseal/keys"
)

// ErrClosed is the use of a closed KEK or session. It is keys.ErrClosed to
// errors.Is.
var ErrClosed error = closedError{}

type closedError struct{}

func (closedError) Error() string        { return "vaulttransit: KEK is closed" }
func (closedError) Is(target error) bool { return target == keys.ErrClosed }

// Options are what [New] need not be told.
type Options struct {
	// Cluster names the Vault in the KEK's ID: letters, digits, "-", "_" and ".",
	// at most 64. Give one where keys of several Vaults serve beside each other;
	// empty leaves it out.
	Cluster string
	// Closer is closed by [KEK.Close]: a [Session], say. nil where the caller
	// keeps the client logged in. Where it is the session of New's client, a
	// refusal that comes of a dead token makes the session log in again. New leaves
	// it open where it fails.
	Closer io.Closer
}

// KEK wraps data keys under one derived key of a Transit engine. It implements
// keys.KEK, keys.Generator, keys.Rewrapper, keys.Versioned and keys.Checker, and
// is safe for concurrent use.
type KEK struct {
	id      string
	name    keyName
	client  *api.Client // the caller's: whose token of the moment is used
	calls   *api.Client // makes the calls: never tries again, has no time limit of its own
	session *Session    // nil where the caller keeps the client logged in
	closed  atomic.Bool
	close   func() error
}

// New returns the KEK that is the key name of the Transit engine mounted at
// mount. It reads the key once, and refuses one that would not bind (see
// [KeyError]); a key that does not exist is keys.ErrNotFound and is not created.
//
// The client's address, TLS and namespace are taken as they are now; its token
// is asked for with every call, so that renewals are followed. The client itself
// is not changed. Its own retries and its time limit (60 seconds by default) do
// not apply: ctx alone says how long a call may take.
func New(ctx context.Context, client *api.Client, mount, name string, o *Options) (*KEK, error) {
	if client == nil {
		return nil, errors.New("vaulttransit: no client")
	}
	if o == nil {
		o = new(Options)
	}
	n, err := newKeyName(o.Cluster, client.Namespace(), mount, name)
	if err != nil {
		return nil, err
	}
	calls, err := quiet(client)
	if err != nil {
		return nil, err
	}
	k := &KEK{id: n.id(), name: n, client: client, calls: calls, close: func() error { return nil }}
	if o.Closer != nil {
		k.close = sync.OnceValue(o.Closer.Close)
		if s, ok := o.Closer.(*Session); ok && s != nil && s.client == client {
			k.session = s
		}
	}
	if _, err := k.readKey(ctx); err != nil {
		return nil, err
	}
	return k, nil
}

// quiet clones a client for calls that are made once, end with their context, and
// carry no token of the clone's own.
func quiet(client *api.Client) (*api.Client, error) {
	c, err := client.CloneWithHeaders()
	if err != nil {
		return nil, fmt.Errorf("vaulttransit: clone the client: %w", err)
	}
	if err := c.SetAddress(client.Address()); err != nil {
		return nil, fmt.Errorf("vaulttransit: clone the client: %w", err)
	}
	c.ClearToken() // the clone takes one from the environment
	c.SetMaxRetries(0)
	c.SetCheckRetry(func(context.Context, *http.Response, error) (bool, error) { return false, nil })
	c.SetClientTimeout(0)
	c.SetWrappingLookupFunc(func(string, string) string { return "" })
	return c, nil
}

// ID is "vault:", the cluster and ":" where [Options] name one, the client's
// namespace, the mount, "/keys/" and the key's name: "vault:eu/transit/keys/pan".
// The address is not in it: one Vault is reached under several, and the ID is
// stored beside what the key wrapped.
func (k *KEK) ID() string { return k.id }

// String is the ID.
func (k *KEK) String() string { return k.id }

// GoString is the ID.
func (k *KEK) GoString() string { return k.id }

// Format prints the ID, whatever the verb: the client holds a token.
func (k *KEK) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, k.id) }

// Close makes every later call fail with [ErrClosed]; calls under way end as
// usual. It closes what Options.Closer holds, once, and returns its error.
func (k *KEK) Close() error {
	k.closed.Store(true)
	return k.close()
}

// ready says why a call cannot begin.
func (k *KEK) ready(ctx context.Context) error {
	if k == nil || k.calls == nil {
		return errors.New("vaulttransit: KEK was not made by New")
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if k.closed.Load() {
		return ErrClosed
	}
	return nil
}
