package bulk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/cardseal/cardseal/cmd/cardseal/internal/rows"
	"github.com/cardseal/cardseal/tokenize"
)

// ErrInterrupted is a run that was asked to stop and did so between two batches.
var ErrInterrupted = errors.New("interrupted")

// Progress is told how far a run is.
type Progress interface {
	// Update says how many rows are done and how many bytes of the input that is.
	Update(rows, offset int64)
}

// Run is one run of a command over a file.
type Run struct {
	// In is the input; the reader stands before the first row.
	In *rows.Reader
	// File is the input's file if it can be read again, else nil.
	File *os.File
	// Out is the path of the output; Rejects that of the file of refused rows.
	// Where Stream is not nil, output goes there and not to Out.
	Out, Rejects string
	Stream       io.Writer
	// RejectStream receives refused rows where Rejects is empty.
	RejectStream io.Writer
	// Name is everything that makes the run the same run, besides the input's
	// content and Out.
	Name string
	// Restart forgets an earlier run of the same command.
	Restart bool
	// Unrecorded says that the vault must not have so much as a digest of the input, so
	// that a run cannot go on.
	Unrecorded bool
	// Secret says that the output holds card numbers: of a run that cannot go
	// on, nothing is left behind.
	Secret bool

	Repository *tokenize.Repository
	Caller     tokenize.Caller // of the job's own calls; may save
	Work       Work
	Progress   Progress // may be nil
	// Note is told what the user should know.
	Note func(line string)
}

// Result says what a run came to, runs before that it continued included.
type Result struct {
	Rows, Refused int64
	RejectsPath   string // where the refused rows are, if in a file
}

// Resumable reports whether the run is written down and can go on when it ends
// early.
func (r *Run) Resumable() bool { return r.File != nil && r.Stream == nil && !r.Unrecorded }

// Do carries the run out. When ctx ends it finishes the batch in hand and
// returns [ErrInterrupted].
func (r *Run) Do(ctx context.Context) (Result, error) {
	if r.Resumable() {
		return r.recorded(ctx)
	}
	return r.unrecorded(ctx)
}

// unrecorded carries out a run that cannot go on.
func (r *Run) unrecorded(ctx context.Context) (Result, error) {
	l := &loop{run: r, cur: cursor{Offset: r.In.Offset(), Line: r.In.Line()}}
	var files []*aside
	open := func(path string, stream io.Writer) (output, error) {
		if stream != nil {
			return &plain{w: stream}, nil
		}
		a := &aside{path: path}
		files = append(files, a)
		return a, a.refuseExisting()
	}
	rejectStream := r.RejectStream
	if r.Rejects != "" {
		rejectStream = nil
	}
	var err error
	if l.rejects, err = open(r.Rejects, rejectStream); err != nil {
		return Result{}, err
	}
	if l.out, err = open(r.Out, r.Stream); err != nil {
		return Result{}, err
	}
	err = l.all(ctx, nil)
	if err == nil {
		err = errors.Join(l.rejects.Sync(), l.out.Sync())
	}
	for _, a := range files {
		if cerr := a.Close(); err == nil {
			err = cerr
		}
	}
	if err != nil && r.Secret {
		for _, a := range files {
			if a.size > 0 {
				os.Remove(a.part())
			}
		}
	}
	if err != nil {
		return l.result(), err
	}
	for _, a := range files {
		if err := publish(a.path, a.size, a.path == r.Out); err != nil {
			return l.result(), err
		}
	}
	return l.result(), nil
}

// recorded carries out a run that is written down in the vault.
func (r *Run) recorded(ctx context.Context) (Result, error) {
	start := cursor{Offset: r.In.Offset(), Line: r.In.Line()}
	id, err := r.jobOf(ctx)
	if err != nil {
		return Result{}, err
	}
	if r.Restart {
		if err := r.forget(ctx, id); err != nil {
			return Result{}, err
		}
	}
	rejects, out := &aside{path: r.Rejects}, &aside{path: r.Out}
	last, found, err := r.Repository.LastStep(ctx, r.Caller, id)
	if err != nil {
		return Result{}, err
	}
	l := &loop{run: r, job: &id, out: out, rejects: rejects, cur: start}
	if found {
		if l.cur, err = decodeCursor(last.Cursor); err != nil {
			return Result{}, err
		}
		if l.cur.Rows > 0 || l.cur.Lines > 0 {
			r.note(fmt.Sprintf("an earlier run of this command did not finish; going on after row %d", l.cur.Rows+int64(l.cur.Lines)))
		}
	} else {
		if err := errors.Join(rejects.refuseExisting(), out.refuseExisting()); err != nil {
			return Result{}, err
		}
		// From here on the files aside are this run's own.
		if err := l.record(ctx); err != nil {
			return Result{}, err
		}
	}
	if l.cur.Whole {
		return r.finish(ctx, l)
	}
	defer rejects.Close()
	defer out.Close()
	if err := errors.Join(rejects.resume(l.cur.Rejects), out.resume(l.cur.Out)); err != nil {
		return l.result(), err
	}
	if _, err := r.File.Seek(l.cur.Offset, io.SeekStart); err != nil {
		return l.result(), err
	}
	r.In = rows.NewReader(r.File, l.cur.Offset, l.cur.Line)
	if err := l.all(ctx, last.Rows); err != nil {
		return l.result(), err
	}
	if err := errors.Join(rejects.Sync(), out.Sync()); err != nil {
		return l.result(), err
	}
	// A run that is killed from here on finds that nothing but names is missing.
	l.cur.Whole = true
	if err := l.record(context.WithoutCancel(ctx)); err != nil {
		return l.result(), err
	}
	if err := errors.Join(rejects.Close(), out.Close()); err != nil {
		return l.result(), err
	}
	return r.finish(context.WithoutCancel(ctx), l)
}

// finish gives the files their names, the output last, and forgets the run.
func (r *Run) finish(ctx context.Context, l *loop) (Result, error) {
	if err := publish(r.Rejects, l.cur.Rejects, false); err != nil {
		return l.result(), err
	}
	if err := publish(r.Out, l.cur.Out, true); err != nil {
		return l.result(), err
	}
	return l.result(), r.Repository.EndJob(ctx, r.Caller, *l.job)
}

// forget drops an earlier run of the same command and its files aside.
func (r *Run) forget(ctx context.Context, id tokenize.Job) error {
	_, found, err := r.Repository.LastStep(ctx, r.Caller, id)
	if err != nil || !found {
		return err
	}
	for _, path := range []string{r.Rejects, r.Out} {
		if err := os.Remove(path + partSuffix); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return r.Repository.EndJob(ctx, r.Caller, id)
}

// jobOf reads the whole input: the same run is one over the same content.
func (r *Run) jobOf(ctx context.Context) (tokenize.Job, error) {
	if _, err := r.File.Seek(0, io.SeekStart); err != nil {
		return tokenize.Job{}, err
	}
	id, err := r.Repository.JobOf(ctx, r.Caller, r.Name+"\x00"+r.Out+"\x00"+r.Rejects, untilDone{ctx, r.File})
	if ctx.Err() != nil {
		return id, ErrInterrupted
	}
	return id, err
}

// untilDone is a reader that ends with its context.
type untilDone struct {
	ctx context.Context
	r   io.Reader
}

func (u untilDone) Read(p []byte) (int, error) {
	if err := u.ctx.Err(); err != nil {
		return 0, err
	}
	return u.r.Read(p)
}

func (r *Run) note(line string) {
	if r.Note != nil {
		r.Note(line)
	}
}
