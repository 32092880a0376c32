// Command capture is a card form whose card number no server but the vault can
// read: the page encrypts it with WebCrypto, and what is sent is one text. Open
// http://127.0.0.1:8080/ and save a published test card.
//
// Keys, tokens and cards live in memory and end with the program.
package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"time"

	"github.com/cardseal/cardseal/backends/kek/local"
	"github.com/cardseal/cardseal/backends/store/memory"
	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/tokenize"
	"github.com/cardseal/cardseal/tokenize/capture"
)

// address is on loopback: browsers serve WebCrypto to HTTPS and to loopback alone.
const address = "127.0.0.1:8080"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	folder, err := os.MkdirTemp("", "cardseal-capture-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	s, err := newServer(ctx, folder+"/development.key")
	if err != nil {
		return err
	}
	defer s.keys.Close()
	h := &http.Server{Addr: address, Handler: s.handler(), ReadTimeout: 10 * time.Second}
	failed := make(chan error, 1)
	go func() { failed <- h.ListenAndServe() }()
	fmt.Println("http://" + address + "/")
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
		return h.Close()
	}
}

// server is a vault with a page before it.
type server struct {
	keys *keys.Manager
	repo *tokenize.Repository
	ring *capture.Keyring
}

// newServer makes a vault in memory under a new development key, and a capture
// key for each of the page's two formats.
func newServer(ctx context.Context, keyFile string) (*server, error) {
	if err := local.CreateKeyFile(keyFile); err != nil {
		return nil, err
	}
	kek, err := local.OpenKeyFile(keyFile)
	if err != nil {
		return nil, err
	}
	db := memory.New()
	s := &server{}
	if s.keys, err = keys.Open(ctx, db.Keys(), kek, nil); err != nil {
		return nil, err
	}
	v, err := tokenize.Open(ctx, db.Cards(), s.keys, &tokenize.Options{
		AllowDevelopmentKEK: true, CaptureKeys: new(capture.MemoryKeys),
	})
	if err != nil {
		return nil, err
	}
	s.repo, err = v.EnsureRepository(ctx, tokenize.Config{
		ID: "SHOP", Generation: tokenize.RandomWithLuhn, Management: tokenize.UniqueCard,
	})
	if err != nil {
		return nil, err
	}
	if s.ring, err = s.repo.CaptureKeys(); err != nil {
		return nil, err
	}
	for alias, suite := range map[string]capture.Suite{"web": capture.HPKEP256, "web-jwe": capture.JWERSA} {
		if _, err := s.ring.Generate(ctx, alias, suite, 30*24*time.Hour); err != nil {
			return nil, err
		}
	}
	return s, nil
}
