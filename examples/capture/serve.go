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
	// Beside keys that are damaged there may be others.
	if _, damaged := errors.AsType[*capture.DamagedError](err); err != nil && !damaged {
		http.Error(w, "try again later", http.StatusServiceUnavailable)
		return
	}
	if len(live) == 0 {
		http.Error(w, "no key", http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	json.NewEncoder(w).Encode(live[0])
}

// card saves what the page sent. The vault opens it, and the message is spent with
// the save. The security code in it is dropped: it is for an acquirer, which a vault
// with a tokenize.Verifier asks.
func (s *server) card(w http.ResponseWriter, r *http.Request) {
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, cryptocapture.MaxText))
	if err != nil {
		http.Error(w, "not a card", http.StatusBadRequest)
		return
	}
	d, err := s.repo.Save(r.Context(), tokenize.SaveRequest{
		Caller:    tokenize.Caller{Owner: "capture", Permissions: tokenize.MaySave},
		Encrypted: &tokenize.EncryptedCard{Alias: r.PathValue("alias"), Message: text},
	})
	switch e, _ := errors.AsType[*tokenize.Error](err); {
	case err == nil:
		fmt.Fprintf(w, "saved %s as %s", d.Masked, d.Token)
	case errors.Is(err, capture.ErrStale), errors.Is(err, capture.ErrFuture):
		http.Error(w, "set your clock and send it again", http.StatusBadRequest)
	case errors.Is(err, capture.ErrOpen):
		http.Error(w, "not a card", http.StatusBadRequest)
	case e != nil && (e.Cause == tokenize.InvalidRequest || e.Cause == tokenize.RequestRejected):
		http.Error(w, "refused: "+err.Error(), http.StatusBadRequest) // names a field, never its value
	default:
		http.Error(w, "try again later", http.StatusServiceUnavailable)
	}
}
