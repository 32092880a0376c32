package main

import (
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"

	cryptocapture "github.com/cardseal/cardseal/crypto/capture"
	"github.com/cardseal/cardseal/tokenize"
	"github.com/cardseal/cardseal/tokenize/capture"
	"github.com/cardseal/cardseal/tokenize/card"
)

//go:embed page
var page embed.FS

func (s *server) handler() http.Handler {
	files, err := fs.Sub(page, "page")
	if err != nil {
		panic(err) // the folder is compiled in
	}
	mux := http.NewServeMux()
	mux.Handle("GET /", http.FileServerFS(files))
	mux.HandleFunc("GET /key/{alias}", s.key)
	mux.HandleFunc("POST /card/{alias}", s.card)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// Only scripts of this server's may see the form, and they talk to it alone.
		w.Header().Set("Content-Security-Policy", "default-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action 'none'")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		mux.ServeHTTP(w, r)
	})
}

// key serves the newest public key of an alias.
func (s *server) key(w http.ResponseWriter, r *http.Request) {
	live, err := s.ring.Published(r.Context(), r.PathValue("alias"))
	if err != nil || len(live) == 0 {
		http.Error(w, "no key", http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	json.NewEncoder(w).Encode(live[0])
}

// card opens what the page sent and saves it.
func (s *server) card(w http.ResponseWriter, r *http.Request) {
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, cryptocapture.MaxText))
	if err != nil {
		http.Error(w, "not a card", http.StatusBadRequest)
		return
	}
	o, err := s.ring.OpenOnce(r.Context(), s.replays, r.PathValue("alias"), text)
	switch {
	case errors.Is(err, capture.ErrStale), errors.Is(err, capture.ErrFuture):
		http.Error(w, "set your clock and send it again", http.StatusBadRequest)
		return
	case errors.Is(err, capture.ErrOpen):
		http.Error(w, "not a card", http.StatusBadRequest)
		return
	case err != nil:
		http.Error(w, "try again later", http.StatusServiceUnavailable)
		return
	}
	// The code would go to the acquirer now; a merchant must not store it.
	o.Card.Code = card.CVC{}
	me := tokenize.Caller{Owner: "capture", Permissions: tokenize.MaySave}
	d, err := s.repo.Save(r.Context(), tokenize.SaveRequest{Caller: me, Card: o.Card})
	if err != nil {
		http.Error(w, "refused: "+err.Error(), http.StatusBadRequest) // names a field, never its value
		return
	}
	fmt.Fprintf(w, "saved %s as %s", o.Card.Number, d.Token)
}
