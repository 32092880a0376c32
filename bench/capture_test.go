package bench

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"testing"
	"time"

	cryptocapture "github.com/cardseal/cardseal/crypto/capture"
	"github.com/cardseal/cardseal/tokenize/capture"
)

var captureSuites = []capture.Suite{
	capture.HPKEP256, capture.HPKEX25519, capture.HPKEXWing, capture.JWERSA, capture.JWEECDH,
}

func captured() []byte {
	text, err := json.Marshal(map[string]string{
		"cardNumber": string(pan16), "expiryMonth": "12", "expiryYear": "2030", "cvv": "123",
		"captureTime": time.Now().UTC().Format(time.RFC3339),
	})
	if err != nil {
		panic(err) // of strings alone it cannot fail
	}
	return text
}

// opening is key and message at hand: parse and open.
func opening(s capture.Suite) side {
	return func(tb testing.TB) func() func(int) {
		k, err := cryptocapture.Generate(s)
		check(tb, err)
		text, err := k.Public().Seal(nil, captured(), cryptocapture.Binding{})
		check(tb, err)
		return func() func(int) {
			return func(n int) {
				for range n {
					m, err := cryptocapture.Parse(text)
					if err != nil {
						tb.Error(err)
					}
					if _, err := k.Open(m, cryptocapture.Binding{}); err != nil {
						tb.Error(err)
					}
				}
			}
		}
	}
}

// takingIn is the whole way in: key store in memory, unsealed private key, card, digest.
func takingIn(s capture.Suite) side {
	return func(tb testing.TB) func() func(int) {
		ctx, m := context.Background(), newManager(tb)
		r, err := capture.New(m, "bench", new(capture.MemoryKeys))
		check(tb, err)
		p, err := r.Generate(ctx, "web", s, time.Hour)
		check(tb, err)
		text := sealFor(tb, p, m.Environment())
		return func() func(int) {
			return func(n int) {
				for range n {
					if _, err := r.Open(ctx, "web", text); err != nil {
						tb.Error(err)
					}
				}
			}
		}
	}
}

// BenchmarkCapture opens one card per suite. There is no budget: the public-key operation
// is nearly all of it.
func BenchmarkCapture(b *testing.B) {
	for name, way := range map[string]func(capture.Suite) side{"open": opening, "card": takingIn} {
		for _, s := range captureSuites {
			b.Run(name+"/"+s.String(), func(b *testing.B) {
				r := newRunner(b, way(s))
				b.ReportAllocs()
				b.ResetTimer()
				r.run(b.N)
			})
		}
	}
}

// BenchmarkTurns has the ratios of what has no budget: each suite's opening beside that
// of the first, the whole way in beside the opening alone, and a code that is compared
// beside its floor.
func BenchmarkTurns(b *testing.B) {
	for _, s := range captureSuites {
		b.Run("open/"+s.String(), path{floor: opening(captureSuites[0]), ours: opening(s), least: 1}.inTurns)
		b.Run("card/"+s.String(), path{floor: opening(s), ours: takingIn(s), least: 1}.inTurns)
	}
	b.Run("verify", path{floor: codeFloor, ours: verifying, least: 1}.inTurns)
}

// sealFor is a client that knows what was published.
func sealFor(tb testing.TB, p capture.Published, environment string) []byte {
	s, err := cryptocapture.ParseSuite(p.Suite)
	check(tb, err)
	id, err := cryptocapture.ParseKeyID(p.KeyID)
	check(tb, err)
	raw, err := base64.RawURLEncoding.DecodeString(p.Key)
	check(tb, err)
	k, err := cryptocapture.ParsePublicKey(s, id, raw)
	check(tb, err)
	text, err := k.Seal(nil, captured(), cryptocapture.Binding{Environment: environment, Scope: "bench", Alias: p.Alias})
	check(tb, err)
	return text
}
