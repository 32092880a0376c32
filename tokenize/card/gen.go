//go:build ignore

// This program writes network_table.go; run it with go generate.
package main

import (
	"log"
	"os"

	"github.com/cardseal/cardseal/tokenize/card/internal/brandgen"
)

func main() {
	log.SetFlags(0)
	brands, err := os.ReadFile("data/brands.json")
	if err != nil {
		log.Fatal(err)
	}
	overlay, err := os.ReadFile("data/overlay.json")
	if err != nil {
		log.Fatal(err)
	}
	src, err := brandgen.Generate(brands, overlay)
	if err != nil {
		log.Fatal(err)
	}
	if err := os.WriteFile("network_table.go", src, 0o644); err != nil {
		log.Fatal(err)
	}
}
