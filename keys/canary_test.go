package keys_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/keys"
)

// spy is a KEK that hands the raw data keys that pass it to the test. What it
// remembers lies behind a function, where printers do not follow.
type spy struct {
	keys.KEK
	tell func(raw []byte)
}

func (k *spy) Wrap(ctx context.Context, dst, raw []byte, b keys.Binding) ([]byte, error) {
	k.tell(raw)
	return k.KEK.Wrap(ctx, dst, raw, b)
}

func (k *spy) Unwrap(ctx context.Context, dst, wrapped []byte, b keys.Binding) ([]byte, error) {
	raw, err := k.KEK.Unwrap(ctx, dst, wrapped, b)
	if err == nil {
		k.tell(raw)
	}
	return raw, err
}

// shown reports whether a text holds eight bytes in a row of a secret, in any form
// that fmt, JSON or a debug printer gives bytes or 32-bit words. Texts are full of
// random key IDs and wrapped keys, in which four bytes would turn up by chance.
func shown(text string, secret []byte) bool {
	forms := []string{
		base64.StdEncoding.EncodeToString(secret)[:10], base64.URLEncoding.EncodeToString(secret)[:10],
	}
	for part := range slices.Chunk(secret, 8) {
		decimal := strings.Trim(fmt.Sprint(part), "[]")
		literal := strings.TrimSuffix(strings.TrimPrefix(fmt.Sprintf("%#v", part), "[]byte{"), "}")
		quoted := fmt.Sprintf("%q", part)
		forms = append(forms, string(part), hex.EncodeToString(part), fmt.Sprintf("%X", part),
			fmt.Sprintf("% x", part), fmt.Sprintf("% X", part), decimal, strings.ReplaceAll(decimal, " ", ", "),
			strings.ReplaceAll(decimal, " ", ","), literal, quoted[1:len(quoted)-1])
		one, two := binary.BigEndian.Uint32(part), binary.BigEndian.Uint32(part[4:])
		for _, words := range []string{"%d %d", "%d, %d", "%d,%d", "%x %x", "%X %X", "0x%x, 0x%x"} {
			forms = append(forms, fmt.Sprintf(words, one, two))
		}
		// as a debug printer lists them, one a line
		for _, verb := range []string{"(uint8) %d", "(uint8) 0x%x"} {
			var lines []string
			for _, b := range part {
				lines = append(lines, fmt.Sprintf(verb, b))
			}
			forms = append(forms, strings.Join(lines, ",\n"))
		}
	}
	squeezed := strings.Join(strings.Fields(text), " ")
	for _, form := range forms {
		if strings.Contains(text, form) || strings.Contains(squeezed, strings.Join(strings.Fields(form), " ")) && len(form) >= 8 {
			return true
		}
	}
	return false
}

// prints are all the ways a value comes to be printed.
func prints(v any) []string {
	var all []string
	for _, verb := range []string{"%v", "%+v", "%#v", "%x", "%X", "%s", "%q", "%d", "%t"} {
		all = append(all, fmt.Sprintf(verb, v), fmt.Sprintf(verb, struct{ inner any }{v}))
	}
	if text, err := json.Marshal(v); err == nil {
		all = append(all, string(text))
	}
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "v", v)
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "v", v)
	return append(all, log.String())
}

// dump is what a test library prints: every field it reaches, unexported ones too.
func dump(v any) string {
	rec := &recorder{}
	assert.ElementsMatch(rec, []any{v}, []any{})
	return rec.text.String()
}

type recorder struct{ text strings.Builder }

func (r *recorder) Errorf(format string, args ...any) { fmt.Fprintf(&r.text, format, args...) }

