package cli

import (
	"encoding/base64"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	cryptocapture "github.com/cardseal/cardseal/crypto/capture"
	"github.com/cardseal/cardseal/crypto/envelope"
	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/tokenize/capture"
)

// published runs new-key and reads what it printed.
func (w *world) published(args ...string) capture.Published {
	w.t.Helper()
	got := lines[capture.Published](w.t, w.run(append([]string{"capture", "new-key"}, args...)...))
	require.Len(w.t, got, 1)
	return got[0]
}

// sealed is what a client does with a published JWE key.
func sealed(t *testing.T, p capture.Published, members string) string {
	t.Helper()
	s, err := cryptocapture.ParseSuite(p.Suite)
	require.NoError(t, err)
	id, err := cryptocapture.ParseKeyID(p.KeyID)
	require.NoError(t, err)
	raw, err := base64.RawURLEncoding.DecodeString(p.Key)
	require.NoError(t, err)
	key, err := cryptocapture.ParsePublicKey(s, id, raw)
	require.NoError(t, err)
	text, err := key.Seal(nil, []byte("{"+members+`,"captureTime":"2026-01-02T03:04:05Z"}`), cryptocapture.Binding{})
	require.NoError(t, err)
	return string(text)
}

func TestCapture(t *testing.T) {
	w := newWorld(t)
	w.ok("init")
	w.ok("repo", "create", "DEFAULT")
	p := w.published("--alias", "web", "--suite", "jwe-ecdh-es", "--life", "24h", "--actor", "custodian-1")
	require.Equal(t, "jwe-ecdh-es", p.Suite)
	require.Equal(t, 24*time.Hour, p.Retires.Sub(p.Created))
	require.NotEmpty(t, p.JWK)
	require.Contains(t, w.auditLog(), `"action":"make-capture-key","outcome":"done","repository":"DEFAULT","owner":"custodian-1","reason":"capture key `+p.KeyID+` of alias web"`)
	hpke := w.published("--alias", "app")
	require.Equal(t, "hpke-p256", hpke.Suite)
	require.NotEmpty(t, hpke.Info)

	listed := lines[listedCapture](t, w.run("capture", "list", "--json"))
	require.Equal(t, []listedCapture{{Published: hpke}, {Published: p}}, listed)
	require.Equal(t, []listedCapture{{Published: p}}, lines[listedCapture](t, w.run("capture", "list", "--alias", "web", "--json")))
	require.Contains(t, w.ok("capture", "list").out, p.KeyID)

	// Out of date, and as often as it is asked; the code is left out.
	message := sealed(t, p, `"cardNumber":"`+number+`","cvv":"987","cardholderName":"A \"B\" <é>","expiryMonth":"01","expiryYear":2030,"startMonth":12,"startYear":2019,"sequenceNumber":"07"`)
	in := w.write("in.txt", message+"\nnonsense\n\n"+sealed(t, p, `"expiryMonth":2,"expiryYear":2031`)+"\n"+message)
	open := func(out string, more ...string) ran {
		return w.run(append([]string{"capture", "open", "--alias", "web", "--in", in, "--out", out, "--reason", "dispute 7", "--actor", "operator-1"}, more...)...)
	}
	r := open(w.path("out.jsonl"))
	require.Equal(t, ExitPart, r.code, r.err)
	info, err := os.Stat(w.path("out.jsonl"))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	answers := strings.Split(strings.TrimSpace(w.read("out.jsonl")), "\n")
	require.Len(t, answers, 3)
	require.JSONEq(t, `{"kid":"`+p.KeyID+`","cardNumber":"`+number+`","sequenceNumber":"07","cardholderName":"A \"B\" <é>",
		"startMonth":12,"startYear":2019,"expiryMonth":1,"expiryYear":2030,"captureTime":"2026-01-02T03:04:05Z"}`, answers[0])
	require.JSONEq(t, `{"kid":"`+p.KeyID+`","expiryMonth":2,"expiryYear":2031,"captureTime":"2026-01-02T03:04:05Z"}`, answers[1])
	require.Equal(t, answers[0], answers[2])
	require.Equal(t, []string{"2", "3"}, w.column(w.path("out.jsonl.rejects.csv"), "line"))
	require.NotContains(t, r.err+w.read("out.jsonl.rejects.csv")+w.auditLog(), number)
	require.Equal(t, 3, strings.Count(w.auditLog(), `"action":"reveal-captured","outcome":"done","repository":"DEFAULT","owner":"operator-1","reason":"dispute 7"`))
	require.Equal(t, 1, strings.Count(w.auditLog(), `"action":"reveal-captured","outcome":"refused"`))
	r = open("-")
	require.Equal(t, ExitPart, r.code, r.err)
	require.Equal(t, w.read("out.jsonl"), r.out)
	r = open(w.path("out.jsonl"))
	require.Equal(t, ExitFailed, r.code, "never over an existing file")

	w.ok("capture", "retire", p.KeyID, "--after", "1h")
	require.False(t, lines[listedCapture](t, w.run("capture", "list", "--alias", "web", "--json"))[0].Retired)
	w.ok("capture", "retire", p.KeyID, "--actor", "custodian-1")
	require.True(t, lines[listedCapture](t, w.run("capture", "list", "--alias", "web", "--json"))[0].Retired)
	require.Contains(t, w.ok("capture", "list").out, "retired")
	require.Contains(t, w.auditLog(), `"action":"retire-capture-key","outcome":"done"`)
	r = open(w.path("late.jsonl"))
	require.Equal(t, ExitPart, r.code)
	require.False(t, exists(w.path("late.jsonl")) && w.read("late.jsonl") != "")
	w.ok("audit", "verify")
}

