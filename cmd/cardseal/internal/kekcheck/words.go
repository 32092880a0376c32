package kekcheck

import (
	"context"
	"errors"
	"strings"

	"github.com/cardseal/cardseal/backends/kek/open"
	"github.com/cardseal/cardseal/keys"
)

// kinds of failures of a call: a name for programs and what it means to an
// operator. The name of the call follows in parentheses.
var kinds = []struct {
	err        error
	name, text string
}{
	{context.DeadlineExceeded, "timeout", "the KMS did not answer in time"},
	{context.Canceled, "interrupted", "interrupted"},
	{keys.ErrDenied, "denied", "the KMS refuses: the permission is missing, or the credentials are not valid there"},
	{keys.ErrDisabled, "disabled", "the key cannot serve: it, or its version that is needed, is disabled, due to be deleted, or of a kind that does not fit"},
	{keys.ErrNotFound, "notFound", "the KMS has no such key: look at its name and its place"},
	{keys.ErrThrottled, "throttled", "the KMS asks to slow down: try again later, or raise the quota"},
	{keys.ErrUnavailable, "unavailable", "the KMS cannot be reached or does not answer: try again, then look at network, address and the service's state"},
	{keys.ErrCorrupt, "corrupt", "the KMS does not open the data key: it was altered, or wrapped by another key or under another binding"},
}

// Words says what a failure of opening or calling a KMS means, and false where
// the error is none of these.
func Words(err error) (text string, ok bool) {
	if e, ok := errors.AsType[*open.URIError](err); ok {
		return "the KEK's URI: " + e.Field + " " + e.Reason, true
	}
	if errors.Is(err, open.ErrConfig) {
		return short(strings.TrimPrefix(err.Error(), "open: ")), true
	}
	e, ok := errors.AsType[*keys.CallError](err)
	if !ok {
		return "", false
	}
	text = "the KMS fails"
	for _, k := range kinds {
		if errors.Is(e.Kind, k.err) {
			text = k.text
			break
		}
	}
	switch {
	case e.Call != "" && e.KEK != "":
		text += " (" + e.Call + " by " + e.KEK + ")" // one of several
	case e.Call != "":
		text += " (" + e.Call + ")"
	}
	if e.Err != nil {
		text += "; it says: " + short(e.Err.Error())
	}
	return text, true
}

// call returns the call's name and its failure's kind for programs.
func call(err error) (name, kind string) {
	if e, ok := errors.AsType[*keys.CallError](err); ok {
		name = e.Call
	}
	for _, k := range kinds {
		if errors.Is(err, k.err) {
			return name, k.name
		}
	}
	return name, ""
}

// maxVendor is how much is shown of what a vendor's client says, in bytes.
const maxVendor = 400

// short makes a vendor's text one line of bounded length, without control
// characters.
func short(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	text = strings.Map(func(c rune) rune {
		if c < ' ' || c >= 0x7f && c < 0xa0 {
			return -1
		}
		return c
	}, text)
	if len(text) > maxVendor {
		text = strings.ToValidUTF8(text[:maxVendor], "") + "…"
	}
	return text
}
