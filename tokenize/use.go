package tokenize

import (
	"context"
	"time"

	"github.com/cardseal/cardseal/tokenize/store"
)

// useRounds is how often the times of last use are written anew without the rows
// that stood in the way.
const useRounds = 3

// noteUse writes down that tokens were used, once a minute each. Somebody else's
// write of a row in between stands for this one, and a failure is nobody's: what
// was asked for was given out and recorded.
func (r *Repository) noteUse(ctx context.Context, rows []store.Row, out []Revealed, now time.Time) {
	ms := now.UnixMilli()
	var writes []store.Write
	for i := range rows {
		if out[i].Err != nil || ms-rows[i].LastUsed < lastUsedStep.Milliseconds() {
			continue
		}
		row := rows[i]
		row.LastUsed = ms
		writes = append(writes, store.Write{Row: row})
	}
	for range useRounds {
		if len(writes) == 0 {
			return
		}
		outcomes, err := r.replace(ctx, writes...)
		if err != nil {
			return
		}
		kept := writes[:0]
		for i := range outcomes {
			if outcomes[i].Result == store.Written {
				kept = append(kept, writes[i])
			}
		}
		if len(kept) == len(writes) {
			return
		}
		writes = kept
	}
}
