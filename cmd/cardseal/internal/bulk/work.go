package bulk

import (
	"context"

	"github.com/cardseal/cardseal/tokenize"
)

// batchLines is how many input lines make a batch. It may change: a batch that
// was recorded says how many lines it has.
const batchLines = 1000

// Refusal says why a row was refused. It never holds what was refused.
type Refusal struct{ Field, Reason string }

// Work is what is done with each row.
type Work interface {
	// Header appends the output's first line, with its line end, if it has one.
	Header(dst []byte) []byte
	// Recalls says that the results of a batch are written down with it. Where
	// they are not, a batch that was interrupted is carried out again.
	Recalls() bool
	// NewBatch makes an empty batch. Batches of one Work are filled one at a
	// time, while another may be carried out.
	NewBatch() Batch
}

// Batch is some lines of the input and what becomes of them.
type Batch interface {
	Reset()
	// Add takes a line of the input. It is not kept.
	Add(line []byte)
	// AddRefused stands for a line that could not be read.
	AddRefused(r Refusal)
	// Commit carries the batch out. If at is not nil, the batch and its results
	// are written down with it.
	Commit(ctx context.Context, at *Place) error
	// Recall puts in place what an earlier Commit wrote down.
	Recall(rows []tokenize.StepRow) error
	// Append appends the output of line i, counted from 0, or says why it was
	// refused and appends nothing.
	Append(dst []byte, i int) ([]byte, *Refusal)
}

// Place is where a batch is written down.
type Place struct {
	Job    tokenize.Job
	Cursor []byte
}
