package tokenize_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/backends/store/memory"
	cryptocapture "github.com/cardseal/cardseal/crypto/capture"
	"github.com/cardseal/cardseal/crypto/envelope"
	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/keys/keystest"
	"github.com/cardseal/cardseal/tokenize"
	"github.com/cardseal/cardseal/tokenize/audit"
	"github.com/cardseal/cardseal/tokenize/capture"
	"github.com/cardseal/cardseal/tokenize/card"
	"github.com/cardseal/cardseal/tokenize/store"
)

// captureKeysOf are a store's own, or for one that has none in memory.
func captureKeysOf(d db) capture.KeyStore {
	if k, ok := d.(interface{ CaptureKeys() store.CaptureKeys }); ok {
		return k.CaptureKeys()
	}
	return new(capture.MemoryKeys)
}

// capturing runs a test on every store, in a vault with capture keys and an acquirer.
func capturing(t *testing.T, test func(t *testing.T, w *world, a *acquirer)) {
	stores(t, func(t *testing.T, w *world) {
		a := &acquirer{}
		test(t, newWorld(t, w.db, &tokenize.Options{CaptureKeys: captureKeysOf(w.db), Verifier: a}), a)
	})
}

func capturingInMemory(t testing.TB) *world {
	return newWorld(t, memory.New(), &tokenize.Options{CaptureKeys: new(capture.MemoryKeys)})
}

// page is what a browser has: a published key, and what it binds to.
type page struct {
	*world
	key     *cryptocapture.PublicKey
	binding cryptocapture.Binding
}

// publish makes a key for a repository.
func (w *world) publish(r *tokenize.Repository, s capture.Suite) *page {
	w.Helper()
	ring, err := r.CaptureKeys()
	require.NoError(w, err)
	p, err := ring.Generate(w.ctx, "web", s, 24*time.Hour)
	require.NoError(w, err)
	id, err := cryptocapture.ParseKeyID(p.KeyID)
	require.NoError(w, err)
	raw, err := base64.RawURLEncoding.DecodeString(p.Key)
	require.NoError(w, err)
	key, err := cryptocapture.ParsePublicKey(s, id, raw)
	require.NoError(w, err)
	return &page{w, key, cryptocapture.Binding{Environment: w.keys.Environment(), Scope: r.Scope(), Alias: p.Alias}}
}

// message encrypts members of the object, captured now.
func (p *page) message(members string) *tokenize.EncryptedCard {
	p.Helper()
	return p.captured(members, time.Now())
}

func (p *page) captured(members string, at time.Time) *tokenize.EncryptedCard {
	p.Helper()
	text := fmt.Sprintf(`{%s,"captureTime":"%s"}`, members, at.UTC().Format(time.RFC3339Nano))
	m, err := p.key.Seal(nil, []byte(text), p.binding)
	require.NoError(p, err)
	return &tokenize.EncryptedCard{Alias: p.binding.Alias, Message: m}
}

// of is the member with a card's number.
func of(digits string) string { return `"cardNumber":"` + digits + `"` }

// sent asks for an encrypted card to be saved.
func sent(m *tokenize.EncryptedCard) tokenize.SaveRequest {
	return tokenize.SaveRequest{Caller: me, Encrypted: m}
}

// replayed demands that a message was refused as spent.
func replayed(t testing.TB, err error) {
	t.Helper()
	e := fails(t, err, tokenize.RequestRejected, "encryptedCard", capture.ErrReplayed)
	require.Equal(t, "REPLAYED", e.SupportCode)
	require.ErrorIs(t, err, capture.ErrOpen)
}

