package audit_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/cardseal/cardseal/backends/store/memory"
	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/keys/keystest"
	"github.com/cardseal/cardseal/tokenize/audit"
)

func ExampleNewLog() {
	h := slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{} // for an output that stays the same
		}
		return a
	}})
	sink := audit.NewLog(slog.New(h))
	err := sink.Record(context.Background(), []audit.Event{{
		Time:   time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC),
		Action: audit.Delete, Outcome: audit.Done, Repository: "SHOP", Owner: "clerk", Token: "9123400000000004",
	}})
	if err != nil {
		panic(err)
	}
	// Output: level=INFO msg=audit action=delete outcome=done repository=SHOP owner=clerk token=9123400000000004 at=2030-01-02T03:04:05.000Z
}

func ExampleFile() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "audit")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "audit.log")

	m, err := keys.Open(ctx, memory.New().Keys(), keystest.NewKEK("example"), nil)
	if err != nil {
		panic(err)
	}
	defer m.Close()
	ring, err := m.Scope(keys.Audit, "")
	if err != nil {
		panic(err)
	}

	f, err := audit.OpenFile(path, ring, nil) // tokenize.Options.Audit takes it
	if err != nil {
		panic(err)
	}
	err = f.Record(ctx, []audit.Event{{Time: time.Now(), Action: audit.Reveal, Outcome: audit.Done, Token: "9123400000000004"}})
	if err != nil {
		panic(err)
	}
	anchor, _ := f.Head() // to a place of its own
	if err := f.Close(); err != nil {
		panic(err)
	}

	log, err := os.Open(path)
	if err != nil {
		panic(err)
	}
	defer log.Close()
	report, err := audit.Verify(ctx, log, ring, &audit.VerifyOptions{Anchor: &anchor})
	fmt.Println(report.Events, "event,", report.GapCount, "gaps,", err)

	// Whoever cuts off its end is found out by the anchor.
	if err := os.Truncate(path, 0); err != nil {
		panic(err)
	}
	_, err = log.Seek(0, 0)
	if err != nil {
		panic(err)
	}
	_, err = audit.Verify(ctx, log, ring, &audit.VerifyOptions{Anchor: &anchor})
	fmt.Println(err)
	// Output:
	// 1 event, 0 gaps, <nil>
	// audit: the log ends before the anchor: entries were cut off
}

// The receipts of destroyed data keys are in the events of their destruction, and
// hold what the chain holds.
func ExampleVerify() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "audit")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "audit.log")
	m, err := keys.Open(ctx, memory.New().Keys(), keystest.NewKEK("example"), nil)
	if err != nil {
		panic(err)
	}
	defer m.Close()
	ring, err := m.Scope(keys.Audit, "")
	if err != nil {
		panic(err)
	}
	f, err := audit.OpenFile(path, ring, nil)
	if err != nil {
		panic(err)
	}
	destroyed := time.Unix(1_900_000_000, 0).UTC()
	receipt := keys.Receipt{ // of Manager.Destroy
		Key: keys.KeyID{1}, Ring: keys.RingID{Environment: "production", Purpose: keys.PAN},
		Destroyed: destroyed, LastUse: destroyed.Add(time.Hour), Promise: keys.CopiesGone,
	}
	err = f.Record(ctx, []audit.Event{{
		Time: time.Now(), Action: audit.DestroyKey, Outcome: audit.Done, Owner: "custodian", Receipt: receipt.AppendTo(nil),
	}})
	if err != nil {
		panic(err)
	}
	if err := f.Close(); err != nil {
		panic(err)
	}

	log, err := os.Open(path)
	if err != nil {
		panic(err)
	}
	defer log.Close()
	found := map[uint64]keys.Receipt{}
	_, err = audit.Verify(ctx, log, ring, &audit.VerifyOptions{Each: func(sequence uint64, e *audit.Event) {
		if r, err := keys.ParseReceipt(e.Receipt); err == nil {
			found[sequence] = r
		}
	}})
	if err != nil {
		panic(err) // none of them counts
	}
	fmt.Println(len(found), found[2].Promise)
	// Output: 1 once all older copies of the key store are gone
}
