package kekcheck

import (
	"context"
	"time"

	"github.com/cardseal/cardseal/backends/kek/open"
	"github.com/cardseal/cardseal/keys"
)

// Result is what a step came to.
type Result string

const (
	OK   Result = "ok"
	Note Result = "note" // something that a vault can do without
	Fail Result = "fail"
)

// Step is one thing that was tried.
type Step struct {
	Name   string `json:"step"`
	Result Result `json:"result"`
	Text   string `json:"text,omitempty"`
	Call   string `json:"call,omitempty"` // the vendor's permission, where a call failed
	Kind   string `json:"kind,omitempty"` // its failure
}

// Options of [Run].
type Options struct {
	Open    func(ctx context.Context) (open.KEK, error)
	Timeout time.Duration // of one step
	Report  func(Step) error
}

// run is a check under way.
type run struct {
	o      Options
	k      open.KEK
	b      keys.Binding
	failed int

	dataKey, wrapped []byte // the specimen
}

// Run tries a KEK and reports each step as it ends. It returns how many failed;
// the error is Report's or the context's own.
func Run(ctx context.Context, o Options) (failed int, err error) {
	r := &run{o: o, b: specimen()}
	defer func() {
		clear(r.dataKey)
		if r.k != nil {
			_ = r.k.Close() // nothing depends on it any more
		}
	}()
	for _, s := range steps {
		if r.k == nil && s.name != steps[0].name || s.needs && r.wrapped == nil {
			continue // what it needs has failed, and was reported
		}
		if err := ctx.Err(); err != nil {
			return r.failed, err
		}
		step, ok := r.try(ctx, s)
		if !ok {
			continue
		}
		if err := ctx.Err(); err != nil {
			return r.failed, err // the step failed for that
		}
		if step.Result == Fail {
			r.failed++
		}
		if err := o.Report(step); err != nil {
			return r.failed, err
		}
	}
	return r.failed, nil
}

// try carries one step out; false if it does not apply to this KEK.
func (r *run) try(ctx context.Context, s step) (Step, bool) {
	if s.applies != nil && !s.applies(r.k) {
		return Step{}, false
	}
	ctx, cancel := context.WithTimeout(ctx, r.o.Timeout)
	defer cancel()
	text, err := s.do(r, ctx)
	if err == nil {
		return Step{Name: s.name, Result: OK, Text: text}, true
	}
	out := Step{Name: s.name, Result: Fail, Text: wordsOf(err)}
	out.Call, out.Kind = call(err)
	if s.spare != "" && out.Kind == "denied" && r.wrapped != nil { // a data key was had without it
		out.Result, out.Text = Note, out.Text+". "+s.spare
	}
	return out, true
}

// wordsOf is Words for whatever comes.
func wordsOf(err error) string {
	if text, ok := Words(err); ok {
		return text
	}
	return short(err.Error())
}