func TestCanaryIsFound(t *testing.T) {
	secret := []byte("\x01\x80canary\xff\xfe0123456789abcdefghijkl")
	for i, text := range prints(secret) {
		if strings.Contains(text, "%!") { // a verb that bytes do not have
			continue
		}
		assert.True(t, shown(text, secret), "form %d is not recognised", i)
	}
	words := make([]uint32, len(secret)/4)
	_, err := binary.Decode(secret, binary.BigEndian, words)
	require.NoError(t, err)
	for _, verb := range []string{"%v", "%#v", "%x", "%X", "%d"} {
		assert.True(t, shown(fmt.Sprintf(verb, words), secret), "words in form %s are not recognised", verb)
	}
	asJSON, err := json.Marshal(words)
	require.NoError(t, err)
	assert.True(t, shown(string(asJSON), secret), "words in JSON")
	assert.True(t, shown(dump(struct{ k [32]byte }{[32]byte(secret)}), secret), "a dump of an array")
	assert.True(t, shown(dump(&struct{ k []byte }{secret}), secret), "a dump of a slice")
}

func TestDataKeyIsNeverShown(t *testing.T) {
	for mode, w := range worlds() {
		// In a bubble, where one can wait until nothing moves that is printed.
		t.Run(mode, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				var mu sync.Mutex
				var secrets [][]byte
				k := &spy{w.kek, func(raw []byte) {
					mu.Lock()
					defer mu.Unlock()
					secrets = append(secrets, slices.Clone(raw))
				}}
				o := &keys.Options{Environment: "production"}
				other := pan(t, w.managerWith(t, k, o))
				foreign := seal(t, other)
				m := w.managerWith(t, k, o)
				s := pan(t, m)
				record := seal(t, s)
				for range 4 {
					opens(t, s, record)
					opens(t, s, foreign)
				}
				id := keyOf(t, record)
				things := map[string]any{
					"manager": m, "scope": s, "options": o, "header": header(t, record),
					"binding": keys.Binding{Environment: "production", Purpose: keys.PAN, KeyID: id},
				}
				errs := failures(t, w, s, record)
				for i, err := range errs {
					things[fmt.Sprintf("error %d", i)] = err
				}
				if mode == "stored" {
					_, err := m.Rotate(t.Context(), keys.PAN)
					require.NoError(t, err)
					list, err := m.Records(t.Context(), keys.PAN)
					require.NoError(t, err)
					things["records"] = list
					things["record"] = list[0]
				}
				synctest.Wait()
				require.NotEmpty(t, secrets)
				require.Equal(t, "keys.Manager keys.Scope", fmt.Sprintf("%+v %#v", m, s))
				for name, v := range things {
					texts := prints(v)
					if name != "manager" && name != "scope" { // for which see below
						texts = append(texts, dump(v))
					}
					for i, text := range texts {
						for _, secret := range append(secrets, []byte(message)) {
							if shown(text, secret) { // and is not printed here
								t.Errorf("%s, form %d, shows the data key or the plaintext", name, i)
							}
						}
					}
				}
				// Nothing that a debug printer can reach holds a data key as it is, so
				// whatever it prints of it says nothing.
				for name, v := range map[string]any{"manager": m, "scope": s} {
					for _, found := range reachable(v) {
						for _, secret := range secrets {
							for part := range slices.Chunk(secret, 8) {
								require.False(t, bytes.Contains(found, part), "the %s holds a data key in clear", name)
							}
						}
					}
				}
			})
		})
	}
}

// failures are errors of every sort that a process with keys in memory meets.
func failures(t *testing.T, w *world, s *keys.Scope, record []byte) (all []error) {
	t.Helper()
	add := func(_ []byte, err error) {
		require.Error(t, err)
		all = append(all, err)
	}
	a := additional()
	a.Owner = "somebody else"
	add(s.Open(t.Context(), nil, record, a))
	add(s.Open(t.Context(), nil, record[:len(record)-1], additional()))
	add(s.Open(t.Context(), nil, nil, additional()))
	big := slices.Repeat([]byte(message), keys.MaxPlaintext)
	add(s.Seal(t.Context(), nil, big, additional()))
	a.Owner = "\xff" + message
	add(s.Seal(t.Context(), nil, []byte(message), a))
	for _, kind := range kinds {
		w.kek.SetError(kind)
		cold := pan(t, w.manager(t, nil))
		add(cold.Open(t.Context(), nil, record, additional()))
		if w.store == nil {
			add(cold.Seal(t.Context(), nil, []byte(message), additional()))
		}
	}
	w.kek.SetError(nil)
	return all
}