// A card that was encrypted is the card it is in clear, and its message good once, in
// whatever process.
func TestEncrypted(t *testing.T) {
	capturing(t, func(t *testing.T, w *world, a *acquirer) {
		for _, s := range []capture.Suite{capture.HPKEP256, capture.HPKEXWing, capture.JWEECDH} {
			for _, m := range managements {
				r := w.repo(tokenize.UUID, m, func(c *tokenize.Config) { c.ID += s.String()[:4] + fmt.Sprint(s) })
				p := w.publish(r, s)
				q := sent(p.message(of(visa) + `,"cvv":"123","cardholderName":"HOLDER","expiryMonth":12,"expiryYear":2030,"startMonth":1,"startYear":2020,"sequenceNumber":"1"`))
				d := w.save(r, q)
				require.Equal(t, tokenize.Created, d.Outcome)
				got := w.reveal(r, d.Token)
				require.Equal(t, full(t, visa, "123").Card.Expiry, got.Expiry)
				require.Equal(t, "HOLDER", got.Holder)
				require.True(t, got.Code.IsZero())
				w.holds(r, d.Token, visa)

				for _, r := range []*tokenize.Repository{r, w.other(r)} {
					_, err := r.Save(t.Context(), q)
					replayed(t, err)
				}
				again := w.save(r, sent(p.message(of(visa)+`,"cardholderName":"OTHER"`)))
				require.Equal(t, m == tokenize.UniqueCard, again.Token == d.Token)
				if m == tokenize.UniqueCard {
					require.Equal(t, tokenize.Updated, again.Outcome)
					require.Equal(t, d.Token, w.save(r, req(t, visa)).Token)
				}
				require.Equal(t, "OTHER", w.reveal(r, again.Token).Holder)
				// What comes in clear goes with what does not.
				q = sent(p.message(of(master)))
				q.Card = card.Details{Expiry: card.Expiry{Month: 1, Year: 2031}, Holder: "CLEAR", Email: "clear@example.com"}
				got = w.reveal(r, w.save(r, q).Token)
				require.Equal(t, q.Card.Expiry, got.Expiry)
				require.Equal(t, "CLEAR", got.Holder)
				require.Equal(t, "clear@example.com", got.Email)
				require.Equal(t, master, string(got.Number.AppendDigits(nil)))
			}
		}
		require.Empty(t, a.take())
	})
}

// Whatever is wrong with a message is one error, and the message is not spent by
// what is wrong around it.
func TestEncryptedRefused(t *testing.T) {
	d := memory.New()
	w := newWorld(t, d, &tokenize.Options{CaptureKeys: new(capture.MemoryKeys),
		TestKeys: testKeys(t, d, keystest.NewKEK("for tests"), "test")})
	r := w.repo(tokenize.UUID, tokenize.UniqueCard)
	p := w.publish(r, capture.HPKEP256)
	good := p.message(of(visa))
	twin := w.open("Test" + r.Config().ID)
	other := w.repo(tokenize.UUID, tokenize.UniqueToken)

	flipped := append([]byte{}, good.Message...)
	flipped[len(flipped)-10] ^= 1
	elsewhere := *p
	elsewhere.binding.Scope = other.Scope()
	var first *tokenize.Error
	for what, m := range map[string]*tokenize.EncryptedCard{
		"unknown alias": {Alias: "app", Message: good.Message}, "no alias": {Message: good.Message},
		"cut": {Alias: "web", Message: good.Message[:len(good.Message)-4]}, "flipped": {Alias: "web", Message: flipped},
		"empty": {Alias: "web"}, "no message": {Alias: "web", Message: []byte("{}")},
		"too long":          {Alias: "web", Message: make([]byte, 10<<20)},
		"for another scope": elsewhere.message(of(visa)),
		"to another key":    w.publish(other, capture.HPKEP256).message(of(visa)),
		"to the twin's key": w.publish(twin, capture.JWEECDH).message(of(visa)),
		"bad JSON":          p.message(of(visa) + `,"cvv":"12"`),
		"a name twice":      p.message(of(visa) + "," + of(visa)),
		"a number in words": p.message(`"cardNumber":"four"`),
	} {
		q := sent(m)
		q.CorrelationID = "c-9"
		_, err := r.Save(t.Context(), q)
		e := fails(t, err, tokenize.InvalidRequest, "encryptedCard", capture.ErrOpen)
		require.NotErrorIs(t, err, capture.ErrReplayed)
		if first == nil {
			first = e
		}
		require.Equal(t, first, e, what)
	}
	for _, r := range []*tokenize.Repository{other, twin} {
		_, err := r.Save(t.Context(), sent(good))
		fails(t, err, tokenize.InvalidRequest, "encryptedCard", capture.ErrOpen)
	}
	require.Empty(t, w.dump(r))

	for _, c := range []card.Details{
		{Number: number(t, visa)}, {Number: number(t, master)}, full(t, visa, "123").Card, {Code: full(t, visa, "123").Card.Code},
	} {
		q := sent(good)
		q.Card = c
		_, err := r.Save(t.Context(), q)
		fails(t, err, tokenize.InvalidRequest, "encryptedCard", nil)
	}
	holder := p.message(`"cardholderName":"HOLDER","expiryMonth":12,"expiryYear":2030,` + of(visa))
	for _, c := range []card.Details{{Holder: "X"}, {Expiry: card.Expiry{Month: 1, Year: 2031}}} {
		q := sent(holder)
		q.Card = c
		_, err := r.Save(t.Context(), q)
		fails(t, err, tokenize.InvalidRequest, "encryptedCard", nil)
	}
	_, err := r.Save(t.Context(), sent(p.message(of("4111111111111112"))))
	fails(t, err, tokenize.InvalidRequest, "number", nil)
	_, err = r.Save(t.Context(), sent(p.message(`"cvv":"123"`)))
	fails(t, err, tokenize.InvalidRequest, "number", nil)
	q := sent(good)
	q.Caller.Permissions = tokenize.MayRead
	_, err = r.Save(t.Context(), q)
	fails(t, err, tokenize.RequestRejected, "caller", tokenize.ErrPermission)
	w.save(r, sent(good))

	without := inMemory(t)
	bare := without.repo(tokenize.UUID, tokenize.UniqueCard)
	_, err = bare.Save(t.Context(), sent(good))
	fails(t, err, tokenize.InvalidRequest, "encryptedCard", nil)
	_, err = bare.CaptureKeys()
	fails(t, err, tokenize.InvalidRequest, "encryptedCard", nil)
}

