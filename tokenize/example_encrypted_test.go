package tokenize_test

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
	"github.com/cardseal/cardseal/tokenize"
	"github.com/cardseal/cardseal/tokenize/capture"
)

// browser is what a page does with a published key; examples/capture has it in
// JavaScript.
func browser(p capture.Published, scope, plaintext string) []byte {
	key := must(cryptocapture.ParsePublicKey(must(cryptocapture.ParseSuite(p.Suite)), must(cryptocapture.ParseKeyID(p.KeyID)),
		must(base64.RawURLEncoding.DecodeString(p.Key))))
	return must(key.Seal(nil, []byte(plaintext), cryptocapture.Binding{Environment: "production", Scope: scope, Alias: p.Alias}))
}

// A card that its holder's browser encrypted is saved, once; whoever passed the
// message on never had a number.
func ExampleEncryptedCard() {
	ctx := context.Background()
	db := memory.New()
	m := must(keys.Open(ctx, db.Keys(), keystest.NewKEK("example"), &keys.Options{Environment: "production"}))
	defer m.Close()
	v := must(tokenize.Open(ctx, db.Cards(), m, &tokenize.Options{CaptureKeys: new(capture.MemoryKeys)})) // db.CaptureKeys() of bolt or postgres lasts
	repo := must(v.EnsureRepository(ctx, tokenize.Config{ID: "SHOP", Generation: tokenize.UUID, Management: tokenize.UniqueCard}))
	published := must(must(repo.CaptureKeys()).Generate(ctx, "web", capture.HPKEP256, 90*24*time.Hour))

	message := browser(published, repo.Scope(),
		`{"cardNumber":"4111111111111111","expiryMonth":12,"expiryYear":2030,"captureTime":"`+time.Now().UTC().Format(time.RFC3339)+`"}`)
	q := tokenize.SaveRequest{Caller: clerk, Encrypted: &tokenize.EncryptedCard{Alias: "web", Message: message}}
	d := must(repo.Save(ctx, q))
	fmt.Println(d.Outcome, d.Masked, d.Expiry)
	_, err := repo.Save(ctx, q)
	fmt.Println(errors.Is(err, capture.ErrReplayed), err)
	// Output:
	// created 411111xxxxxx1111 1230
	// true tokenize: REQUEST_REJECTED: encryptedCard INVALID: message does not open: it was sent before
}
