package kms

import (
	"encoding/base64"
	"errors"
	"flag"
	"fmt"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/cardseal/cardseal/backends/kek/vaulttransit"
	"github.com/cardseal/cardseal/backends/store/memory"
	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/tokenize/card"
	"github.com/cardseal/cardseal/tokenize/seal"
)

var records = flag.Int("records", 20_000, "how many records BenchmarkTransitBatch seals and opens each way")

// batch is how many records one Transit call carries, and how many we seal in a
// turn.
const batch = 1000

// samples are records to seal: numbers, and where they belong.
type samples struct {
	digits [][]byte
	pans   []card.PAN
	ids    []seal.RecordID
}

// BenchmarkTransitBatch compares sealing card numbers call by call in Vault with
// sealing them here under a data key from the same Vault.
func BenchmarkTransitBatch(b *testing.B) {
	client := vaultClient(b)
	ctx := b.Context()
	path := newTransitKey(b, client, false) // not derived: the way Transit is used for data
	kek, err := vaulttransit.New(ctx, client, "transit", newTransitKey(b, client, true), nil)
	if err != nil {
		b.Fatal(err)
	}
	calls := &counted{KEK: kek}
	m, err := keys.Open(ctx, memory.New().Keys(), calls, nil)
	if err != nil {
		b.Fatal(err)
	}
	defer m.Close()
	s := seal.New(m, "bench")
	for b.Loop() {
		var theirs, ours struct{ seal, open time.Duration }
		var theirBytes, ourBytes, vaultCalls int
		for from := 0; from < *records; from += batch {
			in := newSamples(b, from, min(batch, *records-from))

			start := time.Now()
			sealed, err := transit(client, "encrypt/"+path, in, nil)
			theirs.seal += time.Since(start)
			if err != nil {
				b.Fatal(err)
			}
			start = time.Now()
			opened, err := transit(client, "decrypt/"+path, in, sealed)
			theirs.open += time.Since(start)
			if err != nil {
				b.Fatal(err)
			}
			vaultCalls += 2

			start = time.Now()
			recs, err := s.SealPANs(ctx, in.pans, in.ids)
			ours.seal += time.Since(start)
			if err != nil {
				b.Fatal(err)
			}
			start = time.Now()
			got, errs := s.OpenPANs(ctx, recs, in.ids)
			ours.open += time.Since(start)
			if err := errors.Join(errs...); err != nil {
				b.Fatal(err)
			}

			for i := range recs {
				if opened[i] != string(in.digits[i]) || !got[i].Equal(in.pans[i]) {
					b.Fatal("a record came back as another")
				}
				theirBytes += len(sealed[i])
				ourBytes += len(recs[i])
			}
		}
		rate := func(d time.Duration) float64 { return float64(*records) / d.Seconds() }
		b.ReportMetric(rate(theirs.seal), "transit-seals/s")
		b.ReportMetric(rate(ours.seal), "our-seals/s")
		b.ReportMetric(rate(theirs.open), "transit-opens/s")
		b.ReportMetric(rate(ours.open), "our-opens/s")
		b.ReportMetric(float64(vaultCalls), "transit-calls")
		b.ReportMetric(float64(calls.n), "our-calls")
		b.ReportMetric(float64(theirBytes)/float64(*records), "transit-B/record")
		b.ReportMetric(float64(ourBytes)/float64(*records), "our-B/record")
		b.ReportMetric(0, "ns/op")
	}
}

func newSamples(b *testing.B, from, n int) (s samples) {
	for i := range n {
		digits := fmt.Appendf(nil, "400000%09d", from+i)
		check, err := card.CheckDigit(digits)
		if err != nil {
			b.Fatal(err)
		}
		digits = append(digits, check)
		pan, err := card.ParsePAN(digits)
		if err != nil {
			b.Fatal(err)
		}
		s.digits, s.pans, s.ids = append(s.digits, digits), append(s.pans, pan), append(s.ids, seal.NewRecordID())
	}
	return s
}

// transit makes one batch call: encrypt where there is no ciphertext, else
// decrypt. Each record is bound to its ID, as ours are.
func transit(client *api.Client, path string, in samples, ciphertexts []string) ([]string, error) {
	items, answer := make([]map[string]string, len(in.ids)), "ciphertext"
	for i := range in.ids {
		items[i] = map[string]string{"associated_data": base64.StdEncoding.EncodeToString(in.ids[i][:])}
		if ciphertexts == nil {
			items[i]["plaintext"] = base64.StdEncoding.EncodeToString(in.digits[i])
		} else {
			items[i]["ciphertext"] = ciphertexts[i]
		}
	}
	if ciphertexts != nil {
		answer = "plaintext"
	}
	secret, err := client.Logical().Write("transit/"+path, map[string]any{"batch_input": items})
	if err != nil {
		return nil, err
	}
	results, _ := secret.Data["batch_results"].([]any)
	if len(results) != len(in.ids) {
		return nil, errors.New("not as many results as records")
	}
	out := make([]string, len(results))
	for i, r := range results {
		item, _ := r.(map[string]any)
		text, _ := item[answer].(string)
		if ciphertexts != nil {
			plain, err := base64.StdEncoding.DecodeString(text)
			if err != nil {
				return nil, err
			}
			text = string(plain)
		}
		if text == "" {
			return nil, fmt.Errorf("record %d: no %s", i, answer)
		}
		out[i] = text
	}
	return out, nil
}