// A test twin takes what was encrypted to its own keys.
func TestEncryptedTwin(t *testing.T) {
	d := memory.New()
	test := testKeys(t, d, keystest.NewKEK("for tests"), "test")
	w := newWorld(t, d, &tokenize.Options{CaptureKeys: new(capture.MemoryKeys), TestKeys: test})
	w.repo(tokenize.UUID, tokenize.UniqueCard)
	twin := w.open("Test" + w.repo(tokenize.UUID, tokenize.UniqueCard).Config().ID)
	p := w.publish(twin, capture.HPKEP256)
	_, err := twin.Save(t.Context(), sent(p.message(of(visa))))
	fails(t, err, tokenize.InvalidRequest, "encryptedCard", capture.ErrOpen) // bound to production
	p.binding.Environment = "test"
	w.holds(twin, w.save(twin, sent(p.message(of(visa)))).Token, visa)
}

// What is refused spends nothing; what is carried out does, though it change nothing.
func TestEncryptedSpendsWhenSaved(t *testing.T) {
	capturing(t, func(t *testing.T, w *world, a *acquirer) {
		r := w.repo(tokenize.MerchantProvided, tokenize.UniqueCard, verifyAcquirer)
		p := w.publish(r, capture.HPKEP256)
		m := p.message(of(visa) + `,"cvv":"123"`)
		q := sent(m)
		q.Token = "mine"

		a.says(answering(tokenize.ExternalDeclined))
		_, err := r.Save(t.Context(), q)
		fails(t, err, tokenize.RequestRejected, "verification", tokenize.ErrVerification)
		asked := a.take()
		require.Len(t, asked, 1)
		require.True(t, asked[0].Card.Code.Equal(full(t, visa, "123").Card.Code), "the code goes to the acquirer")
		a.says(nil)
		update := q
		update.ExpectVersion = 9
		_, err = r.Save(t.Context(), update)
		fails(t, err, tokenize.RequestRejected, "token", tokenize.ErrConflict)
		w.cards.set(func(op string, _ int) error {
			if op == "Write" {
				return store.ErrFull
			}
			return nil
		}, nil)
		_, err = r.Save(t.Context(), q)
		fails(t, err, tokenize.ServerFailed, "", store.ErrFull)
		w.cards.set(nil, nil)
		d := w.save(r, q)
		a.take()

		_, err = r.Save(t.Context(), q)
		replayed(t, err)
		require.Empty(t, a.take(), "nobody is asked about a message that is spent")
		q.CreateOnly = true
		_, err = r.Save(t.Context(), q)
		replayed(t, err)
		for range 2 { // the second changes nothing, not even the time of last use
			q = sent(p.message(of(visa)))
			q.Token = "mine"
			require.Equal(t, d.Token, w.save(r, q).Token)
			_, err = r.Save(t.Context(), q)
			replayed(t, err)
		}
		w.save(r, with(t, "yours", master))
		q = sent(p.message(of(master)))
		q.Token = "mine"
		_, err = r.Save(t.Context(), q)
		fails(t, err, tokenize.RequestRejected, "number", tokenize.ErrCardHasToken)
		q.Token = "yours"
		w.save(r, q)
		require.Len(t, w.dump(r), 2)
	})
}

