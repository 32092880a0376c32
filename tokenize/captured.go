package tokenize

import (
	"context"
	"time"

	"github.com/cardseal/cardseal/tokenize/audit"
	"github.com/cardseal/cardseal/tokenize/capture"
	"github.com/cardseal/cardseal/tokenize/card"
)

// Captured is what opening one message came to: the card, or Err.
type Captured struct {
	capture.Opened
	Err *Error
}

// RevealCaptured gives back the cards that clients encrypted to keys of an alias, for
// looking into what they sent: of whatever age, as often as it is asked, as long as the
// key lives. Nothing is stored and no message spent. Security codes are left out.
//
// As with Reveal the caller needs [MayReveal] and states a reason, and without a
// record of it nothing is given out. A message that does not open is in its own
// result; an error means that nothing was given out.
func (r *Repository) RevealCaptured(ctx context.Context, c Caller, alias string, messages [][]byte, reason string) ([]Captured, error) {
	e := r.event(audit.RevealCaptured, &c)
	if err := r.mayReveal(ctx, &c, reason, time.Now()); err != nil {
		if err := r.v.record(ctx, failed(e, err)); err != nil {
			return nil, err
		}
		return nil, err
	}
	e.Outcome, e.Reason = audit.Done, reason
	out := make([]Captured, len(messages))
	events := make([]audit.Event, len(messages))
	for i := range messages {
		events[i] = e
		o, err := r.openMessage(ctx, alias, messages[i])
		if err != nil {
			out[i].Err, events[i] = wrap(err), failed(e, err)
			continue
		}
		o.Card.Code = card.CVC{}
		out[i].Opened = o
	}
	if err := r.v.record(ctx, events...); err != nil {
		return nil, err
	}
	return out, nil
}
