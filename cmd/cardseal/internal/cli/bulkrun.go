package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/cardseal/cardseal/cmd/cardseal/internal/bulk"
	"github.com/cardseal/cardseal/cmd/cardseal/internal/progress"
)

// rejectsSuffix makes the name of the rejects file from that of the output.
const rejectsSuffix = ".rejects.csv"

// bulk carries out a run with a progress bar and says what it came to.
func (a *app) bulk(ctx context.Context, in *input, r *bulk.Run, verb string) error {
	bar := progress.New(a.stderr, in.size)
	r.In, r.File, r.Progress = in.reader, in.again, bar
	r.Note = a.warn
	if r.Out == "-" {
		r.Out, r.Stream = "", a.stdout
	}
	r.RejectStream = a.stderr
	if r.Rejects == "" && r.Stream == nil {
		r.Rejects = r.Out + rejectsSuffix
	}
	res, err := r.Do(ctx)
	bar.Close()
	if err != nil {
		return a.stopped(r, res, err)
	}
	switch {
	case res.Rows == 0:
		a.warn("no rows: the input has a header only")
	case res.Refused == 0:
		a.warn(fmt.Sprintf("%d rows %s", res.Rows, verb))
	default:
		where := "reasons above"
		if res.RejectsPath != "" {
			where = "reasons in " + res.RejectsPath
		}
		a.warn(fmt.Sprintf("%d rows %s, %d refused: %s", res.Rows-res.Refused, verb, res.Refused, where))
		return errPart
	}
	return nil
}

// stopped words the end of a run that did not come to its own.
func (a *app) stopped(r *bulk.Run, res bulk.Result, err error) error {
	var exists *bulk.ExistsError
	var gone *bulk.GoneError
	if errors.As(err, &exists) || errors.As(err, &gone) {
		return &failure{err.Error()}
	}
	if !errors.Is(err, bulk.ErrInterrupted) {
		return err
	}
	text := fmt.Sprintf("interrupted after %d rows", res.Rows)
	switch {
	case r.Resumable():
		text += "; the same command goes on from there"
	case r.Unrecorded:
		text += "; those were carried out"
		if res.Refused > 0 && res.RejectsPath != "" {
			text += ", and which were refused is in " + res.RejectsPath + ".part"
		}
	case r.File == nil:
		text += "; what comes through standard input cannot be read again, so this run cannot be continued"
	default:
		text += "; what went to standard output cannot be taken back, so this run cannot be continued"
	}
	if r.Resumable() && r.Secret {
		text += " (" + r.Out + ".part holds card numbers until then)"
	} else if !r.Resumable() && !r.Unrecorded && r.Stream == nil && !r.Secret {
		text += "; the tokens so far are in " + r.Out + ".part"
	}
	return &failure{text}
}
