package capture_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"github.com/cardseal/cardseal/backends/store/memory"
	cryptocapture "github.com/cardseal/cardseal/crypto/capture"
	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/keys/keystest"
	"github.com/cardseal/cardseal/tokenize/capture"
)

// A key is published, a page encrypts a card to it, the vault opens the card once.
func Example() {
	ctx := context.Background()
	m, err := keys.Open(ctx, memory.New().Keys(), keystest.NewKEK("example"), &keys.Options{Environment: "production"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer m.Close()
	ring, err := capture.New(m, "shop-eu", new(capture.MemoryKeys)) // in production a store that lasts
	if err != nil {
		fmt.Println(err)
		return
	}
	published, err := ring.Generate(ctx, "web", capture.HPKEP256, 90*24*time.Hour)
	if err != nil {
		fmt.Println(err)
		return
	}

	message, err := page(published) // which got published as JSON
	if err != nil {
		fmt.Println(err)
		return
	}

	replays := capture.NewMemoryReplays(0)
	o, err := ring.OpenOnce(ctx, replays, "web", message)
	fmt.Println(o.Card.Number, o.Card.Expiry, err)
	_, err = ring.OpenOnce(ctx, replays, "web", message)
	fmt.Println(errors.Is(err, capture.ErrReplayed))
	_, err = ring.OpenOnce(ctx, replays, "app", message)
	fmt.Println(err)
	// Output:
	// 411111xxxxxx1111 1230 <nil>
	// true
	// capture: message does not open
}

// page is what a browser does in examples/capture, in Go.
func page(p capture.Published) ([]byte, error) {
	s, err := cryptocapture.ParseSuite(p.Suite)
	if err != nil {
		return nil, err
	}
	id, err := cryptocapture.ParseKeyID(p.KeyID)
	if err != nil {
		return nil, err
	}
	raw, err := base64.RawURLEncoding.DecodeString(p.Key)
	if err != nil {
		return nil, err
	}
	key, err := cryptocapture.ParsePublicKey(s, id, raw)
	if err != nil {
		return nil, err
	}
	card := `{"cardNumber":"4111111111111111","expiryMonth":12,"expiryYear":2030,"captureTime":"` +
		time.Now().UTC().Format(time.RFC3339) + `"}`
	return key.Seal(nil, []byte(card), cryptocapture.Binding{Environment: "production", Scope: "shop-eu", Alias: p.Alias})
}

// Keys overlap: a new one is made before the old one retires, so that pages loaded
// before still work.
func ExampleKeyring_Published() {
	ctx := context.Background()
	m, err := keys.Open(ctx, memory.New().Keys(), keystest.NewKEK("example"), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer m.Close()
	ring, err := capture.New(m, "shop-eu", new(capture.MemoryKeys))
	if err != nil {
		fmt.Println(err)
		return
	}
	old, err := ring.Generate(ctx, "web", capture.JWEECDH, 90*24*time.Hour)
	if err != nil {
		fmt.Println(err)
		return
	}
	if _, err := ring.Generate(ctx, "web", capture.JWEECDH, 90*24*time.Hour); err != nil {
		fmt.Println(err)
		return
	}
	live, err := ring.Published(ctx, "web")
	fmt.Println(len(live), err)

	id, err := cryptocapture.ParseKeyID(old.KeyID)
	if err != nil {
		fmt.Println(err)
		return
	}
	err = ring.Retire(ctx, "web", id, time.Time{}) // compromised: at once
	fmt.Println(err)
	live, err = ring.Published(ctx, "web")
	fmt.Println(len(live), err)
	// Output:
	// 2 <nil>
	// <nil>
	// 1 <nil>
}

// After the ring's data key was rotated, the keys are sealed under the new one.
func ExampleKeyring_Reseal() {
	ctx := context.Background()
	m, err := keys.Open(ctx, memory.New().Keys(), keystest.NewKEK("example"), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer m.Close()
	ring, err := capture.New(m, "shop-eu", new(capture.MemoryKeys))
	if err != nil {
		fmt.Println(err)
		return
	}
	if _, err := ring.Generate(ctx, "web", capture.HPKEP256, 90*24*time.Hour); err != nil {
		fmt.Println(err)
		return
	}
	if _, err := m.Rotate(ctx, keys.Capture); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(ring.Reseal(ctx))
	fmt.Println(ring.Reseal(ctx))
	// Output:
	// 1 <nil>
	// 0 <nil>
}
