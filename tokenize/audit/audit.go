// Package audit says what happened in a vault, to whom it may concern: who did
// what to which token, and how it ended; never a card number, a code or a key.
//
// A [Sink] receives events. [NewLog] makes one of a slog.Logger. A sink that
// fails is taken seriously: a card is not revealed if the event of it cannot be
// recorded.
package audit

import (
	"context"
	"fmt"
	"log/slog"
	"time"
)

// Action is what was asked for.
type Action string

const (
	Save   Action = "save"
	Update Action = "update"
	Reveal Action = "reveal"
	Delete Action = "delete"
	Create Action = "create-repository"
)

// Outcome is how it ended.
type Outcome string

const (
	Created  Outcome = "created"  // a new token
	Existing Outcome = "existing" // the card had a token, which was returned
	Updated  Outcome = "updated"
	Done     Outcome = "done"
	Refused  Outcome = "refused" // the request was bad or not allowed
	Failed   Outcome = "failed"
)

// Event is one thing that happened. It holds no cardholder data.
type Event struct {
	Time        time.Time
	Action      Action
	Outcome     Outcome
	Repository  string
	Merchant    string
	Owner       string
	Token       string // as it was found in the store; empty if it was not
	Unknown     string // a keyed digest of a token that was not found, in hex
	Reason      string // the caller's, for a reveal
	Field       string // at fault, where one is
	Correlation string
}

// Sink receives events, several at a time where a call concerns several tokens.
// It is called from many goroutines, must not keep the slice, and returns once
// the events are as durable as it makes them.
type Sink interface {
	Record(ctx context.Context, events []Event) error
}

// NewLog returns a sink that writes each event to a logger's handler as one record
// of level Info and message "audit". It fails as the handler does, where the logger
// itself would pass over it. A logger that drops records of that level drops events.
func NewLog(l *slog.Logger) Sink { return logSink{l} }

type logSink struct{ l *slog.Logger }

func (s logSink) Record(ctx context.Context, events []Event) error {
	h := s.l.Handler()
	if !h.Enabled(ctx, slog.LevelInfo) {
		return nil
	}
	for i := range events {
		e := &events[i]
		attrs := make([]slog.Attr, 0, 10)
		for _, a := range [...]struct{ name, value string }{
			{"action", string(e.Action)}, {"outcome", string(e.Outcome)},
			{"repository", e.Repository}, {"merchant", e.Merchant}, {"owner", e.Owner},
			{"token", e.Token}, {"unknownToken", e.Unknown}, {"reason", e.Reason},
			{"field", e.Field}, {"correlation", e.Correlation},
		} {
			if a.value != "" {
				attrs = append(attrs, slog.String(a.name, a.value))
			}
		}
		attrs = append(attrs, slog.Time("at", e.Time))
		r := slog.NewRecord(time.Now(), slog.LevelInfo, "audit", 0)
		r.AddAttrs(attrs...)
		if err := h.Handle(ctx, r); err != nil {
			return fmt.Errorf("audit: %w", err)
		}
	}
	return nil
}
