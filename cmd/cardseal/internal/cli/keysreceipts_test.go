package cli

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/cmd/cardseal/internal/vaultdir"
	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/tokenize/audit"
)

// destroyed destroys a ring's key that nothing needs and returns what was printed.
func (w *world) destroyed(ring keys.Purpose, more ...string) (id, receipt string) {
	w.t.Helper()
	id = w.key(ring, "active")
	w.ok("keys", "rotate", "--purpose", string(ring))
	time.Sleep(10 * time.Minute)
	return id, w.ok(append([]string{"keys", "destroy", id, "--confirm", id, "--actor", "custodian-1", "--json"}, more...)...).out
}

// verifyReceipt looks a receipt up that is given on standard input.
func (w *world) verifyReceipt(receipt string) ran {
	return w.runWith(strings.NewReader(receipt), "keys", "receipts", "--verify", "-", "--json")
}

func (w *world) hasNot(receipt, says string) {
	w.t.Helper()
	r := w.verifyReceipt(receipt)
	require.Equal(w.t, ExitFailed, r.code, r.err)
	require.Contains(w.t, r.err, says)
	require.Empty(w.t, r.out)
}

func TestKeysReceipts(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		w.ok("init")
		require.Empty(t, w.ok("keys", "receipts").out)
		w.ok("token", "delete", w.token())
		first, one := w.destroyed(keys.PAN)
		second, two := w.destroyed(keys.PAN, "--shred")
		anchor := strings.TrimSpace(w.ok("audit", "anchor").out)

		all := lines[chainedReceipt](t, w.run("keys", "receipts", "--json"))
		require.Len(t, all, 2)
		require.Equal(t, []string{first, second}, []string{all[0].Key, all[1].Key})
		require.Equal(t, []bool{false, true}, []bool{all[0].Shredded, all[1].Shredded})
		events := w.auditEvents()
		for i, printed := range []string{one, two} {
			r := lines[receiptFields](t, ran{out: printed})[0]
			require.Equal(t, r, all[i].receiptFields)
			require.Equal(t, "custodian-1", all[i].Actor)
			require.Equal(t, "destroy-key", events[all[i].Entry-2]["action"], "the begin is entry 1")
			require.Equal(t, "done", events[all[i].Entry-2]["outcome"])
			for _, form := range []string{printed, r.Receipt, r.Receipt + "\n"} {
				require.Equal(t, all[i:i+1], lines[chainedReceipt](t, w.verifyReceipt(form)))
			}
		}
		listed := w.run("keys", "receipts", "--json").out
		own, _, _ := strings.Cut(listed, "\n")
		require.Equal(t, all[:1], lines[chainedReceipt](t, w.verifyReceipt(own)))
		w.hasNot(strings.Replace(own, `"entry":`, `"entry":1`, 1), "another receipt")
		r := w.ok("keys", "receipts", "--anchor", anchor)
		require.Equal(t, 2, strings.Count(r.out, "once all older copies of the key store are gone"))
		require.Equal(t, 1, strings.Count(r.out, "shredding"))
		require.Contains(t, r.out, fmt.Sprintf("entry         %d\n", all[1].Entry))
		require.NotContains(t, r.err, "--anchor")
		require.Equal(t, ExitDone, w.run("keys", "receipts", "--verify", w.write("r.json", one)).code)
		require.Contains(t, w.run("keys", "receipts").err, "without --anchor")
		w.fails(ExitUsage, "--anchor is not", "keys", "receipts", "--anchor", "nonsense")
		w.fails(ExitFailed, "no such file", "keys", "receipts", "--verify", w.path("none"))

		// The log that ends before the destruction is whole, but for the anchor.
		w.alterLog(func(log string) string {
			return strings.Join(strings.SplitAfter(log, "\n")[:all[1].Entry-1], "")
		})
		require.Len(t, lines[chainedReceipt](t, w.run("keys", "receipts", "--json")), 1)
		w.fails(ExitFailed, audit.ErrCut.Error()+": no receipt in it counts", "keys", "receipts", "--anchor", anchor)
	})
}

