package cli

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/backends/kek/local"
	"github.com/cardseal/cardseal/cmd/cardseal/internal/kekcheck"
	"github.com/cardseal/cardseal/internal/kmskeytest"
	"github.com/cardseal/cardseal/internal/kmstest"
)

// check runs kek check and returns what its steps came to.
func (w *world) check(uri string, more ...string) (ran, map[string]kekcheck.Step) {
	w.t.Helper()
	r := w.run(append([]string{"kek", "check", uri, "--json"}, more...)...)
	steps := map[string]kekcheck.Step{}
	for line := range strings.Lines(r.out) {
		var s kekcheck.Step
		require.NoError(w.t, json.Unmarshal([]byte(line), &s), line)
		steps[s.Name] = s
	}
	return r, steps
}

func TestKEKCheck(t *testing.T) {
	eachKMS(t, func(t *testing.T, w *world, key *kmskeytest.Key) {
		r := w.ok("kek", "check", key.URI)
		require.Contains(t, r.out, "opens                          "+key.ID)
		for line := range strings.Lines(r.out) {
			require.True(t, strings.HasPrefix(line, "ok    "), line)
		}
		for _, step := range []string{
			"is in order", "wraps a data key", "unwraps it", "refuses another key ID", "refuses another creation time",
			"refuses another environment", "refuses another scope", "refuses another purpose", "refuses altered bytes",
		} {
			require.Contains(t, r.out, "  "+step+"\n")
		}
		r, steps := w.check(key.URI)
		require.Equal(t, ExitDone, r.code, r.out)
		require.Equal(t, kekcheck.Step{Name: "opens", Result: kekcheck.OK, Text: key.ID}, steps["opens"])
		_, generates := steps["generates a data key"]
		_, rewraps := steps["rewraps it"]
		google := strings.HasPrefix(key.URI, "gcp-kms:")
		require.Equal(t, !google, generates)
		require.Equal(t, !google, rewraps)
		if version, ok := steps["tells its version"]; ok {
			require.NotEmpty(t, version.Text)
		}

		r, steps = w.check(key.Missing)
		require.Equal(t, ExitFailed, r.code)
		require.Contains(t, r.err, "steps failed")
		bad := steps["opens"]
		if google { // opening makes no call
			bad = steps["is in order"]
			require.Equal(t, "notFound", steps["wraps a data key"].Kind)
			require.NotContains(t, steps, "unwraps it", "there is nothing to unwrap")
		}
		require.Equal(t, kekcheck.Fail, bad.Result)
		require.Equal(t, "notFound", bad.Kind)
		require.NotEmpty(t, bad.Call)
		require.Contains(t, bad.Text, bad.Call)

		if key.Disable != nil {
			key.Disable()
			r, steps = w.check(key.URI)
			require.Equal(t, ExitFailed, r.code)
			bad = steps["opens"]
			if google {
				bad = steps["wraps a data key"]
			}
			require.Equal(t, "disabled", bad.Kind)
		}
	})
}

// A local key is tried like any other.
func TestKEKCheckLocal(t *testing.T) {
	w := newWorld(t)
	require.NoError(t, local.CreateKeyFile(w.path("kek")))
	r := w.ok("kek", "check", "local://"+w.path("kek"))
	require.Contains(t, r.err, "development only")
	require.NotContains(t, r.out, "fail")
	r = w.run("kek", "check", "local://"+w.path("none"))
	require.Equal(t, ExitFailed, r.code)
	require.Contains(t, r.out, "no such file")
}

func TestKEKCheckUse(t *testing.T) {
	w := newWorld(t)
	for _, args := range [][]string{
		{"kek"}, {"kek", "check", "a", "b"}, {"kek", "check", "local:///k", "--timeout", "0s"},
		{"kek", "check", "local:///k", "--timeout", "1h"},
	} {
		require.Equal(t, ExitUsage, w.run(args...).code, args)
	}
	for _, endpoint := range []string{"kms.example.com:443", "10.0.0.1:80", "127.0.0.1", "localhost:80", "http://127.0.0.1:80"} {
		t.Setenv("CARDSEAL_GCP_KMS_ENDPOINT", endpoint)
		r := w.run("kek", "check", "gcp-kms://projects/my-project/locations/global/keyRings/r/cryptoKeys/k")
		require.Equal(t, ExitUsage, r.code, endpoint)
		require.Contains(t, r.err, "must be an address on loopback")
	}
}

// Without a URI the vault's keys are checked, each of them.
func TestKEKCheckOfVault(t *testing.T) {
	w := newWorld(t)
	w.fails(ExitFailed, "cardseal init makes one", "kek", "check")
	one, two := "local://"+w.path("one"), "local://"+w.path("two")
	w.ok("init", "--kek", one, "--kek", two)
	r := w.ok("kek", "check")
	require.Equal(t, []string{"key   " + one, "key   " + two}, slices.DeleteFunc(strings.Split(strings.TrimSpace(r.out), "\n"),
		func(line string) bool { return strings.HasPrefix(line, "ok    ") }))
	w.ok("kek", "check", "--json")
	require.NoError(t, os.Remove(w.path("one")))
	r = w.run("kek", "check", "--json")
	require.Equal(t, ExitFailed, r.code)
	require.Contains(t, r.err, "1 of ")
	require.Contains(t, r.out, `{"kek":"`+one+`","step":"opens","result":"fail"`)
	require.Contains(t, r.out, `{"kek":"`+two+`","step":"refuses altered bytes","result":"ok"`)
}

