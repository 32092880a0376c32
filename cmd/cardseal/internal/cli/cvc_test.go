package cli

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/keys"
)

// secretCode is a code that nothing may print. Cards of American Express have four
// digits, which are in no text by chance.
const (
	secretCode = "7391"
	wrongCode  = "2846"
	amexNumber = "378282246310005"
)

// issuer is a world with a vault whose repository ISSUED keeps codes for good, and a
// card in it.
func issuer(t *testing.T) (w *world, token string) {
	w = newWorld(t)
	w.ok("init")
	require.Contains(t, w.ok("repo", "create", "ISSUED", "--issuer-codes").out, "issuer's codes")
	return w, w.amex("ISSUED")
}

// amex saves a card of American Express.
func (w *world) amex(repository string) string {
	w.t.Helper()
	in, out := w.write("amex.csv", amexNumber+"\n"), w.path("amex.out")
	defer os.Remove(out)
	w.ok("tokenize", "--in", in, "--out", out, "--repository", repository)
	return w.column(out, "token")[0]
}

// cvc runs a command on codes with a line of standard input.
func (w *world) cvc(line string, args ...string) ran {
	w.t.Helper()
	return w.runWith(strings.NewReader(line), append([]string{"cvc"}, args...)...)
}

// status is what a command on codes shows.
func (w *world) status(r ran) codeStatus {
	w.t.Helper()
	all := lines[codeStatus](w.t, r)
	require.Len(w.t, all, 1)
	return all[0]
}

// aCode is one of the codes standing alone: within a token or a digest its digits are
// there by chance.
var aCode = regexp.MustCompile(`\b(` + secretCode + `|` + wrongCode + `)\b`)

// noCodes searches all that the test has seen, and the vault's files, for codes.
func (w *world) noCodes(text string) {
	w.t.Helper()
	require.False(w.t, aCode.MatchString(text), text)
	w.codes = w.codes || aCode.MatchString(files(w.t, w.home))
}

// notTwice runs a test that searches the vault's files for codes. Among what is sealed
// one may be by chance, but not so in two vaults.
func notTwice(t *testing.T, test func(t *testing.T) *world) {
	t.Helper()
	if test(t).codes {
		require.False(t, test(t).codes, "the vault's files hold a code")
	}
}

func TestCVCOfAnIssuer(t *testing.T) { notTwice(t, codesOfAnIssuer) }

func codesOfAnIssuer(t *testing.T) *world {
	w, token := issuer(t)
	in := []string{"--repository", "ISSUED", "--actor", "desk-1"}
	cvc := func(line string, args ...string) ran { return w.cvc(line, append(args, in...)...) }
	said := ""
	fails := func(status int, says string, r ran) {
		t.Helper()
		require.Equal(t, status, r.code, r.err)
		require.Contains(t, r.err, says)
		said += r.out + r.err
	}

	fails(ExitFailed, "no security code of this owner's", cvc("", "status", token))
	s := w.status(cvc(secretCode+"\r\n", "put", token, "--json"))
	require.Equal(t, token, s.Token)
	require.Nil(t, s.Expires)
	require.Zero(t, s.Reads)
	require.Equal(t, 15, s.Guesses)
	require.Equal(t, []codeCounting{{"card", "Unblocked", 3}, {"Apple Pay", "Unblocked", 3}, {"Google Pay", "Unblocked", 3}, {"Samsung Pay", "Unblocked", 3}}, s.Counters)

	require.Equal(t, "the security code is right\n", cvc(secretCode, "verify", token).out)
	require.Equal(t, []compared{{true, "Google Pay", "Unblocked", 3}}, lines[compared](t, cvc(secretCode, "verify", token, "--wallet", "google", "--json")))
	fails(ExitFailed, "wrong; attempts left: 2", cvc(wrongCode, "verify", token))
	r := cvc(wrongCode, "verify", token, "--json")
	fails(ExitFailed, "wrong; attempts left: 1", r)
	require.JSONEq(t, `{"right":false,"counter":"card","state":"Unblocked","left":1}`, r.out)
	fails(ExitFailed, "counter card has no attempt left", cvc(wrongCode, "verify", token))
	fails(ExitFailed, "is blocked and was not used", cvc(secretCode, "verify", token))
	require.Equal(t, "the security code is right\n", cvc(secretCode, "verify", token, "--wallet", "apple").out, "a counter of its own")

	s = w.status(cvc("", "status", token, "--json"))
	require.Equal(t, 12, s.Guesses)
	require.Equal(t, codeCounting{"card", "Blocked", 0}, s.Counters[0])
	require.Equal(t, "Blocked", w.status(cvc("", "reset", token, "--wallets", "google,samsung", "--json")).Counters[0].State)
	fails(ExitFailed, "is blocked", cvc("", "retrieve", token, "--out", w.path("code.txt")))
	require.False(t, exists(w.path("code.txt")))
	s = w.status(cvc("", "unblock", token, "--json"))
	require.Equal(t, codeCounting{"card", "Unblocked", 3}, s.Counters[0])
	require.Equal(t, 12, s.Guesses, "of the code's life none is given back")
	require.Contains(t, cvc("", "status", token).out, "Samsung Pay   Unblocked, attempts left: 3")

	require.Equal(t, ExitDone, cvc("", "retrieve", token, "--out", w.path("code.txt")).code)
	require.Equal(t, secretCode+"\n", w.read("code.txt"))
	info, err := os.Stat(w.path("code.txt"))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	fails(ExitFailed, "exists already", cvc("", "retrieve", token, "--out", w.path("code.txt")))
	fails(ExitUsage, "security codes are not written onto a terminal", cvc("", "retrieve", token, "--out", "/dev/null"))
	require.Equal(t, secretCode+"\n", cvc("", "retrieve", token, "--out", "-").out)

	for range 3 { // one of ten thousand is the same by chance
		cvc("", "allocate", token)
		r = cvc("", "retrieve", token, "--out", "-")
		require.Len(t, r.out, 5)
		if r.out != secretCode+"\n" {
			break
		}
	}
	require.NotEqual(t, secretCode+"\n", r.out, "another one was drawn")
	fails(ExitUsage, "repository ISSUED keeps codes as the issuer", cvc("", "authorized", token))
	fails(ExitUsage, "owner is not named", cvc(secretCode, "put", token, "--owner-type", "Site", "--owner", "S-1"))

	log := w.auditLog()
	for _, want := range []string{
		`"action":"allow-issuer-codes"`, `"action":"put-code","outcome":"done"`, `"action":"verify-code","outcome":"wrong"`, `"action":"block-code"`,
		`"action":"unblock-code"`, `"action":"reset-code-tries"`, `"action":"retrieve-code"`, `"action":"allocate-code"`, `"owner":"desk-1"`, "counter Google Pay",
	} {
		require.Contains(t, log, want)
	}
	require.Contains(t, w.ok("token", "delete", token, "--repository", "ISSUED").out, "DELETED")
	fails(ExitFailed, "no such token", cvc("", "status", token))
	w.ok("audit", "verify")
	w.noCodes(said)
	return w
}