// A retry is answered as the first call was, though the message is spent, and though it
// is sent when it is stale.
func TestEncryptedRetry(t *testing.T) {
	capturing(t, func(t *testing.T, w *world, a *acquirer) {
		for _, change := range []func(*tokenize.Config){func(*tokenize.Config) {}, verifyAcquirer} {
			r := w.repo(tokenize.UUID, tokenize.UniqueToken, change)
			p := w.publish(r, capture.HPKEP256)
			q := keyed(sent(p.message(of(visa))), "k1")
			first := w.save(r, q)
			a.take()
			fresh := keyed(sent(p.message(of(visa))), "k1")
			for _, again := range []tokenize.SaveRequest{q, fresh, keyed(req(t, visa), "k1")} {
				d := w.save(r, again)
				require.Equal(t, first.Token, d.Token)
				require.Equal(t, tokenize.Replayed, d.Outcome)
			}
			require.Empty(t, a.take())
			_, err := r.Save(t.Context(), keyed(sent(p.message(of(master))), "k1"))
			fails(t, err, tokenize.RequestRejected, "idempotencyKey", tokenize.ErrReusedKey)
			_, err = r.Save(t.Context(), keyed(q, "k2"))
			replayed(t, err)
			res := w.batch(r, q, keyed(fresh, "k3"), keyed(fresh, "k3"))
			require.Equal(t, first.Token, res[0].Details.Token)
			require.Equal(t, tokenize.Created, res[1].Details.Outcome)
			require.Equal(t, res[1].Details.Token, res[2].Details.Token)
			require.Len(t, w.dump(r), 2)
		}
	})
}

func TestEncryptedFreshness(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := capturingInMemory(t)
		r := w.repo(tokenize.UUID, tokenize.UniqueToken)
		p := w.publish(r, capture.HPKEP256)
		for support, c := range map[string]struct {
			at  time.Duration
			err error
		}{"STALE": {-capture.MaxAge - 1, capture.ErrStale}, "FUTURE": {capture.Skew + time.Second, capture.ErrFuture}} {
			m := p.captured(of(visa), time.Now().Add(c.at))
			for _, q := range []tokenize.SaveRequest{sent(m), keyed(sent(m), "k9")} {
				_, err := r.Save(t.Context(), q)
				require.Equal(t, support, fails(t, err, tokenize.RequestRejected, "encryptedCard", c.err).SupportCode)
				res := w.batch(r, q, req(t, master))
				require.ErrorIs(t, res[0].Err, c.err)
				require.Nil(t, res[1].Err)
			}
		}
		w.save(r, sent(p.captured(of(visa), time.Now().Add(-capture.MaxAge))))
		w.save(r, sent(p.captured(of(visa), time.Now().Add(capture.Skew))))

		m := p.captured(of(visa), time.Now().Add(capture.Skew))
		q := keyed(sent(m), "k1")
		first := w.save(r, q)
		time.Sleep(capture.ReplayLife)
		_, err := r.Save(t.Context(), keyed(sent(m), "k3"))
		replayed(t, err) // remembered to its last moment
		time.Sleep(time.Second)
		_, err = r.Save(t.Context(), sent(m))
		fails(t, err, tokenize.RequestRejected, "encryptedCard", capture.ErrStale)
		d := w.save(r, q)
		require.Equal(t, first.Token, d.Token)
		require.Equal(t, tokenize.Replayed, d.Outcome)
		_, err = r.Save(t.Context(), keyed(sent(m), "k2"))
		require.ErrorIs(t, err, capture.ErrOpen)
		other := keyed(sent(p.captured(of(master), time.Now().Add(-time.Hour))), "k1")
		_, err = r.Save(t.Context(), other)
		fails(t, err, tokenize.RequestRejected, "idempotencyKey", tokenize.ErrReusedKey)
		// With the token its key is forgotten, and nothing is left to answer with.
		require.NoError(t, r.Delete(t.Context(), me, first.Token))
		_, err = r.Save(t.Context(), q)
		fails(t, err, tokenize.RequestRejected, "encryptedCard", capture.ErrStale)
		time.Sleep(24 * time.Hour)
		_, err = r.Save(t.Context(), q)
		fails(t, err, tokenize.InvalidRequest, "encryptedCard", capture.ErrOpen) // the key retired
	})
}

