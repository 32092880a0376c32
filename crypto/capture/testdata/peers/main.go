// Command peers makes JWEs with go-jose for the keys in ../keys.json, and prints
// them as ../go-jose.json has them.
package main

import (
	"encoding/json"
	"log"
	"os"

	"github.com/go-jose/go-jose/v4"
)

type message struct {
	Key       string `json:"key"`
	Plaintext string `json:"plaintext"`
	Message   string `json:"message"`
}

func main() {
	data, err := os.ReadFile("../keys.json")
	check(err)
	var keys []struct {
		Name string           `json:"name"`
		JWK  *jose.JSONWebKey `json:"jwk"`
	}
	check(json.Unmarshal(data, &keys))
	var all []message
	for _, k := range keys {
		if k.JWK == nil {
			continue
		}
		for _, plain := range []string{"", `{"made":"by go-jose"}`} {
			// The encrypter copies the key's kid into the header. With ContentType there is
			// a cty besides.
			for _, o := range []*jose.EncrypterOptions{nil, new(jose.EncrypterOptions).WithType("JOSE").WithContentType("application/json")} {
				e, err := jose.NewEncrypter(jose.A256GCM, jose.Recipient{Algorithm: jose.KeyAlgorithm(k.JWK.Algorithm), Key: k.JWK}, o)
				check(err)
				m, err := e.Encrypt([]byte(plain))
				check(err)
				text, err := m.CompactSerialize()
				check(err)
				all = append(all, message{k.Name, plain, text})
			}
		}
	}
	e := json.NewEncoder(os.Stdout)
	e.SetEscapeHTML(false)
	e.SetIndent("", " ")
	check(e.Encode(all))
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