// What the vault's keys are counted for, replaced and destroyed goes for an issuer's
// codes as for its cards.
func TestKeysOfAnIssuersCodes(t *testing.T) {
	w, token := issuer(t)
	w.ok("repo", "create", "OTHER")
	require.Equal(t, ExitDone, w.cvc(secretCode, "put", token, "--repository", "ISSUED").code)
	old := w.key(keys.CVC, "active")
	counted := func() map[string]uint64 {
		got := map[string]uint64{}
		for _, k := range lines[countedKey](t, w.ok("keys", "census", "--json")) {
			if k.Ring == keys.CVC {
				got[k.ID] = *k.Records
			}
		}
		return got
	}
	require.Equal(t, map[string]uint64{old: 1}, counted())
	w.ok("keys", "rotate", "--purpose", "cvc")
	w.fails(ExitFailed, "1 records need the data key: cardseal reseal --ring cvc", "keys", "destroy", old, "--confirm="+old)
	require.Equal(t, []resealedCount{{keys.CVC, "ISSUED", 1, false}}, lines[resealedCount](t, w.ok("reseal", "--ring", "cvc", "--json")))
	require.Contains(t, w.ok("reseal", "--ring", "cvc", "--repository", "ISSUED").out, "ISSUED  0 security codes sealed anew", "it may be run twice")
	require.Zero(t, counted()[old])
	require.Equal(t, uint64(1), counted()[w.key(keys.CVC, "active")])
	require.Equal(t, "the security code is right\n", w.cvc(secretCode, "verify", token, "--repository", "ISSUED").out)
	w.fails(ExitUsage, "keeps no security codes", "reseal", "--ring", "cvc", "--repository", "OTHER")
	w.fails(ExitUsage, "is for ring pan", "reseal", "--ring", "cvc", "--rows-per-second", "10")
	require.Contains(t, w.auditLog(), `"action":"reseal","outcome":"done","repository":"ISSUED"`)
	require.Contains(t, w.ok("keys", "inventory").out, "seals an issuer's security codes, XAES-256-GCM, 256 bits")

	w.ok("token", "delete", token, "--repository", "ISSUED")
	require.Zero(t, counted()[w.key(keys.CVC, "active")], "deleting the token erased it")
	for _, args := range [][]string{{"doctor"}, {"repo", "show", "ISSUED"}} {
		require.Contains(t, w.run(args...).out, "security codes are kept for good")
	}
}

func TestCVCOfManyCards(t *testing.T) { notTwice(t, codesOfManyCards) }

