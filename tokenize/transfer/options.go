package transfer

import (
	"context"

	"github.com/cardseal/cardseal/tokenize"
)

// ImportOptions tunes an [Import]. The zero value is safe.
type ImportOptions struct {
	// Opener opens sealed records, Openings of them at once; 0 is 16.
	Opener   Opener
	Openings int
	// NewTokens makes tokens anew in a repository that makes them. It must be said
	// where records have tokens, lest they are lost unnoticed.
	NewTokens bool
	// Replace gives a token of a MerchantProvided repository that is there already
	// the record's card. Without it such a record is refused (tokenize.ErrTokenExists).
	Replace bool
	// Verification stands in for the repository's own where it is not 0.
	Verification tokenize.Verification
	// Batch is how many records are saved in one transaction, up to
	// tokenize.MaxBatch; 0 is 1000.
	Batch int
	// RecordsPerSecond bounds how fast records are saved; 0 is no bound.
	RecordsPerSecond int
	// Results is given what became of each batch, in order. The next batch is saved
	// once it has returned nil, so that it should return when it has made them
	// durable. After a failure the last batch may come again, so that a position
	// that was seen is to be passed over. The slice is not to be kept.
	Results func(ctx context.Context, batch []Result) error
	// OnProgress is called after each batch.
	OnProgress func(Report)
}

// Defaults of the options.
const (
	defaultBatch    = 1000
	defaultOpenings = 16
)

const (
	kindImport = "import"
	kindExport = "export"
)

func checkBounds(batch *int, perSecond int) error {
	if *batch < 0 || *batch > tokenize.MaxBatch {
		return invalid("batch", tokenize.Invalid, "must be 1 to MaxBatch records")
	}
	if perSecond < 0 {
		return invalid("recordsPerSecond", tokenize.Invalid, "must not be negative")
	}
	if *batch == 0 {
		*batch = defaultBatch
	}
	return nil
}
