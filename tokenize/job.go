package tokenize

import (
	"context"
	"encoding/json"
	"errors"
	"hash"
	"io"
	"time"

	"crypto/hmac"
	"crypto/sha256"

	"github.com/cardseal/cardseal/crypto/secret"
	"github.com/cardseal/cardseal/tokenize/store"
)

// Job names a resumable bulk job within a repository: a keyed digest of what
// makes it the same job.
type Job [32]byte

// JobOf digests a job's name, its settings and its whole input under the
// repository's digest key, so that the same command on the same file is the same
// job and nothing stored tells what was in the file.
func (r *Repository) JobOf(ctx context.Context, c Caller, name string, input io.Reader) (Job, error) {
	if err := r.admitJob(ctx, &c); err != nil {
		return Job{}, err
	}
	l, err := r.keyed(ctx)
	if err != nil {
		return Job{}, err
	}
	mac := jobMAC(l.digestKey, name)
	if l.earlier == nil {
		if _, err := io.Copy(mac, input); err != nil {
			return Job{}, err
		}
		return Job(mac.Sum(nil)), nil
	}
	// A job that was begun under the earlier digest key goes on under its name.
	old := jobMAC(l.earlier, name)
	if _, err := io.Copy(io.MultiWriter(mac, old), input); err != nil {
		return Job{}, err
	}
	begun := Job(old.Sum(nil))
	_, err = r.v.cards.Job(ctx, store.JobID(begun))
	switch {
	case err == nil:
		return begun, nil
	case !errors.Is(err, store.ErrNotFound):
		return Job{}, wrap(err)
	}
	return Job(mac.Sum(nil)), nil
}

// jobMAC is under a key of the job's name, so that no input passes for another
// name's.
func jobMAC(digestKey *secret.Bytes, name string) hash.Hash {
	key := digestUnder(digestKey, "job", []byte(name))
	defer clear(key[:])
	return hmac.New(sha256.New, key[:])
}

// admitJob lets in who runs a bulk job: leave to save or to reveal is needed.
func (r *Repository) admitJob(ctx context.Context, c *Caller) error {
	if c.Permissions&(MaySave|MayReveal) == 0 {
		return rejected("caller", "PERMISSION", ErrPermission)
	}
	return r.admit(ctx, c, 0, time.Now())
}

// Step is one batch of a job as it was last written: where it began, in the
// caller's own terms, and what became of its rows.
type Step struct {
	Cursor []byte
	Rows   []StepRow
}

// StepRow is a row's token, or why it was refused.
type StepRow struct {
	Token string
	Err   *Error
}

type step struct {
	id     store.JobID
	cursor []byte
}

// storedStep is how a step lies in the store.
type storedStep struct {
	Cursor []byte      `json:"cursor"`
	Rows   []storedRow `json:"rows"`
}

type storedRow struct {
	Token string       `json:"t,omitempty"`
	Err   *storedFault `json:"e,omitempty"`
}

type storedFault struct {
	Cause       Cause     `json:"c"`
	Field       string    `json:"f,omitempty"`
	Kind        FieldKind `json:"k,omitempty"`
	Support     string    `json:"s,omitempty"`
	Explanation string    `json:"x,omitempty"`
	Verified    uint8     `json:"v,omitempty"`
}

func (s *step) job(res []SaveResult) (*store.Job, error) {
	out := storedStep{Cursor: s.cursor, Rows: make([]storedRow, len(res))}
	for i := range res {
		if e := res[i].Err; e != nil {
			out.Rows[i].Err = &storedFault{e.Cause, e.Field, e.Kind, e.SupportCode, e.Explanation, uint8(e.Verified)}
		} else {
			out.Rows[i].Token = res[i].Details.Token
		}
	}
	state, err := json.Marshal(out)
	if err != nil {
		return nil, wrap(err)
	}
	return &store.Job{ID: s.id, State: state}, nil
}

// SaveStep is SaveBatch for a step of a job: in the same transaction it is
// written down where the step began and which tokens its rows got, so that a
// caller who was killed can go on without saving a card twice, in a UniqueToken
// repository too. A step whose rows were all refused is written down as well; one
// that [Options.SaveLimit] refuses a row of is not carried out, for the job to come
// again.
func (r *Repository) SaveStep(ctx context.Context, j Job, cursor []byte, reqs []SaveRequest) ([]SaveResult, error) {
	return r.saveBatch(ctx, reqs, &step{store.JobID(j), cursor})
}

// LastStep returns the step of a job that was written last, or false where there
// is none.
func (r *Repository) LastStep(ctx context.Context, c Caller, j Job) (Step, bool, error) {
	if err := r.admitJob(ctx, &c); err != nil {
		return Step{}, false, err
	}
	state, err := r.v.cards.Job(ctx, store.JobID(j))
	if errors.Is(err, store.ErrNotFound) {
		return Step{}, false, nil
	}
	if err != nil {
		return Step{}, false, wrap(err)
	}
	var in storedStep
	if err := json.Unmarshal(state, &in); err != nil {
		return Step{}, false, damaged("a job's state cannot be read")
	}
	s := Step{Cursor: in.Cursor, Rows: make([]StepRow, len(in.Rows))}
	for i, row := range in.Rows {
		s.Rows[i].Token = row.Token
		if e := row.Err; e != nil {
			s.Rows[i].Err = &Error{Cause: e.Cause, Field: e.Field, Kind: e.Kind,
				SupportCode: e.Support, Explanation: e.Explanation, Verified: Verified(e.Verified)}
		}
	}
	return s, true, nil
}

// EndJob forgets a job. One that is not there is no error.
func (r *Repository) EndJob(ctx context.Context, c Caller, j Job) error {
	if err := r.admitJob(ctx, &c); err != nil {
		return err
	}
	if err := r.v.cards.EndJob(ctx, store.JobID(j)); err != nil {
		return wrap(err)
	}
	return nil
}