func codesOfManyCards(t *testing.T) *world {
	w, token := issuer(t)
	in := w.write("cards.csv", "number\n"+number+"\n4012888888881881\n")
	w.ok("tokenize", "--in", in, "--out", w.path("t.csv"), "--repository", "ISSUED")
	visa := w.column(w.path("t.csv"), "token")
	run := func(args ...string) ran {
		r := w.run(append(args, "--repository", "ISSUED")...)
		w.noCodes(r.out + r.err)
		return r
	}

	// Without a header: a token and a code a line.
	codes := w.write("codes.csv", token+","+secretCode+"\n"+visa[0]+",123\n\n"+visa[1]+","+wrongCode+"\nnone,123\n"+visa[1]+",12x\n,123\n")
	r := run("cvc", "put", "--in", codes)
	require.Equal(t, ExitPart, r.code, r.err)
	require.Contains(t, r.err, "2 rows kept, 5 refused")
	require.Equal(t, []string{"3", "4", "5", "6", "7"}, w.column(codes+".rejects.csv", "line"))
	require.Equal(t, []string{"code", "securityCode", "token", "securityCode", "token"}, w.column(codes+".rejects.csv", "field"))
	require.Empty(t, r.out)
	w.noCodes(w.read("codes.csv.rejects.csv"))
	r = run("cvc", "put", "--in", codes)
	require.Equal(t, ExitFailed, r.code)
	require.Contains(t, r.err, "exists already")

	// With one, and other columns, from standard input: reasons on standard error.
	r = w.runWith(strings.NewReader("ref,Code,\"token\"\nx,"+secretCode+","+token+"\ny,321,"+visa[0]+"\nz,123,"+visa[0]+"\n"),
		"cvc", "verify", "--in", "-", "--repository", "ISSUED", "--wallet", "samsung")
	require.Equal(t, ExitPart, r.code, r.err)
	require.Contains(t, r.err, "3,securityCode,the security code is wrong")
	require.Contains(t, r.err, "2 rows verified, 1 refused")
	require.Equal(t, 14, w.status(run("cvc", "status", visa[0], "--json")).Guesses)

	for name, text := range map[string]string{
		"other": "tokn," + secretCode + ",x\n", "twice": "token,code,code\n", "half": "token," + secretCode + "\n", "quote": `token,"` + secretCode,
	} {
		r = run("cvc", "put", "--in", w.write(name, text))
		require.Equal(t, ExitUsage, r.code, name)
		require.Contains(t, r.err, "the first line of", name)
	}
	r = run("cvc", "put", "--in", w.write("named", "a,b\n"+token+","+secretCode+"\n"), "--token-column", "a", "--code-column", "b")
	require.Equal(t, ExitDone, r.code, r.err)
	require.Contains(t, r.err, "1 rows kept")
	return w
}

func TestCVCRefuses(t *testing.T) { notTwice(t, codesRefused) }

func codesRefused(t *testing.T) *world {
	w, token := issuer(t)
	for _, c := range []struct {
		line, says string
		code       int
		args       []string
	}{
		{"", "which has none", ExitUsage, []string{"put", token}},
		{"\n", "which has none", ExitUsage, []string{"put", token}},
		{secretCode + "x", "other than digits", ExitUsage, []string{"put", token}},
		{strings.Repeat(secretCode, 100), "three or four digits", ExitUsage, []string{"verify", token}},
		{"123", "a length its brand does not use", ExitUsage, []string{"put", token}},
		{secretCode, "exactly one argument", ExitUsage, []string{"put"}},
		{secretCode, "exactly one argument", ExitUsage, []string{"put", token, secretCode}},
		{secretCode, "exactly one argument", ExitUsage, []string{"put", token, "--in", "x"}},
		{secretCode, "go together", ExitUsage, []string{"put", token, "--owner", "x"}},
		{secretCode, "Referrer, MerchantGroup", ExitUsage, []string{"put", token, "--owner", "x", "--owner-type", "Shop"}},
		{secretCode, "google, apple and samsung", ExitUsage, []string{"verify", token, "--wallet", "card"}},
		{"", "google, apple and samsung", ExitUsage, []string{"unblock", token, "--wallets", "google,x"}},
		{secretCode, "no such token", ExitFailed, []string{"put", "none"}},
		{secretCode, "looks like a card number", ExitUsage, []string{"put", number}},
		{"", "--out is needed", ExitUsage, []string{"retrieve", token}},
		{"", "has no database for security codes", ExitFailed, []string{"erasures"}},
	} {
		args := append([]string{"cvc"}, c.args...)
		if c.args[0] != "erasures" {
			args = append(args, "--repository", "ISSUED")
		}
		r := w.runWith(strings.NewReader(c.line), args...)
		require.Equal(t, c.code, r.code, "%v: %s", c.args, r.err)
		require.Contains(t, r.err, c.says, c.args)
		require.Empty(t, r.out)
		w.noCodes(r.err)
	}
	// A repository that is no issuer's has nowhere to put a code.
	w.ok("repo", "create", "SHOP")
	r := w.cvc(secretCode, "put", w.amex("SHOP"), "--repository", "SHOP")
	require.Equal(t, ExitFailed, r.code)
	require.Contains(t, r.err, `name one in `+filepath.Join(w.vaultDir(), "settings.json")+` as "codes"`)
	return w
}