// A token deleted between look-up and plan takes its key with it: nothing is saved from
// the stale message that came with the key.
func TestEncryptedRetryVanishes(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := capturingInMemory(t)
		r := w.repo(tokenize.UUID, tokenize.UniqueToken)
		q := keyed(sent(w.publish(r, capture.HPKEP256).message(of(visa))), "k1")
		first := w.save(r, q)
		time.Sleep(capture.ReplayLife + time.Second)
		w.cards.set(func(op string, _ int) error {
			if op == "Get" {
				w.cards.set(nil, nil)
				return r.Delete(t.Context(), me, first.Token)
			}
			return nil
		}, nil)
		_, err := r.Save(t.Context(), q)
		fails(t, err, tokenize.RequestRejected, "encryptedCard", capture.ErrStale)
	})
}

func TestEncryptedBatch(t *testing.T) {
	capturing(t, func(t *testing.T, w *world, _ *acquirer) {
		r := w.repo(tokenize.RandomWithLuhn, tokenize.UniqueToken)
		p := w.publish(r, capture.HPKEP256)
		m, bad := p.message(of(visa)), p.message(of(amex))
		bad.Message[30] ^= 1
		qs := []tokenize.SaveRequest{sent(m), sent(m), sent(bad), req(t, master), sent(p.message(of(diners)))}
		res := w.batch(r, qs...)
		require.Nil(t, res[0].Err)
		replayed(t, res[1].Err)
		require.Zero(t, res[1].Details, "no token that was not stored")
		require.ErrorIs(t, res[2].Err, capture.ErrOpen)
		for i, digits := range map[int]string{0: visa, 3: master, 4: diners} {
			w.holds(r, res[i].Details.Token, digits)
		}
		for _, q := range qs[:3] {
			require.Equal(t, card.Details{}, q.Card, "the caller's requests hold no card that was not there")
		}
		require.Len(t, w.dump(r), 3)
		// All or nothing: a batch that fails spends nothing.
		m = p.message(of(visa2))
		w.cards.set(func(op string, _ int) error {
			if op == "Write" {
				return store.ErrUnavailable
			}
			return nil
		}, nil)
		_, err := r.SaveBatch(t.Context(), []tokenize.SaveRequest{sent(m), req(t, amex)})
		require.ErrorIs(t, err, store.ErrUnavailable)
		w.cards.set(nil, nil)
		w.save(r, sent(m))
	})
}

func TestEncryptedUpdate(t *testing.T) {
	capturing(t, func(t *testing.T, w *world, _ *acquirer) {
		r := w.repo(tokenize.UUID, tokenize.UniqueCard)
		p := w.publish(r, capture.HPKEP256)
		d := w.save(r, req(t, visa))
		for _, members := range []string{of(master) + `,"cardholderName":"HOLDER"`, `"expiryMonth":"12","expiryYear":"2030"`, of(master)} {
			q := tokenize.UpdateRequest{Caller: me, Token: d.Token, Encrypted: p.message(members)}
			_, err := r.Update(t.Context(), q)
			require.NoError(t, err)
			_, err = r.Update(t.Context(), q)
			replayed(t, err)
		}
		got := w.reveal(r, d.Token)
		require.Equal(t, card.Expiry{Month: 12, Year: 2030}, got.Expiry)
		require.Equal(t, "HOLDER", got.Holder)
		w.holds(r, d.Token, master)
		_, err := r.Update(t.Context(), tokenize.UpdateRequest{Caller: me, Token: d.Token, Encrypted: p.message(of(visa)), Card: card.Details{Number: number(t, visa)}})
		fails(t, err, tokenize.InvalidRequest, "encryptedCard", nil)
	})
}

