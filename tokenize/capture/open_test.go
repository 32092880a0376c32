package capture_test

import (
	"bytes"
	"context"
	"crypto/fips140"
	"errors"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	cryptocapture "github.com/cardseal/cardseal/crypto/capture"
	"github.com/cardseal/cardseal/crypto/envelope"
	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/tokenize/capture"
	"github.com/cardseal/cardseal/tokenize/card"
)

func TestOpen(t *testing.T) {
	for _, s := range []capture.Suite{capture.HPKEP256, capture.HPKEX25519, capture.HPKEXWing, capture.JWERSA, capture.JWEECDH} {
		if s == capture.HPKEX25519 && fips140.Enforced() {
			continue // not to be had there
		}
		t.Run(s.String(), func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				r := w.keyring("test", "scope")
				p := generate(t, r, "web", s)
				now := time.Now()
				o, err := r.Open(t.Context(), "web", encrypt(t, p, `{"cardNumber":"`+visa+`","sequenceNumber":"01",
					"cardholderName":"J. M\u00fcller","startMonth":"3","startYear":2025,"expiryMonth":12,"expiryYear":"2030",
					"cvv":"123","captureTime":"`+now.UTC().Format(time.RFC3339Nano)+`"}`))
				require.NoError(t, err)
				digits := o.Card.Number.AppendDigits(nil)
				require.True(t, string(digits) == visa)
				require.True(t, string(o.Card.Code.AppendDigits(nil)) == "123")
				require.Equal(t, card.Expiry{Month: 12, Year: 2030}, o.Card.Expiry)
				require.Equal(t, card.Expiry{Month: 3, Year: 2025}, o.Start)
				require.Equal(t, "J. Müller", o.Card.Holder)
				require.Equal(t, "01", o.Sequence)
				require.True(t, o.Captured.Equal(now))
				require.Equal(t, p.KeyID, o.KeyID.String())
				require.Equal(t, "scope", o.Replay.Scope)
				require.True(t, o.Replay.Until.Equal(now.Add(19*time.Minute)))
			})
		})
	}
}

func TestFreshness(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		r := w.keyring("test", "scope")
		p := generate(t, r, "web", capture.HPKEP256)
		for ago, want := range map[time.Duration]error{
			0: nil, 15 * time.Minute: nil, -2 * time.Minute: nil,
			15*time.Minute + 1: capture.ErrStale, 24 * time.Hour: capture.ErrStale, 90 * 365 * 24 * time.Hour: capture.ErrStale,
			-2*time.Minute - 1: capture.ErrFuture, -24 * time.Hour: capture.ErrFuture, -90 * 365 * 24 * time.Hour: capture.ErrFuture,
		} {
			o, err := r.Open(t.Context(), "web", encrypt(t, p, captured(ago)))
			require.Equal(t, want, err, ago)
			if want != nil {
				require.ErrorIs(t, err, capture.ErrOpen)
				require.Zero(t, o)
			}
		}
		// A good message does not stay good.
		text := encrypt(t, p, captured(0))
		time.Sleep(15*time.Minute + 1)
		_, err := r.Open(t.Context(), "web", text)
		require.Equal(t, capture.ErrStale, err)
		// How old it is, only one that is authentic tells.
		at := len(text) - 10 // in the tag
		text[at] = map[bool]byte{true: 'B', false: 'A'}[text[at] == 'A']
		_, err = r.Open(t.Context(), "web", text)
		require.Equal(t, capture.ErrOpen, err)
	})
}

// A message is taken once, by whichever process, whatever became of data keys in
// between, and for as long as any clock may take it.
func TestReplay(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		m := w.manager("test")
		one, err := capture.New(m, "scope", &w.keys)
		require.NoError(t, err)
		other := w.keyring("test", "scope")
		replays := capture.NewMemoryReplays(0)
		for _, s := range []capture.Suite{capture.HPKEP256, capture.JWEECDH} {
			text := encrypt(t, generate(t, one, "web", s), captured(-2*time.Minute))
			o, err := one.OpenOnce(t.Context(), replays, "web", text)
			require.NoError(t, err)
			require.False(t, o.Card.Number.IsZero())
			taken := o.Replay
			parsed, err := cryptocapture.Parse(text)
			require.NoError(t, err)
			require.NotEqual(t, parsed.Digest(new([32]byte)), taken.Digest, "under no key")
			_, err = m.Rotate(t.Context(), keys.Capture)
			require.NoError(t, err)
			for range 17 {
				for _, r := range []*capture.Keyring{one, other} {
					o, err = r.OpenOnce(t.Context(), replays, "web", text)
					require.Equal(t, capture.ErrReplayed, err)
					require.ErrorIs(t, err, capture.ErrOpen)
					require.Zero(t, o)
				}
				time.Sleep(time.Minute)
			}
			time.Sleep(2 * time.Minute) // to a clock that is two minutes late it is 15 minutes old
			taken.Until = time.Now().Add(capture.ReplayLife)
			require.Equal(t, capture.ErrReplayed, replays.Insert(t.Context(), taken))
			_, err = one.OpenOnce(t.Context(), replays, "web", text)
			require.Equal(t, capture.ErrStale, err)
		}
	})
}