// A receipt that was altered, or is another vault's, is not in the log, and neither
// does an altered log have any.
func TestAlteredReceipts(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		w.ok("token", "delete", w.token())
		_, printed := w.destroyed(keys.PAN)
		r := lines[receiptFields](t, ran{out: printed})[0]
		raw, err := base64.StdEncoding.DecodeString(r.Receipt)
		require.NoError(t, err)
		all := lines[chainedReceipt](t, w.run("keys", "receipts", "--json"))
		parse := 0
		for i := range 8 * len(raw) {
			raw[i/8] ^= 1 << (i % 8)
			text := base64.StdEncoding.EncodeToString(raw)
			raw[i/8] ^= 1 << (i % 8)
			c, err := parseReceipt([]byte(text))
			if err != nil {
				require.Equal(t, errNoReceipt, err)
				continue
			}
			parse++
			_, err = c.among(all)
			require.ErrorContains(t, err, "the audit log has ")
			if parse == 1 {
				w.hasNot(text, "the audit log has ")
			}
		}
		require.Greater(t, parse, 200, "times, records and key IDs are any number")
		for name, other := range map[string]string{
			"key":        strings.Replace(printed, r.Key, strings.Repeat("0f", 16), 1),
			"records":    strings.Replace(printed, `"records":0`, `"records":1`, 1),
			"promise":    strings.Replace(printed, "older copies", "copies", 1),
			"year":       strings.Replace(printed, `"lastUse":"20`, `"lastUse":"19`, 1),
			"more":       strings.Replace(printed, `{`, `{"x":1,`, 1),
			"twice":      printed + printed,
			"receipt":    strings.Replace(printed, `"receipt":"A`, `"receipt":"B`, 1),
			"other name": strings.Replace(printed, `{`, `{"Promise":"gone for good",`, 1),
			"name twice": strings.Replace(printed, `{`, `{"records":9,`, 1),
			"actor":      strings.Replace(printed, `{`, `{"actor":"custodian-2",`, 1),
			"none":       "{}", "empty": "", "cut": printed[:len(printed)/2], "long": strings.Repeat("A", maxReceipt+1),
		} {
			require.NotEqual(t, printed, other, name)
			w.hasNot(other, errNoReceipt.Error())
		}

		stranger := newWorld(t)
		stranger.ok("token", "delete", stranger.token())
		stranger.hasNot(printed, "the audit log has no receipt of this data key")
		_, other := stranger.destroyed(keys.PAN)
		stranger.hasNot(printed, "the audit log has no receipt of this data key")
		require.Equal(t, ExitDone, stranger.verifyReceipt(other).code)

		stranger.alterLog(func(log string) string { return strings.Replace(log, `"receipt":"A`, `"receipt":"B`, 1) })
		for _, args := range [][]string{{"keys", "receipts"}, {"keys", "receipts", "--json", "--verify", stranger.write("r", other)}} {
			stranger.fails(ExitFailed, "does not fit its MAC: no receipt in it counts", args...)
		}
	})
}

// A destruction whose event was lost gives its receipt again, and that is written
// down; so are two receipts where it was not.
func TestReceiptOnceMore(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		w.ok("token", "delete", w.token())
		id, printed := w.destroyed(keys.PAN)
		whole, err := os.ReadFile(w.logFile())
		require.NoError(t, err)
		for _, lost := range []bool{true, false} {
			w.alterLog(func(string) string {
				if !lost {
					return string(whole)
				}
				list := strings.SplitAfter(string(whole), "\n")
				require.Contains(t, list[len(list)-2], `"receipt"`)
				return strings.Join(list[:len(list)-2], "")
			})
			if lost {
				w.hasNot(printed, "the audit log has no receipt of this data key")
			}
			time.Sleep(time.Minute)
			again := w.ok("keys", "destroy", id, "--confirm", id, "--json").out
			require.NotEqual(t, printed, again, "a later last use")
			require.Equal(t, ExitDone, w.verifyReceipt(again).code)
			if lost {
				w.hasNot(printed, "another receipt of this data key")
				continue
			}
			require.Equal(t, ExitDone, w.verifyReceipt(printed).code)
			require.Len(t, lines[chainedReceipt](t, w.run("keys", "receipts", "--json")), 2)
		}
	})
}

