package bench

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
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

// BenchmarkCapture opens one card per suite, key and message at hand: parse and
// open. There is no budget: the public-key operation is all of it.
func BenchmarkCapture(b *testing.B) {
	for _, s := range captureSuites {
		b.Run(fmt.Sprintf("open/%s", s), func(b *testing.B) {
			k, err := cryptocapture.Generate(s)
			if err != nil {
				b.Fatal(err)
			}
			text, err := k.Public().Seal(nil, captured(), cryptocapture.Binding{})
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				m, err := cryptocapture.Parse(text)
				if err != nil {
					b.Fatal(err)
				}
				if _, err := k.Open(m, cryptocapture.Binding{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	// The whole way in: key store in memory, unsealed private key, card, digest.
	for _, s := range captureSuites {
		b.Run(fmt.Sprintf("card/%s", s), func(b *testing.B) {
			ctx := context.Background()
			m := newManager(b)
			r, err := capture.New(m, "bench", new(capture.MemoryKeys))
			if err != nil {
				b.Fatal(err)
			}
			p, err := r.Generate(ctx, "web", s, time.Hour)
			if err != nil {
				b.Fatal(err)
			}
			text := sealFor(b, p, m.Environment())
			b.ReportAllocs()
			for b.Loop() {
				if _, err := r.Open(ctx, "web", text); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// sealFor is a client that knows what was published.
func sealFor(b *testing.B, p capture.Published, environment string) []byte {
	s, err := cryptocapture.ParseSuite(p.Suite)
	if err != nil {
		b.Fatal(err)
	}
	id, err := cryptocapture.ParseKeyID(p.KeyID)
	if err != nil {
		b.Fatal(err)
	}
	raw, err := base64.RawURLEncoding.DecodeString(p.Key)
	if err != nil {
		b.Fatal(err)
	}
	k, err := cryptocapture.ParsePublicKey(s, id, raw)
	if err != nil {
		b.Fatal(err)
	}
	text, err := k.Seal(nil, captured(), cryptocapture.Binding{Environment: environment, Scope: "bench", Alias: p.Alias})
	if err != nil {
		b.Fatal(err)
	}
	return text
}