// An analytics token alone stores nothing but that its message is spent.
func TestEncryptedAnalytics(t *testing.T) {
	capturing(t, func(t *testing.T, w *world, a *acquirer) {
		r := w.repo(tokenize.UUID, tokenize.UniqueCard)
		p := w.publish(r, capture.HPKEP256)
		asking := func(m *tokenize.EncryptedCard) tokenize.SaveRequest {
			q := sent(m)
			q.Types = tokenize.Analytics
			return q
		}
		q := asking(p.message(of(visa)))
		d := w.save(r, q)
		require.Equal(t, w.analyze(r, visa), d.Analytics)
		_, err := r.Save(t.Context(), q)
		replayed(t, err)
		_, err = r.Save(t.Context(), sent(q.Encrypted))
		replayed(t, err)
		m := p.message(of(visa))
		res := w.batch(r, asking(m), sent(p.message(of(master))), asking(m))
		require.Equal(t, d.Analytics, res[0].Details.Analytics)
		require.Nil(t, res[1].Err)
		replayed(t, res[2].Err)
		require.Zero(t, res[2].Details)
		require.Len(t, w.dump(r), 1)

		q = asking(p.message(of(visa)))
		q.Verification = tokenize.Acquirer
		a.says(answering(tokenize.ExternalDeclined))
		_, err = r.Save(t.Context(), q)
		fails(t, err, tokenize.RequestRejected, "verification", tokenize.ErrVerification)
		res = w.batch(r, q, sent(p.message(of(master))))
		require.ErrorIs(t, res[0].Err, tokenize.ErrVerification)
		require.Zero(t, res[0].Details, "no analytics token of a card that was declined")
		a.says(nil)
		require.Equal(t, tokenize.ExternalSuccessful, w.save(r, q).Verified)
		a.take()
		_, err = r.Save(t.Context(), q)
		replayed(t, err)
		require.Empty(t, a.take())
		both := sent(p.message(of(master)))
		both.Types = tokenize.ReuseAndAnalytics
		require.NotEmpty(t, w.save(r, both).Analytics)
	})
}

// 32 callers send one message at once, through two processes: one save.
func TestEncryptedAtOnce(t *testing.T) {
	capturing(t, func(t *testing.T, w *world, _ *acquirer) {
		r := w.repo(tokenize.UUID, tokenize.UniqueToken)
		p := w.publish(r, capture.HPKEP256)
		processes := []*tokenize.Repository{r, w.other(r)}
		for round := range 3 {
			m := p.message(of(visa))
			var wg sync.WaitGroup
			errs := make([]error, 32)
			for i := range errs {
				wg.Go(func() {
					if i%4 == 3 {
						res, err := processes[i%2].SaveBatch(t.Context(), []tokenize.SaveRequest{sent(m), sent(p.message(of("1")))})
						if errs[i] = err; err == nil && res[0].Err != nil {
							errs[i] = res[0].Err
						}
						return
					}
					_, errs[i] = processes[i%2].Save(t.Context(), sent(m))
				})
			}
			wg.Wait()
			saved := 0
			for _, err := range errs {
				if err == nil {
					saved++
					continue
				}
				replayed(t, err)
			}
			require.Equal(t, 1, saved)
			require.Len(t, w.dump(r), round+1)
		}
	})
}

// Failures of our own are none of the message's.
func TestEncryptedServerSide(t *testing.T) {
	k := &failing{}
	w := newWorld(t, memory.New(), &tokenize.Options{CaptureKeys: k})
	r := w.repo(tokenize.UUID, tokenize.UniqueCard)
	m := w.publish(r, capture.HPKEP256).message(of(visa))
	k.err = store.ErrUnavailable
	_, err := r.Save(t.Context(), sent(m))
	fails(t, err, tokenize.ServerBusy, "", store.ErrUnavailable)
	require.False(t, errors.Is(err, capture.ErrOpen))
	k.err, k.spoil = nil, true
	_, err = r.Save(t.Context(), sent(m))
	fails(t, err, tokenize.ServerFailed, "", envelope.ErrOpen)
	k.spoil = false
	w.save(r, sent(m))
}

