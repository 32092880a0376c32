// Package slogobserve tells a slog.Logger what a keys.Manager does: pass [New]'s
// result as keys.Options.Observer.
//
// A record's message is the event's kind, "kms call" or "rotated". Its attributes
// are environment, purpose and, in the PerScope layout, scope of the ring; key (a
// data key's ID, which every record it sealed carries in the clear), kek, op, state
// and took where the event has them; and outcome: "ok" or the kind of failure,
// "throttled" or "denied". Errors themselves are left out, since they may quote a
// vendor's words at any length; no record holds a key or anything that was sealed.
//
// Levels say what wants attention. Error: a key was not rotated. Warn: a KMS call,
// read, refresh or rewrap failed, a key serves in its grace, was given up, or too few
// KEKs wrapped it. Info: a key was rotated, changed its state or was rewrapped.
// Debug: all that happens at all times, cache hits among it.
//
// The observer is called by who seals and opens, beside the warm path: a handler
// that blocks holds those calls up. It is safe for concurrent use where the logger's
// handler is. Not for counting: package otelobserve does that.
package slogobserve

import (
	"context"
	"log/slog"

	"github.com/cardseal/cardseal/backends/observe/internal/outcome"
	"github.com/cardseal/cardseal/keys"
)

// New returns an observer that writes to l, which must not be nil.
func New(l *slog.Logger) keys.Observer { return observer{l} }

type observer struct{ l *slog.Logger }

// Observe implements keys.Observer.
func (o observer) Observe(ctx context.Context, e keys.Event) {
	at := level(e)
	if !o.l.Enabled(ctx, at) {
		return
	}
	attrs := make([]slog.Attr, 0, 9)
	add := func(name, value string) {
		if value != "" {
			attrs = append(attrs, slog.String(name, value))
		}
	}
	add("environment", e.Ring.Environment)
	add("purpose", string(e.Ring.Purpose))
	add("scope", e.Ring.Scope)
	if e.Key != (keys.KeyID{}) {
		add("key", e.Key.String())
	}
	add("kek", e.KEK)
	add("op", string(e.Op))
	if e.Kind == keys.StateChanged {
		add("state", e.State.String())
	}
	if e.Took > 0 {
		attrs = append(attrs, slog.Duration("took", e.Took))
	}
	add("outcome", outcome.Of(e.Err))
	o.l.LogAttrs(ctx, at, e.Kind.String(), attrs...)
}

func level(e keys.Event) slog.Level {
	switch e.Kind {
	case keys.Grace, keys.Ended, keys.UnderReplicated:
		return slog.LevelWarn
	case keys.Rotated:
		if e.Err != nil {
			return slog.LevelError
		}
		return slog.LevelInfo
	case keys.StateChanged:
		return slog.LevelInfo
	case keys.Rewrapped:
		if e.Err == nil {
			return slog.LevelInfo
		}
	}
	if e.Err != nil {
		return slog.LevelWarn
	}
	return slog.LevelDebug
}
