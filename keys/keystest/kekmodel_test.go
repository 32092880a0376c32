package keystest

import (
	"bytes"
	"context"

	"github.com/cardseal/cardseal/keys"
)

// model is a KEK with every optional interface, each call of which a test can
// replace to break one promise.
type model struct {
	*KEK
	id                   func() string
	wrap, unwrap, rewrap func(c call) ([]byte, error)
	generate             func(c call) (dataKey, wrapped []byte, err error)
	check                func(ctx context.Context) error
	why                  string
	sharesKey, reopened  keys.KEK // stand in for another key, and for this one anew
}

// call is what a KEK's calls are given: in is the data key or its wrapped form.
type call struct {
	ctx     context.Context
	dst, in []byte
	b       keys.Binding
}

func newModel(id string) *model {
	k := NewKEK(id)
	m := &model{KEK: k, id: k.ID, why: "it is a model"}
	m.wrap = func(c call) ([]byte, error) { return k.Wrap(c.ctx, c.dst, c.in, c.b) }
	m.unwrap = func(c call) ([]byte, error) { return k.Unwrap(c.ctx, c.dst, c.in, c.b) }
	m.rewrap = func(c call) ([]byte, error) {
		key, err := k.Unwrap(c.ctx, nil, c.in, c.b)
		if err != nil {
			return nil, err
		}
		return k.Wrap(c.ctx, c.dst, key, c.b)
	}
	m.generate = func(c call) ([]byte, []byte, error) {
		key := randomBytes(keys.DataKeySize)
		wrapped, err := k.Wrap(c.ctx, nil, key, c.b)
		if err != nil {
			return nil, nil, err
		}
		return append(c.dst, key...), wrapped, nil
	}
	m.check = func(ctx context.Context) error {
		_, err := k.Wrap(ctx, nil, make([]byte, keys.DataKeySize), keys.Binding{})
		return err
	}
	return m
}

func (m *model) ID() string { return m.id() }

func (m *model) Wrap(ctx context.Context, dst, dataKey []byte, b keys.Binding) ([]byte, error) {
	return m.wrap(call{ctx, dst, dataKey, b})
}

func (m *model) Unwrap(ctx context.Context, dst, wrapped []byte, b keys.Binding) ([]byte, error) {
	return m.unwrap(call{ctx, dst, wrapped, b})
}

func (m *model) Rewrap(ctx context.Context, dst, wrapped []byte, b keys.Binding) ([]byte, error) {
	return m.rewrap(call{ctx, dst, wrapped, b})
}

func (m *model) GenerateDataKey(ctx context.Context, dst []byte, b keys.Binding) ([]byte, []byte, error) {
	return m.generate(call{ctx: ctx, dst: dst, b: b})
}

func (m *model) Check(ctx context.Context) error { return m.check(ctx) }
func (m *model) Development() string             { return m.why }

// rebind has the model bind to less than it is told.
func (m *model) rebind(less func(b *keys.Binding)) *model {
	wrap, unwrap := m.wrap, m.unwrap
	m.wrap = func(c call) ([]byte, error) { less(&c.b); return wrap(c) }
	m.unwrap = func(c call) ([]byte, error) { less(&c.b); return unwrap(c) }
	return m
}

// reading has the model change the wrapped bytes before it unwraps them.
func (m *model) reading(change func(wrapped []byte) []byte) *model {
	unwrap := m.unwrap
	m.unwrap = func(c call) ([]byte, error) {
		c.in = change(bytes.Clone(c.in))
		return unwrap(c)
	}
	return m
}

// refusing has the model answer a failed unwrap otherwise.
func (m *model) refusing(answer func(c call, err error) ([]byte, error)) *model {
	unwrap := m.unwrap
	m.unwrap = func(c call) ([]byte, error) {
		out, err := unwrap(c)
		if err != nil {
			return answer(c, err)
		}
		return out, nil
	}
	return m
}