// What operators look into is not taken in, and told of.
func TestRevealCaptured(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := capturingInMemory(t)
		r := w.repo(tokenize.UUID, tokenize.UniqueCard)
		p := w.publish(r, capture.HPKEP256)
		m := p.message(of(visa) + `,"cvv":"123","sequenceNumber":"7","cardholderName":"HOLDER"`)
		q := sent(m)
		w.save(r, q)
		time.Sleep(time.Hour)
		w.sink.take()
		out, err := r.RevealCaptured(t.Context(), me, "web", [][]byte{m.Message, []byte("x"), m.Message}, "dispute")
		require.NoError(t, err)
		require.Equal(t, visa, string(out[0].Card.Number.AppendDigits(nil)))
		require.Equal(t, "HOLDER", out[0].Card.Holder)
		require.Equal(t, "7", out[0].Sequence)
		require.True(t, out[0].Card.Code.IsZero())
		fails(t, out[1].Err, tokenize.InvalidRequest, "encryptedCard", capture.ErrOpen)
		require.Equal(t, out[0], out[2])
		events := w.sink.take()
		require.Len(t, events, 3)
		want := audit.Event{Time: events[0].Time, Action: audit.RevealCaptured, Outcome: audit.Done, Repository: r.Config().ID, Owner: "clerk", Reason: "dispute"}
		require.Equal(t, want, events[0])
		want.Outcome, want.Field = audit.Refused, "encryptedCard"
		require.Equal(t, want, events[1])

		may := me
		may.Permissions &^= tokenize.MayReveal
		_, err = r.RevealCaptured(t.Context(), may, "web", [][]byte{m.Message}, "dispute")
		fails(t, err, tokenize.RequestRejected, "caller", tokenize.ErrPermission)
		_, err = r.RevealCaptured(t.Context(), me, "web", [][]byte{m.Message}, "")
		fails(t, err, tokenize.InvalidRequest, "reason", nil)
		require.Len(t, w.sink.take(), 2)
		w.sink.fail(errors.New("no"))
		_, err = r.RevealCaptured(t.Context(), me, "web", [][]byte{m.Message}, "dispute")
		require.ErrorIs(t, err, tokenize.ErrAudit)
	})
}

// Capture keys are counted with what needs a data key, and moved from it.
func TestKeyUseCaptureKeys(t *testing.T) {
	capturing(t, func(t *testing.T, w *world, _ *acquirer) {
		r := w.repo(tokenize.UUID, tokenize.UniqueCard)
		p := w.publish(r, capture.HPKEP256)
		w.publish(r, capture.JWEECDH)
		old, err := w.keys.Records(t.Context(), keys.Capture)
		require.NoError(t, err)
		require.Equal(t, tokenize.KeyUse{CaptureKeys: 2}, w.use(old[0].ID))
		n, err := w.vault.KeyInUse(t.Context(), old[0].ID)
		require.NoError(t, err)
		require.Equal(t, uint64(2), n)
		_, err = w.keys.Rotate(t.Context(), keys.Capture)
		require.NoError(t, err)
		ring, err := r.CaptureKeys()
		require.NoError(t, err)
		moved, err := ring.Reseal(t.Context())
		require.NoError(t, err)
		require.Equal(t, 2, moved)
		require.Zero(t, w.use(old[0].ID))
		w.save(r, sent(p.message(of(visa))))
	})
}

// failing is a store of capture keys that fails, or answers with a damaged key.
type failing struct {
	capture.MemoryKeys
	err   error
	spoil bool
}

func (f *failing) Get(ctx context.Context, scope, alias string, id capture.KeyID) (capture.Key, error) {
	if f.err != nil {
		return capture.Key{}, f.err
	}
	k, err := f.MemoryKeys.Get(ctx, scope, alias, id)
	if f.spoil {
		k.Sealed[len(k.Sealed)-1] ^= 1
	}
	return k, err
}