// Capture keys are counted, moved and then need their data key no more.
func TestCaptureKeysOfRing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		w.token()
		p := w.published("--alias", "web", "--suite", "jwe-ecdh-es")
		id := w.key(keys.Capture, "active")
		census := func() (n uint64) {
			for _, k := range lines[countedKey](t, w.run("keys", "census", "--json")) {
				if k.ID == id {
					require.NotNil(t, k.Records)
					n = *k.Records
				}
			}
			return n
		}
		require.EqualValues(t, 1, census())
		w.ok("keys", "rotate", "--purpose", "capture")
		time.Sleep(10 * time.Minute)
		w.fails(ExitFailed, "1 records need the data key: cardseal reseal --ring capture", "keys", "destroy", id, "--confirm", id)
		require.Contains(t, w.ok("reseal", "--ring", "capture").out, "1 capture keys sealed anew")
		require.JSONEq(t, `{"ring":"capture","repository":"DEFAULT","changed":0}`, w.ok("reseal", "--ring", "capture", "--json").out)
		require.Zero(t, census())
		w.ok("keys", "destroy", id, "--confirm", id)
		in := w.write("in.txt", sealed(t, p, `"cardNumber":"`+number+`"`)+"\n")
		w.ok("capture", "open", "--alias", "web", "--in", in, "--out", w.path("out"), "--reason", "x")
		var opened struct{ CardNumber string }
		require.NoError(t, json.Unmarshal([]byte(w.read("out")), &opened))
		require.Equal(t, number, opened.CardNumber)
	})
}

func TestCaptureRefuses(t *testing.T) {
	w := newWorld(t)
	w.token()
	w.published("--alias", "web")
	w.fails(ExitUsage, "--alias is needed", "capture", "new-key")
	w.fails(ExitUsage, "--alias must be", "capture", "new-key", "--alias", "a b")
	w.fails(ExitUsage, "--suite is not a known word", "capture", "new-key", "--alias", "web", "--suite", "rsa")
	w.fails(ExitUsage, "--life must be", "capture", "new-key", "--alias", "web", "--life", "20000h")
	w.fails(ExitUsage, "does not exist", "capture", "new-key", "--alias", "web", "--repository", "NONE")
	w.fails(ExitUsage, "--rows-per-second is for ring pan", "reseal", "--ring", "capture", "--rows-per-second", "1")
	w.fails(ExitUsage, "32 hexadecimal digits", "capture", "retire", "x")
	w.fails(ExitFailed, "no such key", "capture", "retire", envelope.NewKeyID().String())
	w.fails(ExitUsage, "must not be negative", "capture", "retire", envelope.NewKeyID().String(), "--after", "-1s")
	in := w.write("in.txt", "x\n")
	w.fails(ExitUsage, "--reason is needed", "capture", "open", "--alias", "web", "--in", in, "--out", w.path("o"))
	w.fails(ExitUsage, "--alias is needed", "capture", "open", "--in", in, "--out", w.path("o"), "--reason", "x")
	w.fails(ExitUsage, "terminal", "capture", "open", "--alias", "web", "--in", in, "--out", "/dev/tty", "--reason", "x")
}
