package keystest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/cardseal/cardseal/keys"
)

// kekFault is a KEK with one promise broken and the check that must find it.
type kekFault struct {
	check, name string
	broken      func() keys.KEK
}

func fault(check, name string, f func(m *model)) kekFault {
	return kekFault{check, name, func() keys.KEK {
		m := newModel("one")
		f(m)
		return m
	}}
}

var kekFaults = []kekFault{
	fault("ID", "empty", func(m *model) { m.id = func() string { return "" } }),
	fault("ID", "changes", func(m *model) { m.id = func() string { return strconv.Itoa(m.Wraps()) } }),
	fault("ID", "of another key", func(m *model) { m.id = func() string { return "two" } }),
	fault("ID", "line break", func(m *model) { m.id = func() string { return "a\nb" } }),
	fault("RoundTrip", "another key comes back", func(m *model) {
		m.unwrap = func(c call) ([]byte, error) { return make([]byte, keys.DataKeySize), nil }
	}),
	fault("RoundTrip", "in clear", func(m *model) {
		m.wrap = func(c call) ([]byte, error) { return append(c.dst, c.in...), nil }
		m.unwrap = m.wrap
	}),
	fault("RoundTrip", "too long", func(m *model) {
		wrap := m.wrap
		m.wrap = func(c call) ([]byte, error) {
			out, err := wrap(c)
			return append(out, make([]byte, 4096)...), err
		}
		m.reading(func(w []byte) []byte { return w[:len(w)-4096] })
	}),
	fault("RoundTrip", "opens once", func(m *model) {
		seen, unwrap := map[string]bool{}, m.unwrap
		m.unwrap = func(c call) ([]byte, error) {
			if seen[string(c.in)] {
				return nil, keys.ErrCorrupt
			}
			seen[string(c.in)] = true
			return unwrap(c)
		}
	}),
	fault("RoundTrip", "needs a scope", func(m *model) {
		wrap := m.wrap
		m.wrap = func(c call) ([]byte, error) {
			if c.b.Scope == "" {
				return nil, errors.New("no empty values")
			}
			return wrap(c)
		}
	}),
	fault("RoundTrip", "panics", func(m *model) { m.wrap = func(call) ([]byte, error) { panic("out of range") } }),
	fault("Reopened", "another ID", func(m *model) { m.reopened = newModel("three") }),
	fault("Reopened", "another key", func(m *model) { m.reopened = newModel("one") }),
	fault("Append", "wrap overwrites", func(m *model) {
		wrap := m.wrap
		m.wrap = func(c call) ([]byte, error) { c.dst = c.dst[:0]; return wrap(c) }
	}),
	fault("Append", "unwrap overwrites", func(m *model) {
		unwrap := m.unwrap
		m.unwrap = func(c call) ([]byte, error) { c.dst = c.dst[:0]; return unwrap(c) }
	}),
	fault("InputsKept", "wrap wipes", func(m *model) {
		wrap := m.wrap
		m.wrap = func(c call) ([]byte, error) { defer clear(c.in); return wrap(c) }
	}),
	fault("InputsKept", "unwrap wipes", func(m *model) {
		unwrap := m.unwrap
		m.unwrap = func(c call) ([]byte, error) { defer clear(c.in); return unwrap(c) }
	}),
	fault("InputsKept", "failed unwrap wipes", func(m *model) {
		m.refusing(func(c call, err error) ([]byte, error) { clear(c.in); return nil, err })
	}),
	fault("FreshEachTime", "remembered", func(m *model) {
		var last []byte
		wrap := m.wrap
		m.wrap = func(c call) ([]byte, error) {
			if last == nil {
				last, _ = wrap(c)
			}
			return last, nil
		}
	}),
	fault("DataKeySize", "takes any", func(m *model) {
		m.wrap = func(c call) ([]byte, error) { return m.aead.Seal(c.dst, nil, c.in, c.b.AAD()), nil }
	}),
	fault("DataKeySize", "pads", func(m *model) {
		wrap := m.wrap
		m.wrap = func(c call) ([]byte, error) {
			if len(c.in) < keys.DataKeySize {
				c.in = append(bytes.Clone(c.in), make([]byte, keys.DataKeySize-len(c.in))...)
			}
			return wrap(c)
		}
	}),
	fault("DataKeySize", "asks again", func(m *model) {
		m.wrap = func(c call) ([]byte, error) { return nil, keys.ErrUnavailable }
	}),
	fault("DataKeySize", "quotes it", func(m *model) {
		m.wrap = func(c call) ([]byte, error) { return nil, fmt.Errorf("bad data key %x", c.in) }
	}),
	fault("Binding", "no environment", func(m *model) { m.rebind(func(b *keys.Binding) { b.Environment = "" }) }),
	fault("Binding", "no scope", func(m *model) { m.rebind(func(b *keys.Binding) { b.Scope = "" }) }),
	fault("Binding", "no purpose", func(m *model) { m.rebind(func(b *keys.Binding) { b.Purpose = "" }) }),
	fault("Binding", "no key ID", func(m *model) { m.rebind(func(b *keys.Binding) { b.KeyID = keys.KeyID{} }) }),
	fault("Binding", "short key ID", func(m *model) { m.rebind(func(b *keys.Binding) { b.KeyID[15] = 0 }) }),
	fault("Binding", "no time", func(m *model) { m.rebind(func(b *keys.Binding) { b.Created = time.Time{} }) }),
	fault("Binding", "day", func(m *model) {
		m.rebind(func(b *keys.Binding) { b.Created = b.Created.Truncate(24 * time.Hour) })
	}),
	fault("Binding", "32-bit time", func(m *model) {
		m.rebind(func(b *keys.Binding) { b.Created = time.Unix(int64(uint32(b.Created.Unix())), 0) })
	}),
	fault("Binding", "joined", func(m *model) {
		m.rebind(func(b *keys.Binding) { b.Environment, b.Scope = b.Environment+b.Scope, "" })
	}),
	fault("Binding", "folded", func(m *model) {
		m.rebind(func(b *keys.Binding) { b.Environment = string(bytes.ToLower([]byte(b.Environment))) })
	}),
	fault("Binding", "trimmed", func(m *model) {
		m.rebind(func(b *keys.Binding) { b.Scope = string(bytes.TrimSpace([]byte(b.Scope))) })
	}),
	fault("CreatedInSeconds", "nanoseconds", func(m *model) {
		m.rebind(func(b *keys.Binding) { b.Environment += strconv.Itoa(b.Created.Nanosecond()) })
	}),
	fault("CreatedInSeconds", "zone", func(m *model) {
		m.rebind(func(b *keys.Binding) { b.Environment += b.Created.Format("-0700") })
	}),
	fault("BitsFlipped", "version unread", func(m *model) {
		wrap := m.wrap
		m.wrap = func(c call) ([]byte, error) { c.dst = append(c.dst, 1); return wrap(c) }
		m.reading(func(w []byte) []byte { return w[1:] })
	}),
	fault("BitsFlipped", "unavailable", func(m *model) {
		m.refusing(func(c call, err error) ([]byte, error) { return nil, errors.Join(keys.ErrUnavailable, err) })
	}),
	fault("BitsFlipped", "untyped", func(m *model) {
		m.refusing(func(c call, err error) ([]byte, error) { return nil, errors.New("no") })
	}),
	fault("Length", "tail unread", func(m *model) { m.reading(func(w []byte) []byte { return w[:min(len(w), 60)] }) }),
	fault("Length", "panics on little", func(m *model) {
		m.reading(func(w []byte) []byte { _ = w[11]; return w })
	}),
	fault("Length", "trims", func(m *model) { m.reading(func(w []byte) []byte { return bytes.TrimSuffix(w, []byte("\n")) }) }),
	fault("AnotherKey", "tries all", func(m *model) { m.sharesKey = m }),
	fault("NothingLeftInDst", "left behind", func(m *model) {
		m.refusing(func(c call, err error) ([]byte, error) { return nil, leave(m, c, err) })
	}),
	fault("NothingLeftInDst", "dst with the error", func(m *model) {
		m.refusing(func(c call, err error) ([]byte, error) { return c.dst, err })
	}),
	fault("Cancelled", "wrap goes on", func(m *model) {
		wrap := m.wrap
		m.wrap = func(c call) ([]byte, error) { c.ctx = context.WithoutCancel(c.ctx); return wrap(c) }
	}),
	fault("Cancelled", "unwrap goes on", func(m *model) {
		unwrap := m.unwrap
		m.unwrap = func(c call) ([]byte, error) { c.ctx = context.WithoutCancel(c.ctx); return unwrap(c) }
	}),
	fault("Cancelled", "check goes on", func(m *model) { m.check = func(context.Context) error { return nil } }),
	fault("Cancelled", "breaks for good", func(m *model) {
		wrap := m.wrap
		var broken error
		m.wrap = func(c call) ([]byte, error) {
			broken = errors.Join(broken, c.ctx.Err())
			if broken != nil {
				return nil, broken
			}
			return wrap(c)
		}
	}),
	fault("Concurrent", "one binding for all", func(m *model) {
		var mu sync.Mutex
		var last keys.Binding
		wrap, unwrap := m.wrap, m.unwrap
		m.wrap = func(c call) ([]byte, error) {
			mu.Lock()
			defer mu.Unlock()
			last = c.b
			return wrap(c)
		}
		m.unwrap = func(c call) ([]byte, error) {
			mu.Lock()
			defer mu.Unlock()
			c.b = last
			return unwrap(c)
		}
	}),
	fault("Concurrent", "fails", func(m *model) {
		m.wrap = func(call) ([]byte, error) { return nil, keys.ErrThrottled }
	}),
	fault("Generator", "short", func(m *model) {
		generate := m.generate
		m.generate = func(c call) ([]byte, []byte, error) {
			key, wrapped, err := generate(c)
			return key[:len(key)-16], wrapped, err
		}
	}),
	fault("Generator", "not the wrapped one", func(m *model) {
		generate := m.generate
		m.generate = func(c call) ([]byte, []byte, error) {
			key, wrapped, err := generate(c)
			key[len(key)-1] ^= 1
			return key, wrapped, err
		}
	}),
	fault("Generator", "the same each time", func(m *model) {
		key, wrapped, _ := m.generate(call{ctx: context.Background()})
		m.generate = func(c call) ([]byte, []byte, error) {
			wrapped, _ = m.wrap(call{ctx: c.ctx, in: key, b: c.b})
			return append(c.dst, key...), wrapped, nil
		}
	}),
	fault("Rewrapper", "unbound", func(m *model) {
		rewrap := m.rewrap
		b := newBinding()
		m.rewrap = func(c call) ([]byte, error) { c.b = b; return rewrap(c) }
	}),
	fault("Rewrapper", "passes on what it is given", func(m *model) {
		m.rewrap = func(c call) ([]byte, error) { return append(c.dst, c.in...), nil }
	}),
	fault("Checker", "fails", func(m *model) { m.check = func(context.Context) error { return keys.ErrDenied } }),
	fault("Development", "no reason", func(m *model) { m.why = "" }),
}

// leave decrypts before it authenticates and writes where the answer would go.
func leave(m *model, c call, err error) error {
	wrapped := bytes.Clone(c.in)
	for _, fix := range []func(b *keys.Binding){
		func(b *keys.Binding) { wrapped[len(wrapped)-1] ^= 1 },
		func(b *keys.Binding) { wrapped[len(wrapped)-1] ^= 1; b.Scope = "shop-é" },
	} {
		fix(&c.b)
		m.aead.Open(c.dst, nil, wrapped, c.b.AAD())
	}
	return err
}
