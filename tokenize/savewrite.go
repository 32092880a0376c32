package tokenize

import (
	"context"

	"github.com/cardseal/cardseal/crypto/envelope"
	"github.com/cardseal/cardseal/tokenize/audit"
	"github.com/cardseal/cardseal/tokenize/capture"
	"github.com/cardseal/cardseal/tokenize/store"
)

// write hands the plan to the store and reports whether it was carried out.
func (b *batch) write(ctx context.Context, s *step) (bool, error) {
	if len(b.writes) == 0 && s == nil {
		return true, nil
	}
	for i := range b.writes {
		for j := range b.writes[i].Row.Sealed {
			id, ok := envelope.StoredKeyID(b.writes[i].Row.Sealed[j].Record)
			if !ok {
				return false, damaged("a sealed value is not in stored mode")
			}
			if err := b.r.v.openFence(ctx, id); err != nil {
				return false, err
			}
		}
	}
	if b.outwaited() {
		if err := b.findSent(ctx); err != nil {
			return false, err
		}
		b.refuseLate()
		return false, nil
	}
	var job *store.Job
	if s != nil {
		var err error
		if job, err = s.job(b.res); err != nil {
			return false, err
		}
	}
	// Before, as with a deletion: afterwards a failure would leave codes that no token
	// leads to.
	for k := range b.writes {
		if b.prep[b.from[k]].renumbers {
			if err := b.r.eraseCodes(ctx, b.writes[k].Row.Token); err != nil {
				return false, err
			}
		}
	}
	outcomes, err := b.r.v.cards.Write(ctx, b.writes, job)
	if err != nil {
		return false, err
	}
	done, fenced := true, false
	for k := range outcomes {
		if outcomes[k].Result == store.Outdated {
			return false, errOutdated
		}
		if outcomes[k].Result != store.Written {
			done = false
			fenced = fenced || outcomes[k].Result == store.Fenced
			b.stoodInTheWay(b.from[k], &outcomes[k])
		}
	}
	if fenced {
		if b.fenced++; b.fenced == maxFenced {
			return false, errFenced()
		}
	}
	return done, nil
}

// sentBefore reports whether a request that is about to be refused was carried out
// before under its idempotency key, or its message spent: what the first call did
// (created the token, raised its version, took the last free one) may be just what
// refuses the second. The store is asked with a write that it cannot carry out.
func (b *batch) sentBefore(ctx context.Context, i int) (bool, error) {
	p, token := &b.prep[i], b.reqs[i].Token
	if !p.hasOnce && p.message == nil || p.asked {
		return false, nil
	}
	p.asked = true
	if token == "" {
		token = "0"
	}
	probe := b.probe(token, nil)
	if probe.Spend = p.message; p.hasOnce {
		probe.Once = &p.once
	}
	out, err := b.r.v.cards.Write(ctx, []store.Write{probe}, nil)
	switch {
	case err != nil:
		return false, err
	case out[0].Result == store.Outdated:
		return false, errOutdated
	case out[0].Result != store.Replayed && out[0].Result != store.Spent:
		return false, nil
	}
	b.stoodInTheWay(i, &out[0])
	return true, nil
}

// noVersion is a version that no row reaches.
const noVersion = 1 << 62

// probe is a write that asks for a remembered call and cannot be carried out.
func (b *batch) probe(token string, once *store.Once) store.Write {
	return store.Write{Once: once, Epoch: b.l.epoch, Row: store.Row{
		Scope: b.r.scope, Token: token, Version: noVersion, Status: store.Active,
	}}
}

// stoodInTheWay takes note of why a write was refused, for the next plan.
func (b *batch) stoodInTheWay(i int, o *store.Outcome) {
	q := &b.reqs[i]
	switch o.Result {
	case store.CardExists:
		// Without a token of his own the caller gets the winner's, which the next
		// plan will have read.
		if q.Token != "" {
			b.res[i].Err = fault(rejected("number", "CARD_HAS_TOKEN", ErrCardHasToken), q.CorrelationID)
		}
	case store.Replayed:
		if o.Input != b.prep[i].once.Input {
			b.res[i].Err = fault(rejected("idempotencyKey", "REUSED_KEY", ErrReusedKey), q.CorrelationID)
			return
		}
		b.replayed[i] = o.Token
	case store.Spent:
		b.res[i].Err = fault(untimely(capture.ErrReplayed), q.CorrelationID)
	case store.Fenced:
		b.r.v.forgetFence(o.Key)
		b.r.sealer.Refresh()
	}
	// TokenTaken and Stale: another draw and another read decide.
}

// audit records what the batch did.
func (b *batch) audit(ctx context.Context) error {
	if b.r.v.o.Audit == nil {
		return nil
	}
	events := make([]audit.Event, len(b.reqs))
	for i := range b.reqs {
		q, res := &b.reqs[i], &b.res[i]
		e := &events[i]
		*e = audit.Event{
			Action: audit.Save, Repository: b.r.c.ID, Token: res.Details.Token, Outcome: audit.Existing,
		}
		if q.update {
			e.Action = audit.Update
		}
		// What is malformed is not written down.
		if q.Caller.may(0) == nil {
			e.Merchant, e.Owner = q.Caller.Merchant, q.Caller.Owner
		}
		if isPrintable(q.CorrelationID, maxCorrelation) {
			e.Correlation = q.CorrelationID
		}
		e.Verification = b.prep[i].external()
		switch {
		case res.Err != nil:
			e.Token, e.Outcome, e.Field = "", audit.Refused, res.Err.Field
			if q.Token != "" {
				e.Unknown = b.r.unknownDigest(b.l, q.Token)
			}
			if serverSide(res.Err) {
				e.Outcome = audit.Failed
			}
		case res.Details.Outcome == Created:
			e.Outcome = audit.Created
		case res.Details.Outcome == Computed:
			e.Outcome = audit.Done
		case res.Details.Outcome == Updated:
			e.Outcome = audit.Updated
		}
		events = appendStates(events, q, res, *e)
	}
	return b.r.v.record(ctx, events...)
}

// appendStates records the states that a save brought along beside the save itself.
func appendStates(events []audit.Event, q *SaveRequest, res *SaveResult, e audit.Event) []audit.Event {
	if res.Err != nil || res.Details.Outcome != Created && res.Details.Outcome != Updated {
		return events
	}
	e.Outcome, e.Verification = audit.Done, ""
	if q.Suspended {
		e.Action = audit.Suspend
		events = append(events, e)
	}
	if q.Invalid {
		e.Action = audit.Validity
		events = append(events, e)
	}
	return events
}