// What a destroyed key of the audit ring chained cannot be verified, nor can what
// follows it.
func TestReceiptsOfADestroyedChainKey(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		w.ok("token", "delete", w.token())
		_, printed := w.destroyed(keys.PAN)
		_, own := w.destroyed(keys.Audit, "--shred")
		for _, receipt := range []string{printed, own} {
			w.hasNot(receipt, "from entry 1 on it cannot be verified: the data key that chained it was disabled or destroyed")
		}
		w.fails(ExitFailed, "cannot be verified", "keys", "receipts")
		w.fails(ExitFailed, "cannot be verified", "audit", "verify")
	})
}

// opened opens the vault as a service does.
func (w *world) opened() *vaultdir.Vault {
	w.t.Helper()
	v, err := vaultdir.Open(w.t.Context(), w.vaultDir(), &vaultdir.OpenOptions{})
	require.NoError(w.t, err)
	return v
}

// Destructions by an earlier version have no receipt in the log, and are told of.
func TestDestructionWithoutReceipt(t *testing.T) {
	w := newWorld(t)
	w.ok("init")
	v := w.opened()
	require.NoError(t, v.Record(t.Context(), audit.Event{Action: audit.DestroyKey, Outcome: audit.Done}))
	require.NoError(t, v.Close())
	require.Contains(t, w.ok("keys", "receipts").err, "without a receipt in the log, by an earlier version of cardseal: 1")
	v = w.opened()
	require.NoError(t, v.Record(t.Context(), audit.Event{Action: audit.DestroyKey, Outcome: audit.Done, Receipt: []byte{2}}))
	require.NoError(t, v.Close())
	w.fails(ExitFailed, "the receipt in entry 3 was written by a newer version", "keys", "receipts")
}

// A service's own destructions are in the same log: all that a receipt may say is shown.
func TestReceiptOfOneScope(t *testing.T) {
	w := newWorld(t)
	w.ok("init")
	at := time.Unix(1_900_000_000, 0).UTC()
	receipt := keys.Receipt{
		Key: keys.KeyID{1}, Ring: keys.RingID{Environment: "production", Purpose: keys.PAN, Scope: "shop-eu"}, Destroyed: at, LastUse: at.Add(time.Hour),
		Promise: keys.KEKGone, KEKs: []string{"kek-1", "kek-2&v=<1>"}, Shredded: true, Records: 7,
	}
	v := w.opened()
	require.NoError(t, v.Record(t.Context(), audit.Event{Action: audit.DestroyKey, Outcome: audit.Done, Receipt: receipt.AppendTo(nil)}))
	require.NoError(t, v.Close())
	r := w.ok("keys", "receipts")
	for _, says := range []string{
		"entry         2\n", "scope         shop-eu\n", "records lost  7\n", "KEKs          kek-1, kek-2&v=<1>\n",
		"unrecoverable once the scope's KEKs are destroyed\n", "last use      2030-03-17T18:46:40Z\n",
	} {
		require.Contains(t, r.out, says)
	}
	listed := w.run("keys", "receipts", "--json").out
	require.Len(t, lines[chainedReceipt](t, w.verifyReceipt(listed)), 1)
	var indented bytes.Buffer
	require.NoError(t, json.Indent(&indented, []byte(listed), "", "  "))
	require.Len(t, lines[chainedReceipt](t, w.verifyReceipt(indented.String())), 1)
	w.hasNot(strings.Replace(listed, "kek-2", "kek-3", 1), errNoReceipt.Error())
	w.hasNot(strings.Replace(listed, "shop-eu", "shop-us", 1), errNoReceipt.Error())
}
