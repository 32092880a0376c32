package bulk

import (
	"context"
	"errors"
	"io"

	"github.com/cardseal/cardseal/cmd/cardseal/internal/rows"
	"github.com/cardseal/cardseal/tokenize"
)

// output is where lines go: a file aside, or a stream.
type output interface {
	io.Writer
	Sync() error
}

// plain is a stream, which is as durable as its reader makes it.
type plain struct{ w io.Writer }

func (p *plain) Write(b []byte) (int, error) { return p.w.Write(b) }
func (p *plain) Sync() error                 { return nil }

// loop carries the batches of a run out, one after the other.
type loop struct {
	run          *Run
	job          *tokenize.Job // nil: nothing is written down
	out, rejects output
	cur          cursor // where the next batch begins
	outBuf       []byte
	refused      []refused
	begun        bool // the rejects file has its header
}

type refused struct {
	line int64
	why  Refusal
}

// reading is a batch on its way from the reader.
type reading struct {
	batch  Batch
	lines  int
	offset int64 // where the next begins
	line   int64
	err    error // the input failed
}

func (l *loop) result() Result {
	res := Result{Rows: l.cur.Rows, Refused: l.cur.Refused}
	if res.Refused > 0 {
		res.RejectsPath = l.run.Rejects
	}
	return res
}

// all carries out what is left of the input. recalled is what was recorded of
// the batch that cur stands at.
func (l *loop) all(ctx context.Context, recalled []tokenize.StepRow) error {
	if l.cur.Out == 0 {
		header := l.run.Work.Header(nil)
		if _, err := l.out.Write(header); err != nil {
			return err
		}
		l.cur.Out = int64(len(header))
	}
	l.begun = l.cur.Rejects > 0
	if l.cur.Lines > 0 {
		if err := l.again(recalled); err != nil {
			return err
		}
	}
	free, full := make(chan *reading, 2), make(chan *reading)
	for range cap(free) {
		free <- &reading{batch: l.run.Work.NewBatch()}
	}
	// The reader works on the next batch while this one is carried out. It may be
	// blocked on a terminal or pipe when the run ends, and is not waited for then.
	rctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan struct{})
	if l.run.File != nil {
		defer func() { cancel(); <-ended }()
	}
	go func() {
		defer close(ended)
		read(rctx, l.run.In, free, full)
	}()
	for {
		var b *reading
		select {
		case <-ctx.Done():
			return ErrInterrupted
		case b = <-full:
		}
		if ctx.Err() != nil {
			return ErrInterrupted
		}
		if b.lines > 0 {
			if err := l.one(context.WithoutCancel(ctx), b); err != nil {
				return err
			}
		}
		if errors.Is(b.err, io.EOF) {
			return nil
		}
		if b.err != nil {
			return b.err
		}
		free <- b
	}
}

// read fills batches until the input or the context ends. The last batch, which
// may be empty, carries the reason.
func read(ctx context.Context, in *rows.Reader, free <-chan *reading, full chan<- *reading) {
	for {
		var b *reading
		select {
		case <-ctx.Done():
			return
		case b = <-free:
		}
		b.fill(in, batchLines)
		select {
		case <-ctx.Done():
			return
		case full <- b:
		}
		if b.err != nil {
			return
		}
	}
}

// fill reads lines into the batch until it has enough or the input ends.
func (b *reading) fill(in *rows.Reader, most int) {
	b.batch.Reset()
	b.lines, b.err = 0, nil
	for b.lines < most {
		line, err := in.Next()
		switch {
		case errors.Is(err, rows.ErrTooLong):
			b.batch.AddRefused(Refusal{"row", "is longer than 65536 bytes"})
		case err != nil:
			b.err = err
			b.offset, b.line = in.Offset(), in.Line()
			return
		default:
			b.batch.Add(line)
		}
		b.lines++
	}
	b.offset, b.line = in.Offset(), in.Line()
}

// again writes the lines of a batch that an earlier run carried out.
func (l *loop) again(recalled []tokenize.StepRow) error {
	b := &reading{batch: l.run.Work.NewBatch()}
	b.fill(l.run.In, l.cur.Lines)
	if b.err != nil && !errors.Is(b.err, io.EOF) {
		return b.err
	}
	if b.lines != l.cur.Lines {
		return errCursor
	}
	if err := b.batch.Recall(recalled); err != nil {
		return err
	}
	return l.write(b)
}

// one carries out a batch. Only once all that was written before is durable may
// the record of this batch stand in for that of the one before.
func (l *loop) one(ctx context.Context, b *reading) error {
	var at *Place
	if l.job != nil {
		if err := errors.Join(l.rejects.Sync(), l.out.Sync()); err != nil {
			return err
		}
		if l.run.Work.Recalls() {
			l.cur.Lines = b.lines
			text, err := l.cur.encode()
			if err != nil {
				return err
			}
			at = &Place{*l.job, text}
		} else if err := l.record(ctx); err != nil {
			return err
		}
	}
	if err := b.batch.Commit(ctx, at); err != nil {
		return err
	}
	return l.write(b)
}

// record writes down where the run stands, with no batch.
func (l *loop) record(ctx context.Context) error {
	l.cur.Lines = 0
	text, err := l.cur.encode()
	if err != nil {
		return err
	}
	_, err = l.run.Repository.SaveStep(ctx, *l.job, text, nil)
	return err
}