// All that must not be told apart: the same error value, nothing else.
func TestRefused(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		r := w.keyring("test", "scope")
		p := generate(t, r, "web", capture.HPKEP256)
		jwe := generate(t, r, "jwe", capture.JWEECDH)
		elsewhere := generate(t, w.keyring("test", "scope2"), "web", capture.JWEECDH)
		production := generate(t, w.keyring("production", "scope"), "production", capture.JWEECDH)
		card := captured(0)
		good, goodJWE := encrypt(t, p, card), encrypt(t, jwe, card)
		_, err := r.Open(t.Context(), "web", good)
		require.NoError(t, err)
		_, err = r.Open(t.Context(), "jwe", goodJWE)
		require.NoError(t, err)
		rsa := generate(t, r, "rsa", capture.JWERSA)
		const header = `{"alg":"RSA-OAEP-256","enc":"A256GCM","kid":"`
		_, err = r.Open(t.Context(), "rsa", withHeader(t, rsa, header+rsa.KeyID+`"}`, card))
		require.NoError(t, err)
		with := func(more string) []byte { return withHeader(t, rsa, header+rsa.KeyID+`",`+more+`}`, card) }

		flipped := func(text []byte, at int) []byte {
			b := bytes.Clone(text)
			b[at] ^= 1
			return b
		}
		unread := w.keys.gets
		for what, c := range map[string]struct {
			alias string
			text  []byte
		}{
			"malformed":       {"web", []byte("no message")},
			"empty":           {"web", nil},
			"no alias":        {"", good},
			"odd alias":       {"we b", good},
			"long alias":      {strings.Repeat("w", 65), good},
			"ten megabytes":   {"web", bytes.Repeat(good, 10<<20/len(good))},
			"line break":      {"web", append(bytes.Clone(good), '\n')},
			"padding":         {"web", append(bytes.Clone(good), '=')},
			"another version": {"web", append([]byte("B"), good[1:]...)},
			"RSA1_5":          {"rsa", withHeader(t, rsa, strings.Replace(header, "RSA-OAEP-256", "RSA1_5", 1)+rsa.KeyID+`"}`, card)},
			"compressed":      {"rsa", with(`"zip":"DEF"`)},
			"critical":        {"rsa", with(`"crit":["exp"]`)},
			"a key in it":     {"rsa", with(`"jwk":{"kty":"oct"}`)},
			"named twice":     {"rsa", with(`"enc":"A256GCM"`)},
		} {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			o, err := r.Open(t.Context(), c.alias, c.text)
			runtime.ReadMemStats(&after)
			require.Equal(t, capture.ErrOpen, err, what)
			require.Zero(t, o)
			require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(256<<10), what)
		}
		require.Equal(t, unread, w.keys.gets, "the store was asked for what is malformed")

		for what, c := range map[string]struct {
			alias string
			text  []byte
		}{
			"unknown alias":       {"app", good},
			"another's alias":     {"jwe", good},
			"another's alias JWE": {"web", goodJWE},
			"other letters":       {"Web", good},
			"another scope":       {"web", encrypt(t, elsewhere, card)},
			"key ID":              {"web", flipped(good, 5)},
			"ciphertext":          {"web", flipped(good, len(good)-3)},
			"truncated":           {"web", good[:len(good)-4]},
			"tampered JWE":        {"jwe", flipped(goodJWE, len(goodJWE)-30)},
			"no JSON":             {"web", encrypt(t, p, visa)},
			"no time":             {"web", encrypt(t, p, `{"cardNumber":"`+visa+`"}`)},
			"bad number":          {"web", encrypt(t, p, strings.Replace(card, visa, "4111", 1))},
		} {
			o, err := r.Open(t.Context(), c.alias, c.text)
			require.Equal(t, capture.ErrOpen, err, what)
			require.Zero(t, o)
		}
		// Another environment's key is found, but belongs to other data keys.
		_, err = r.Open(t.Context(), "production", encrypt(t, production, card))
		require.Error(t, err)
		require.NotErrorIs(t, err, capture.ErrOpen)
	})
}

// What is not the message's fault is not blamed on it.
func TestFailures(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		r := w.keyring("test", "scope")
		text := encrypt(t, generate(t, r, "web", capture.HPKEP256), captured(0))
		failure := errors.New("no connection")
		w.keys.fail = failure
		_, err := r.Open(t.Context(), "web", text)
		require.ErrorIs(t, err, failure)
		require.NotErrorIs(t, err, capture.ErrOpen)
		w.keys.fail = nil

		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err = r.Open(ctx, "web", text)
		require.ErrorIs(t, err, context.Canceled)
		require.NotErrorIs(t, err, capture.ErrOpen)

		// A replay store that fails keeps the card back.
		o, err := r.OpenOnce(t.Context(), failing{failure}, "web", text)
		require.Equal(t, failure, err)
		require.Zero(t, o)

		m := w.manager("test")
		closed, err := capture.New(m, "scope", &w.keys)
		require.NoError(t, err)
		m.Close()
		_, err = closed.Open(t.Context(), "web", text)
		require.ErrorIs(t, err, keys.ErrClosed)
		require.ErrorIs(t, err, envelope.ErrOpen) // of the sealed key
		require.NotErrorIs(t, err, capture.ErrOpen)
	})
}

type failing struct{ err error }

func (f failing) Insert(context.Context, capture.Replay) error { return f.err }
