// Package audit says what happened in a vault, to whom it may concern: who did
// what to which token, and how it ended; never a card number, a code or a key.
//
// A [Sink] receives events. [NewLog] makes one of a slog.Logger; a [File] is one
// whose entries are chained under a key, for [Verify] to tell whether they were
// altered since. A sink that fails is taken seriously: a card is not revealed if the
// event of it cannot be recorded.
//
// # The chain
//
// A chain is a file of lines, each a JSON object written in exactly one way:
//
//	{"v":1,"chain":"…","seq":17,"key":"…","event":{"at":"…","action":"reveal",…},"mac":"…"}
//
// The MAC is that of package crypto/chain, over all of the line before ,"mac", under
// the label "cardseal audit line", the line's chain and number, and the MAC of the
// line before. The key is the subkey "cardseal audit chain" of the data key that the
// line names (in hexadecimal; MACs and chain IDs are base64url). A ring may be
// rotated at any time: later lines name the new key, and the first of them covers
// the last MAC under the old one. Retired keys go on verifying; what a destroyed
// key chained cannot be verified any more.
//
// In place of an event a line may have "begin", the first of a file, which may go on
// where another file ended ("after", its last MAC); or "gap", which says that so many
// bytes of this digest lie before it that are none of the chain's: the beginning of
// a line that a crash or a full disk cut short, or what was in the file before the
// chain was. They stay where they are, and verification reports them.
//
// What a chain shows: no line was changed, dropped, swapped, repeated or inserted
// before the last one, by anyone who cannot use the key. What it cannot show by
// itself: that lines were cut off its end, which leaves a shorter chain that is
// whole, or that the whole file was put in place of another. Keep an [Anchor] from
// time to time where whoever can write to the log cannot write, and verify with it.
// Whoever can use the key (the process that writes, and who can have the KMS unwrap
// the audit ring's keys) can write another chain; against him too the anchors hold.
//
// Versions of this format stay readable; lines of a later one are refused as such.
package audit

import (
	"context"
	"fmt"
	"log/slog"
	"time"
)

// Action is what was asked for.
type Action string

const (
	Save     Action = "save"
	Update   Action = "update"
	Reveal   Action = "reveal"
	Holder   Action = "read-holder"
	Suspend  Action = "suspend"
	Activate Action = "activate"
	Validity Action = "set-valid" // what an account updater found
	Delete   Action = "delete"
	Create   Action = "create-repository"
	Assign   Action = "assign-merchant"
	// RevealVaultless: a number was computed from an FF1 token, which need not have
	// been saved.
	RevealVaultless Action = "reveal-vaultless"
	// RevealCaptured: a card was read from a message that a client had encrypted.
	RevealCaptured Action = "reveal-captured"
	// Of a key that clients encrypt cards to, which Reason names.
	MakeCaptureKey   Action = "make-capture-key"
	RetireCaptureKey Action = "retire-capture-key"
	// Reindex: the index key was replaced.
	Reindex Action = "reindex"
	// Reseal: what is sealed was brought under the active key.
	Reseal Action = "reseal"
	// DestroyKey: a data key was destroyed, which Reason names. One that is Done has
	// its Receipt.
	DestroyKey Action = "destroy-key"
	// Other changes of a data key, or of all keys of a ring, which Reason names.
	RotateKey  Action = "rotate-key"
	RewrapKeys Action = "rewrap-keys"
	RetireKey  Action = "retire-key"
	DisableKey Action = "disable-key"
	EnableKey  Action = "enable-key"

	SetScheme      Action = "set-scheme-token"
	ActivateScheme Action = "activate-scheme-token"
	SuspendScheme  Action = "suspend-scheme-token"
	DeleteScheme   Action = "delete-scheme-token"
	RevealScheme   Action = "reveal-scheme-token"

	// Of security codes. Reason names whose code it is, where it is a merchant's or the
	// like, and which counter the call was about.
	PutCode      Action = "put-code"
	AllocateCode Action = "allocate-code" // one was drawn
	RetrieveCode Action = "retrieve-code"
	VerifyCode   Action = "verify-code" // Done if it was right, else Wrong
	BlockCode    Action = "block-code"  // an attempt did, wrong or refused
	UnblockCode  Action = "unblock-code"
	ResetTries   Action = "reset-code-tries"
	EraseCode    Action = "erase-code"
	// AllowIssuerCodes: the repository was made to keep security codes for good, as the
	// issuer of the cards (PCI DSS 3.3.3).
	AllowIssuerCodes Action = "allow-issuer-codes"
)

// Outcome is how it ended.
type Outcome string

const (
	Created   Outcome = "created"  // a new token
	Existing  Outcome = "existing" // the card had a token, which was returned
	Updated   Outcome = "updated"
	Done      Outcome = "done"
	Unchanged Outcome = "unchanged" // it was so already
	Wrong     Outcome = "wrong"     // the candidate was another than the code
	Begun     Outcome = "begun"     // long work, which says Done when it is
	Refused   Outcome = "refused"   // the request was bad or not allowed
	Failed    Outcome = "failed"
)

// Event is one thing that happened. It holds no cardholder data.
type Event struct {
	Time        time.Time
	Action      Action
	Outcome     Outcome
	Repository  string
	Merchant    string
	Owner       string
	Token       string // as it was found in the store; empty if it was not
	Unknown     string // a keyed digest of a token that was not found, in hex
	Reason      string // the caller's, for a reveal
	Field       string // at fault, where one is
	Correlation string
	// Verification is what acquirer verification came to, where it was asked.
	Verification string
	// Receipt is that of a destroyed data key, as [keys.Receipt.AppendTo] encodes it.
	// It is written down in base64url, and so chained and anchored as all else is.
	Receipt []byte
}

// Sink receives events, several at a time where a call concerns several tokens.
// It is called from many goroutines, must not keep the slice, and returns once
// the events are as durable as it makes them.
type Sink interface {
	Record(ctx context.Context, events []Event) error
}

// NewLog returns a sink that writes each event to a logger's handler as one record
// of level Info and message "audit". It fails as the handler does, where the logger
// itself would pass over it. A logger that drops records of that level drops events.
func NewLog(l *slog.Logger) Sink { return logSink{l} }

type logSink struct{ l *slog.Logger }

func (s logSink) Record(ctx context.Context, events []Event) error {
	h := s.l.Handler()
	if !h.Enabled(ctx, slog.LevelInfo) {
		return nil
	}
	for i := range events {
		e := &events[i]
		attrs := make([]slog.Attr, 0, 13)
		for _, a := range e.texts() {
			if a.value != "" {
				attrs = append(attrs, slog.String(a.name, a.value))
			}
		}
		attrs = append(attrs, slog.Time("at", e.Time))
		r := slog.NewRecord(time.Now(), slog.LevelInfo, "audit", 0)
		r.AddAttrs(attrs...)
		if err := h.Handle(ctx, r); err != nil {
			return fmt.Errorf("audit: %w", err)
		}
	}
	return nil
}
