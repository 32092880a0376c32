package main

import (
	"bytes"
	"encoding/json"
	"html"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
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
			page, sent := browse(t, s, chromium, form{c.shown, c.holder, c.expiry, c.code, c.alias})
			masked, token, ok := strings.Cut(strings.TrimPrefix(page.Text, "saved "), " as ")
			require.True(t, ok, page.Text)
			require.Equal(t, c.number[:6]+strings.Repeat("x", len(c.number)-10)+c.number[len(c.number)-4:], masked)
			require.False(t, page.Kept, "what was saved stays in the form")

			me := tokenize.Caller{Owner: "test", Permissions: tokenize.MayReveal}
			full, err := s.repo.Reveal(t.Context(), me, token, "test")
			require.NoError(t, err)
			require.True(t, string(full.Number.AppendDigits(nil)) == c.number, "another number")
			require.Equal(t, c.expiry[5:]+c.expiry[2:4], full.Expiry.String())

			messages := posted(t, sent)
			require.Len(t, messages, 1, "the card was sent once")
			require.Equal(t, "/card/"+c.alias, messages[0].url)
			// That it opens under the vault's key is what proves that it was encrypted:
			// in base64url no digits would be seen anyway.
			_, err = s.ring.Open(t.Context(), c.alias, []byte(messages[0].body))
			require.NoError(t, err, "it still opens")
			require.Equal(t, http.StatusBadRequest, post(t, s, c.alias, messages[0].body).Code, "but is not taken twice")
		})
	}
	t.Run("refused", func(t *testing.T) {
		page, sent := browse(t, s, chromium, form{"4111111111111112", "", "2031-04", "123", "web"})
		require.Regexp(t, "^refused: .*number", page.Text)
		require.True(t, page.Kept, "the form is empty")
		require.Len(t, posted(t, sent), 1)
	})
	t.Run("no key", func(t *testing.T) {
		require.NoError(t, s.keys.Close())
		page, sent := browse(t, s, chromium, form{visa, "", "2031-04", "123", "web"})
		require.Equal(t, "not sent: try again later\n", page.Text)
		require.True(t, page.Kept, "the form is empty")
		require.Empty(t, posted(t, sent))
	})
}

// posted are the messages among what a browser sent. In nothing else of it is any
// digit or name.
func posted(t *testing.T, sent []request) (messages []request) {
	t.Helper()
	for _, r := range sent {
		if r.method == http.MethodPost {
			messages = append(messages, r)
			continue
		}
		require.Empty(t, r.body)
		require.NotRegexp(t, `\d|ller`, r.url)
	}
	return messages
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

// form is what a customer types.
type form struct {
	Number string `json:"number"`
	Holder string `json:"holder"`
	Expiry string `json:"expiry"`
	Code   string `json:"code"`
	Alias  string `json:"alias"`
}

// report is what testdata/fill.js tells of the page after the form was sent.
type report struct {
	Text  string // what the page shows
	Kept  bool   // the number is still in the form
	Twice bool   // the button could be pressed again while the form was sent
	Again bool   // it can be pressed now
}

// browse sends a form in a browser and returns what the page then shows, and every
// request that the browser made of the server.
func browse(t *testing.T, s *server, chromium string, f form) (report, []request) {
	t.Helper()
	typed, err := json.Marshal(f)
	require.NoError(t, err)
	p := &watched{server: s, typed: string(typed), shown: make(chan report, 1)}
	h := httptest.NewServer(p)
	defer h.Close()
	visit(t, chromium, h.URL+"/test.html")
	select {
	case r := <-p.shown:
		require.False(t, r.Twice, "the button could be pressed twice")
		require.True(t, r.Again, "the button cannot be pressed any more")
		return r, p.sent()
	case <-time.After(5 * time.Minute): // the browser is stuck
		t.Fatal("the page showed nothing")
		return report{}, nil
	}
}

// watched is the server with a page that fills itself in, and remembers what was sent
// to it.
type watched struct {
	*server
	typed string
	shown chan report

	mu       sync.Mutex
	requests []request
}

type request struct{ method, url, body string }

func (p *watched) sent() []request {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.requests)
}

func (p *watched) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if r.URL.Path == "/shown" {
		var shown report
		if err := json.Unmarshal(body, &shown); err != nil {
			shown.Text = err.Error()
		}
		p.shown <- shown
		return
	}
	p.mu.Lock()
	p.requests = append(p.requests, request{r.Method, r.URL.String(), string(body)})
	p.mu.Unlock()
	switch r.URL.Path {
	case "/test.html":
		index := get(p.server, "/") // for its headers too, among them the policy
		maps.Copy(w.Header(), index.Header())
		w.Header().Del("Content-Length")
		w.Write(bytes.Replace(index.Body.Bytes(), []byte("</html>"),
			[]byte(`<script src="fill.js" data-card="`+html.EscapeString(p.typed)+`"></script>`), 1))
	case "/fill.js":
		http.ServeFile(w, r, "testdata/fill.js")
	default:
		r.Body = io.NopCloser(bytes.NewReader(body))
		p.handler().ServeHTTP(w, r)
	}
}
