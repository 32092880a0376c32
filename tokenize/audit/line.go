package audit

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"strconv"
	"time"

	"github.com/cardseal/cardseal/crypto/chain"
	"github.com/cardseal/cardseal/keys"
)

// MaxLine is the longest line of a chain in bytes, without its end.
const MaxLine = 64 << 10

// What a line begins with in this version and in any.
const (
	linePrefix = `{"v":1,"chain":"`
	anyPrefix  = `{"v":`
)

// gap says how many bytes before its line are none of the chain's.
type gap struct {
	bytes  uint64
	sha256 [sha256.Size]byte
}

// line is one line of a chain. It has a begin, a gap, both, or an event.
type line struct {
	chain chain.ID
	seq   uint64
	key   keys.KeyID
	begin bool
	after *[chain.MACSize]byte // the MAC that a begin continues
	gap   *gap
	event *Event
	mac   [chain.MACSize]byte
}

// appendUnsigned appends what the MAC covers: all of the line before it.
func (l *line) appendUnsigned(b []byte) []byte {
	b = append(b, linePrefix...)
	b = encoding.AppendEncode(b, l.chain[:])
	b = append(b, `","seq":`...)
	b = strconv.AppendUint(b, l.seq, 10)
	b = append(b, `,"key":"`...)
	b = hex.AppendEncode(b, l.key[:])
	b = append(b, '"')
	if l.begin {
		b = append(b, `,"begin":{`...)
		if l.after != nil {
			b = append(b, `"after":"`...)
			b = append(encoding.AppendEncode(b, l.after[:]), '"')
		}
		b = append(b, '}')
	}
	if l.gap != nil {
		b = append(b, `,"gap":{"bytes":`...)
		b = strconv.AppendUint(b, l.gap.bytes, 10)
		b = append(b, `,"sha256":"`...)
		b = append(encoding.AppendEncode(b, l.gap.sha256[:]), `"}`...)
	}
	if l.event != nil {
		b = append(b, `,"event":`...)
		b = l.event.appendJSON(b)
	}
	return b
}

// appendMAC ends a line.
func (l *line) appendMAC(b []byte) []byte {
	b = append(b, `,"mac":"`...)
	return append(encoding.AppendEncode(b, l.mac[:]), `"}`...)
}

// macLen is the length of what appendMAC appends.
var macLen = len(`,"mac":""}`) + encoding.EncodedLen(chain.MACSize)

// errNotALine is text that is not a line of a chain.
var errNotALine = errors.New("not a line of a chain")

// lineJSON is what a line is decoded into.
type lineJSON struct {
	Chain string `json:"chain"`
	Seq   uint64 `json:"seq"`
	Key   string `json:"key"`
	Begin *struct {
		After *string `json:"after"`
	} `json:"begin"`
	Gap *struct {
		Bytes  uint64 `json:"bytes"`
		SHA256 string `json:"sha256"`
	} `json:"gap"`
	Event *eventJSON `json:"event"`
	MAC   string     `json:"mac"`
}

// parseLine reads a line without its end. Only what a writer would write byte for
// byte is one: it is written again and compared, which refuses unknown, repeated
// and reordered names, white space and other spellings at once. The error is
// errNotALine, or [ErrNewer] where the line is of a later version.
func parseLine(text []byte) (*line, error) {
	if !bytes.HasPrefix(text, []byte(linePrefix)) {
		if isNewer(text) {
			return nil, ErrNewer
		}
		return nil, errNotALine
	}
	var j lineJSON
	if len(text) > MaxLine || json.Unmarshal(text, &j) != nil {
		return nil, errNotALine
	}
	l := &line{seq: j.Seq}
	ok := decode(l.chain[:], j.Chain) && decode(l.mac[:], j.MAC) && len(j.Key) == hex.EncodedLen(len(l.key))
	if ok {
		_, err := hex.Decode(l.key[:], []byte(j.Key))
		ok = err == nil
	}
	if j.Begin != nil {
		l.begin = true
		if j.Begin.After != nil {
			l.after = new([chain.MACSize]byte)
			ok = ok && decode(l.after[:], *j.Begin.After)
		}
	}
	if j.Gap != nil {
		l.gap = &gap{bytes: j.Gap.Bytes}
		ok = ok && decode(l.gap.sha256[:], j.Gap.SHA256)
	}
	if j.Event != nil {
		l.event = j.Event.event()
	}
	if (l.event != nil) == (l.begin || l.gap != nil) {
		return nil, errNotALine // neither or both
	}
	if !ok || !bytes.Equal(l.appendMAC(l.appendUnsigned(make([]byte, 0, len(text)))), text) {
		return nil, errNotALine
	}
	return l, nil
}

// isNewer reports a line that begins as lines of a version above this one would.
func isNewer(text []byte) bool {
	rest, ok := bytes.CutPrefix(text, []byte(anyPrefix))
	number, _, more := bytes.Cut(rest, []byte(`,"chain":"`))
	if !ok || !more || len(number) > 9 {
		return false
	}
	v, err := strconv.ParseUint(string(number), 10, 32)
	return err == nil && v > 1
}

// eventJSON is what an event is decoded into.
type eventJSON struct {
	At           time.Time `json:"at"`
	Action       Action    `json:"action"`
	Outcome      Outcome   `json:"outcome"`
	Repository   string    `json:"repository"`
	Merchant     string    `json:"merchant"`
	Owner        string    `json:"owner"`
	Token        string    `json:"token"`
	Unknown      string    `json:"unknownToken"`
	Reason       string    `json:"reason"`
	Field        string    `json:"field"`
	Correlation  string    `json:"correlation"`
	Verification string    `json:"verification"`
	Receipt      string    `json:"receipt"`
}

func (j *eventJSON) event() *Event {
	var receipt []byte
	if j.Receipt != "" {
		receipt, _ = encoding.DecodeString(j.Receipt) // a bad one shows when the line is compared
	}
	return &Event{
		Time: j.At, Action: j.Action, Outcome: j.Outcome, Repository: j.Repository, Merchant: j.Merchant, Owner: j.Owner,
		Token: j.Token, Unknown: j.Unknown, Reason: j.Reason, Field: j.Field, Correlation: j.Correlation,
		Verification: j.Verification, Receipt: receipt,
	}
}