func TestKEKCheckWithoutServer(t *testing.T) {
	for _, uri := range elsewhere(t, closedPort) {
		r, steps := newWorld(t).check(uri)
		require.Equal(t, ExitFailed, r.code)
		bad := steps["opens"]
		if strings.HasPrefix(uri, "gcp-kms:") {
			bad = steps["wraps a data key"]
		}
		require.Equal(t, "unavailable", bad.Kind, uri)
		require.Contains(t, bad.Text, "the KMS cannot be reached")
	}
}

// A server that takes connections and says nothing holds a step up until its time
// is over, and not longer.
func TestKEKCheckHung(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	for _, uri := range elsewhere(t, l.Addr().String()) {
		r, steps := newWorld(t).check(uri, "--timeout", "200ms")
		require.Equal(t, ExitFailed, r.code)
		bad := steps["opens"]
		if strings.HasPrefix(uri, "gcp-kms:") {
			bad = steps["wraps a data key"]
		}
		require.Equal(t, "timeout", bad.Kind, uri)
		require.Contains(t, bad.Text, "the KMS did not answer in time")
	}
}

// Ctrl-C ends the check at once, though the server hangs.
func TestKEKCheckInterrupted(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	for _, uri := range elsewhere(t, l.Addr().String()) {
		ctx, stop := context.WithCancel(t.Context())
		go func() {
			if c, err := l.Accept(); err == nil {
				defer c.Close()
				stop()
				_, _ = io.Copy(io.Discard, c)
			}
		}()
		var out, said strings.Builder
		require.Equal(t, ExitFailed, Run(ctx, []string{"kek", "check", uri, "--timeout", "5m"}, strings.NewReader(""), &out, &said))
		require.Contains(t, said.String(), "cardseal: interrupted")
		require.NotContains(t, out.String(), "fail")
	}
}

// Each permission that is missing is named, and it is a failure where a vault
// cannot do without.
func TestKEKCheckPermissionsOfVault(t *testing.T) {
	key, bao := kmskeytest.Vault(t)
	key.Use(t)
	w := newWorld(t)
	for grant, want := range map[string]struct {
		step   string
		result kekcheck.Result
		code   int
	}{
		"keys/cards":              {"opens", kekcheck.Fail, ExitFailed},
		"datakey/plaintext/cards": {"generates a data key", kekcheck.Fail, ExitFailed},
		"decrypt/cards":           {"generates a data key", kekcheck.Fail, ExitFailed},
		"encrypt/cards":           {"wraps a data key", kekcheck.Note, ExitDone},
		"rewrap/cards":            {"rewraps it", kekcheck.Note, ExitDone},
	} {
		grants := bao.Grants()
		delete(grants, grant)
		t.Setenv("VAULT_TOKEN", bao.Token(bao.Policy(grants), false))
		r, steps := w.check(key.URI)
		require.Equal(t, want.code, r.code, r.out)
		require.Equal(t, want.result, steps[want.step].Result, grant)
		require.Equal(t, "denied", steps[want.step].Kind, grant)
		require.Contains(t, steps[want.step].Call, bao.Mount+"/"+grant)
	}
	t.Setenv("VAULT_TOKEN", bao.Token(bao.Policy(bao.Grants()), false))
	w.ok("kek", "check", key.URI)
}

// AWS has its permissions by call; what one is refused comes from a proxy before
// the server, in the words of AWS's documentation.
func TestKEKCheckPermissionsOfAWS(t *testing.T) {
	key := kmskeytest.AWS(t, kmstest.Moto)
	key.Use(t)
	w := newWorld(t)
	server, err := url.Parse(key.Env["AWS_ENDPOINT_URL_KMS"])
	require.NoError(t, err)
	proxy := httputil.NewSingleHostReverseProxy(server)
	denied := ""
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	front := &http.Server{Handler: http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Amz-Target") == "TrentService."+denied {
			rw.Header().Set("Content-Type", "application/x-amz-json-1.1")
			rw.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(rw, `{"__type":"AccessDeniedException","message":"User: arn:aws:iam::111122223333:user/u is not authorized to perform: kms:`+denied+`"}`)
			return
		}
		proxy.ServeHTTP(rw, r)
	})}
	served := make(chan error, 1)
	go func() { served <- front.Serve(l) }()
	t.Cleanup(func() { require.NoError(t, front.Close()); <-served })
	t.Setenv("AWS_ENDPOINT_URL_KMS", "http://"+l.Addr().String())

	for _, c := range []struct {
		call, step, permission string
		result                 kekcheck.Result
		code                   int
	}{
		{"DescribeKey", "", "", "", ExitDone}, // a full key ARN does without
		{"GenerateDataKey", "generates a data key", "kms:GenerateDataKey", kekcheck.Fail, ExitFailed},
		{"Decrypt", "generates a data key", "kms:Decrypt", kekcheck.Fail, ExitFailed},
		{"Encrypt", "wraps a data key", "kms:Encrypt", kekcheck.Note, ExitDone},
		{"ReEncrypt", "rewraps it", "kms:ReEncryptFrom, kms:ReEncryptTo", kekcheck.Note, ExitDone},
	} {
		denied = c.call
		r, steps := w.check(key.URI)
		require.Equal(t, c.code, r.code, "%s: %s", c.call, r.out)
		if c.step == "" {
			continue
		}
		require.Equal(t, c.result, steps[c.step].Result, c.call)
		require.Equal(t, "denied", steps[c.step].Kind)
		require.Equal(t, c.permission, steps[c.step].Call)
		require.Contains(t, steps[c.step].Text, "not authorized to perform")
	}
}
