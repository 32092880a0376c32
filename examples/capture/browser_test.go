package main

import (
	"bytes"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/tokenize"
)

// Published test cards.
const (
	visa = "4111111111111111"
	amex = "378282246310005"
)

// TestBrowser fills in the form in a real browser and finds the card in the vault,
// and nothing of it in what the browser sent.
func TestBrowser(t *testing.T) {
	chromium := findChromium(t)
	s, err := newServer(t.Context(), filepath.Join(t.TempDir(), "development.key"))
	require.NoError(t, err)
	defer s.keys.Close()
	for _, c := range []struct{ alias, shown, number, holder, expiry, code string }{
		{"web", visa, visa, "J. Müller", "2031-04", "123"},
		{"web-jwe", "3782 822463 10005", amex, "", "2030-12", "1234"},
	} {
		t.Run(c.alias, func(t *testing.T) {
			p := &watched{server: s, shown: make(chan string, 1)}
			p.card = fmt.Sprintf(`{"number":%q,"holder":%q,"expiry":%q,"code":%q,"alias":%q}`, c.shown, c.holder, c.expiry, c.code, c.alias)
			h := httptest.NewServer(p)
			defer h.Close()
			visit(t, chromium, h.URL+"/test.html")
			var shown string
			select {
			case shown = <-p.shown:
			case <-time.After(5 * time.Minute): // the browser is stuck
				t.Fatal("the page showed nothing")
			}
			masked, token, ok := strings.Cut(strings.TrimPrefix(shown, "saved "), " as ")
			require.True(t, ok, shown)
			require.Equal(t, c.number[:6]+strings.Repeat("x", len(c.number)-10)+c.number[len(c.number)-4:], masked)

			me := tokenize.Caller{Owner: "test", Permissions: tokenize.MayReveal}
			full, err := s.repo.Reveal(t.Context(), me, token, "test")
			require.NoError(t, err)
			require.True(t, string(full.Number.AppendDigits(nil)) == c.number, "another number")
			require.Equal(t, c.expiry[5:]+c.expiry[2:4], full.Expiry.String())

			sent := p.sent()
			require.Len(t, sent, 1, "the card was sent once")
			require.Equal(t, "/card/"+c.alias, sent[0].url)
			require.NotContains(t, sent[0].body, c.number[6:])
			_, err = s.ring.Open(t.Context(), c.alias, []byte(sent[0].body))
			require.NoError(t, err, "it still opens")
			require.Equal(t, http.StatusBadRequest, post(t, s, c.alias, sent[0].body).Code, "but is not taken twice")
		})
	}
}

func findChromium(t *testing.T) string {
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	if os.Getenv("CI") == "true" {
		t.Fatal("NO CHROMIUM: install it (apt-get install chromium)")
	}
	t.Skip("NO CHROMIUM: the page is not tested in a browser; apt-get install chromium")
	return ""
}

// visit opens an address in a browser of its own until the test ends.
func visit(t *testing.T, chromium, url string) {
	// Not t.TempDir, which fails the test over what a dying browser still writes.
	profile, err := os.MkdirTemp("", "cardseal-chromium-")
	require.NoError(t, err)
	cmd := exec.Command(chromium, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
		"--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-breakpad",
		"--disable-dev-shm-usage", "--user-data-dir="+profile, url)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // so that its children end with it
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		cmd.Wait()
		os.RemoveAll(profile)
	})
}

// watched is the server with a page that fills itself in, and remembers what
// cards were sent.
type watched struct {
	*server
	card  string
	shown chan string

	mu    sync.Mutex
	cards []request
}

type request struct{ url, body string }

func (p *watched) sent() []request {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cards
}

func (p *watched) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	switch {
	case r.URL.Path == "/test.html":
		index, _ := page.ReadFile("page/index.html")
		w.Write(bytes.Replace(index, []byte("</html>"),
			[]byte(`<script src="fill.js" data-card="`+html.EscapeString(p.card)+`"></script>`), 1))
		return
	case r.URL.Path == "/fill.js":
		http.ServeFile(w, r, "testdata/fill.js")
		return
	case r.URL.Path == "/shown":
		p.shown <- string(body)
		return
	case r.Method == http.MethodPost:
		p.mu.Lock()
		p.cards = append(p.cards, request{r.URL.String(), string(body)})
		p.mu.Unlock()
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	p.handler().ServeHTTP(w, r)
}
