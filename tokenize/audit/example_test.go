package audit_test

import (
	"context"
	"log/slog"
	"os"
	"time"

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
