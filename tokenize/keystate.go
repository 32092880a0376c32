package tokenize

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"maps"
	"slices"

	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/tokenize/store"
)

// IndexPhase is where a repository is in the rotation of its index key. The zero
// value is a repository that did not need an index key yet.
type IndexPhase uint8

const (
	Settled  IndexPhase = iota + 1 // one key
	Filling                        // every write has both values, look-up is by the old one, the new ones are being filled in
	Dropping                       // writes and look-ups know the new key alone, the old values are being removed
)

var phaseNames = [...]string{Settled: "settled", Filling: "filling", Dropping: "dropping"}

// String is the phase in lower case.
func (p IndexPhase) String() string { return name(phaseNames[:], int(p)) }

// MarshalText writes String.
func (p IndexPhase) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText reads String.
func (p *IndexPhase) UnmarshalText(b []byte) error {
	n, err := parse(phaseNames[:], string(b), "phase")
	*p = IndexPhase(n)
	return err
}

// state is what a repository's row says beside its configuration: which data keys
// it stands on. It is immutable once made.
//
// An empty one is of a repository whose keys nobody needed yet, or that an earlier
// version made, which took the index ring's active key and did not write it down.
// It is never worked under: whoever needs a key writes it down first, by
// compare-and-swap, so that all processes have the same (see
// [Repository.writtenDown]).
type state struct {
	phase  IndexPhase   // 0: empty
	index  []keys.KeyID // whose values every write stores, in order
	read   keys.KeyID   // the one of them that cards are found by
	digest keys.KeyID   // of idempotency keys, unknown tokens, job inputs
	// What was remembered under the digest key before is still looked up until
	// then, in Unix milliseconds; zero where there was none.
	earlier      keys.KeyID
	earlierUntil int64
	pins         map[keys.Purpose]keys.KeyID // keys that never change
}

func (s *state) empty() bool { return s.phase == 0 }

// stateVersion is the version of the stored form. A change that an older version
// would misread raises it.
const stateVersion = 1

// storedState is a state as it lies in the store: JSON in just the form that
// encode writes, so that there is one spelling of each state.
type storedState struct {
	Version int                        `json:"version"`
	Phase   IndexPhase                 `json:"phase"`
	Index   []storedKey                `json:"index"`
	Read    storedKey                  `json:"read"`
	Digest  storedKey                  `json:"digest"`
	Earlier *storedEarlier             `json:"earlierDigest,omitempty"`
	Pins    map[keys.Purpose]storedKey `json:"pins,omitempty"`
}

type storedEarlier struct {
	Key   storedKey `json:"key"`
	Until int64     `json:"until"`
}

// storedKey is a key ID in 32 lower-case hexadecimal digits.
type storedKey keys.KeyID

func (k storedKey) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, k[:]), nil }

func (k *storedKey) UnmarshalText(b []byte) error {
	if len(b) != hex.EncodedLen(len(k)) {
		return hex.ErrLength
	}
	_, err := hex.Decode(k[:], b)
	return err
}

func (s *state) encode() ([]byte, error) {
	if s.empty() {
		return nil, nil
	}
	out := storedState{Version: stateVersion, Phase: s.phase, Read: storedKey(s.read), Digest: storedKey(s.digest)}
	for _, id := range s.index {
		out.Index = append(out.Index, storedKey(id))
	}
	if !s.earlier.IsZero() {
		out.Earlier = &storedEarlier{storedKey(s.earlier), s.earlierUntil}
	}
	if len(s.pins) > 0 {
		out.Pins = map[keys.Purpose]storedKey{}
		for p, id := range s.pins {
			out.Pins[p] = storedKey(id)
		}
	}
	return json.Marshal(out)
}

func decodeState(b []byte) (s state, err error) {
	if len(b) == 0 {
		return s, nil
	}
	var version struct {
		Version int `json:"version"`
	}
	if json.Unmarshal(b, &version) == nil && version.Version > stateVersion {
		return s, &Error{Cause: ServerFailed, SupportCode: "STORE_NEWER",
			Explanation: "stored state is of a newer version", err: store.ErrNewer}
	}
	unreadable := damaged("stored state cannot be read")
	var in storedState
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&in); err != nil || in.Version != stateVersion {
		return s, unreadable
	}
	s = state{phase: in.Phase, read: keys.KeyID(in.Read), digest: keys.KeyID(in.Digest)}
	for _, id := range in.Index {
		s.index = append(s.index, keys.KeyID(id))
	}
	if in.Earlier != nil {
		s.earlier, s.earlierUntil = keys.KeyID(in.Earlier.Key), in.Earlier.Until
	}
	if len(in.Pins) > 0 {
		s.pins = map[keys.Purpose]keys.KeyID{}
		for p, id := range in.Pins {
			s.pins[p] = keys.KeyID(id)
		}
	}
	if !s.sound() {
		return state{}, unreadable
	}
	// What JSON lets through besides, such as a name twice or in capitals.
	if again, err := s.encode(); err != nil || !bytes.Equal(again, b) {
		return state{}, unreadable
	}
	return s, nil
}

// sound reports whether the parts of a state fit together.
func (s *state) sound() bool {
	want := map[IndexPhase]int{Settled: 1, Filling: 2, Dropping: 1}[s.phase]
	if want == 0 || len(s.index) != want || s.read != s.index[0] || s.digest.IsZero() {
		return false
	}
	for i, id := range s.index {
		if id.IsZero() || slices.Contains(s.index[:i], id) {
			return false
		}
	}
	for p, id := range s.pins {
		if !p.Valid() || id.IsZero() {
			return false
		}
	}
	return true
}

// pinning returns the state with one more key pinned.
func (s state) pinning(p keys.Purpose, id keys.KeyID) state {
	s.pins = maps.Clone(s.pins)
	if s.pins == nil {
		s.pins = map[keys.Purpose]keys.KeyID{}
	}
	s.pins[p] = id
	return s
}

// IndexStatus says by which data keys of the index ring a repository finds its
// cards. Keys that it names must not be destroyed.
type IndexStatus struct {
	Phase   IndexPhase
	Key     keys.KeyID   // cards are found by; zero where none was needed yet
	Next    keys.KeyID   // while Filling: takes its place
	Digests []keys.KeyID // idempotency keys are remembered under
}

func (s *state) status() IndexStatus {
	st := IndexStatus{Phase: s.phase, Key: s.read}
	if s.empty() {
		return st
	}
	if s.phase == Filling {
		st.Next = s.index[1]
	}
	st.Digests = append(st.Digests, s.digest)
	if !s.earlier.IsZero() {
		st.Digests = append(st.Digests, s.earlier)
	}
	return st
}

// ParseIndexStatus reads a repository's stored state ([store.Repository]), for
// tools that look at a store without its keys.
func ParseIndexStatus(stored []byte) (IndexStatus, error) {
	s, err := decodeState(stored)
	if err != nil {
		return IndexStatus{}, err
	}
	return s.status(), nil
}
