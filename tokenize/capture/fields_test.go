package capture

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/tokenize/card"
)

const at = `"captureTime":"2026-11-24T20:30:00Z"`

func TestRead(t *testing.T) {
	month := card.Expiry{Month: 4, Year: 2031}
	for text, want := range map[string]func(o *Opened) bool{
		`{` + at + `}`:                                         func(o *Opened) bool { return o.Card.Number.IsZero() && o.Card.Expiry.IsZero() },
		`{` + at + `,"cvv":"1234"}`:                            func(o *Opened) bool { return o.Card.Code.Len() == 4 },
		`{"cardNumber":"4111111111111111",` + at + `}`:         func(o *Opened) bool { return o.Card.Number.Len() == 16 },
		`{"expiryMonth":4,"expiryYear":2031,` + at + `}`:       func(o *Opened) bool { return o.Card.Expiry == month },
		`{"expiryMonth":"04","expiryYear":"2031",` + at + `}`:  func(o *Opened) bool { return o.Card.Expiry == month },
		`{"startMonth":4,"startYear":2031,` + at + `}`:         func(o *Opened) bool { return o.Start == month && o.Card.Expiry.IsZero() },
		`{"sequenceNumber":0,` + at + `}`:                      func(o *Opened) bool { return o.Sequence == "0" },
		`{"sequenceNumber":"007",` + at + `}`:                  func(o *Opened) bool { return o.Sequence == "007" },
		`{"cardholderName":"\u0041 \"B\"",` + at + `}`:         func(o *Opened) bool { return o.Card.Holder == `A "B"` },
		` { "c\u0076v" : "\u0031\u0032\u0033" , ` + at + ` } `: func(o *Opened) bool { return o.Card.Code.Len() == 3 },
	} {
		var o Opened
		require.True(t, o.read([]byte(text)), text)
		require.True(t, want(&o), text)
		require.True(t, o.Captured.Equal(time.Date(2026, 11, 24, 20, 30, 0, 0, time.UTC)))
	}
}

func TestReadRefuses(t *testing.T) {
	for _, more := range []string{
		`"cardNumber":"411111111111111"x`, `"cardNumber":4111111111111111`, `"cardNumber":""`, `"cardNumber":null`, `"cardNumber":"4111 1111 1111 1111"`,
		`"cardNumber":"41111111111"`, `"cardNumber":"41111111111111111111"`, `"cardNumber":["4111111111111111"]`, `"cardNumber":{}`,
		`"cardNumber":"4111111111111111","cardNumber":"5555555555554444"`, `"CardNumber":"4111111111111111"`, `"cardnumber":"4111111111111111"`,
		`"cardNumber":"4111111111111111","card\u004eumber":"4111111111111111"`, `"pan":"4111111111111111"`, `"":""`,
		`"cvv":123`, `"cvv":"12"`, `"cvv":"12345"`, `"cvv":""`, `"cvv":"12a"`, `"cvc":"123"`,
		`"expiryMonth":4`, `"expiryYear":2031`, `"expiryMonth":0,"expiryYear":2031`, `"expiryMonth":13,"expiryYear":2031`, `"expiryMonth":"","expiryYear":""`,
		`"expiryMonth":4,"expiryYear":31`, `"expiryMonth":4,"expiryYear":"31"`, `"expiryMonth":4,"expiryYear":1999`, `"expiryMonth":4,"expiryYear":2100`,
		`"expiryMonth":"004","expiryYear":2031`, `"expiryMonth":4.0,"expiryYear":2031`, `"expiryMonth":-4,"expiryYear":2031`, `"expiryMonth":4e0,"expiryYear":2031`,
		`"expiryMonth":"0","expiryYear":"0000"`, `"expiryMonth":"00","expiryYear":"0000"`, `"expiryMonth":{},"expiryYear":2031`, `"expiryMonth":4,"startYear":2031`,
		`"startMonth":4`, `"startYear":2031`, `"startMonth":13,"startYear":2031`,
		`"sequenceNumber":"1234"`, `"sequenceNumber":""`, `"sequenceNumber":"a"`, `"sequenceNumber":-1`, `"sequenceNumber":true`,
		`"cardholderName":""`, `"cardholderName":7`, `"cardholderName":"` + strings.Repeat("x", 31) + `"`, `"cardholderName":"a\nb"`, "\"cardholderName\":\"\xff\"", `"cardholderName":"\ud800"`,
		at,
	} {
		require.False(t, new(Opened).read([]byte(`{`+at+`,`+more+`}`)), more)
		require.False(t, new(Opened).read([]byte(`{`+more+`,`+at+`}`)), more)
	}
	good := `{` + at + `}`
	for _, text := range []string{
		``, `{}`, `null`, `[` + good + `]`, good + good, good + `,`, good + `x`, `x` + good, "\ufeff" + good, good + "\x00", good[:len(good)-1], `{"cvv":"123"}`,
		`{"captureTime":1795552200}`, `{"captureTime":""}`, `{"captureTime":null}`,
	} {
		require.False(t, new(Opened).read([]byte(text)), text)
	}
}

func TestCaptureTime(t *testing.T) {
	for _, text := range []string{
		"2026-11-24T20:30:00Z", "2026-11-24T20:30:00.5Z", "2026-11-24T20:30:00.123456789Z", "2024-02-29T23:59:59Z", "0001-01-01T00:00:01Z",
	} {
		got, ok := captureTime([]byte(text))
		require.True(t, ok, text)
		want, err := time.Parse(time.RFC3339Nano, text)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	for _, text := range []string{
		"", "Z", "2026-11-24", "2026-11-24T20:30:00", "2026-11-24T20:30Z", "2026-11-24T20:30:00z", "2026-11-24t20:30:00Z", "2026-11-24 20:30:00Z",
		"2026-11-24T20:30:00+00:00", "2026-11-24T20:30:00-00:00", "2026-11-24T20:30:00+01:00", "2026-11-24T20:30:00.Z", "2026-11-24T20:30:00,5Z",
		"2026-11-24T20:30:00.1234567890Z", "2026-11-24T20:30:00.5xZ", "2026-11-24T8:30:00Z", "2026-11-24T20:30:60Z", "2026-11-24T24:00:00Z", "2026-11-24T20:60:00Z",
		"2026-13-24T20:30:00Z", "2026-02-29T20:30:00Z", "2026-11-31T20:30:00Z", "26-11-24T20:30:00Z", "12026-11-24T20:30:00Z", "+026-11-24T20:30:00Z",
		" 2026-11-24T20:30:00Z", "2026-11-24T20:30:00Z ", "2026-11-24T20:30:00ZZ", "2026-11-24T20:30:00.5.5Z", "2026/11/24T20:30:00Z",
	} {
		_, ok := captureTime([]byte(text))
		require.False(t, ok, text)
	}
}

// FuzzRead: what is read holds what its types allow, and reads the same again
// after it was cleared and copied.
func FuzzRead(f *testing.F) {
	f.Add([]byte(`{"cardNumber":"4111111111111111","sequenceNumber":"01","cardholderName":"A","startMonth":1,"startYear":2020,` +
		`"expiryMonth":12,"expiryYear":"2030","cvv":"123",` + at + `}`))
	f.Add([]byte(`{"c\u0076v":"\u0031\u0032\u0033",` + at + `}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		kept := bytes.Clone(text)
		var o, again Opened
		ok := o.read(text)
		clear(text) // nothing of the card points into it
		require.Equal(t, ok, again.read(kept))
		if !ok {
			return
		}
		require.NoError(t, card.CheckHolder(o.Card.Holder))
		require.True(t, o.Card.Expiry.IsZero() || o.Card.Expiry.Valid())
		require.True(t, o.Card.Number.Equal(again.Card.Number) && o.Card.Code.Equal(again.Card.Code))
		require.Equal(t, o.Card.Holder+o.Sequence, again.Card.Holder+again.Sequence)
		require.True(t, o.Captured.Equal(again.Captured))
	})
}

func FuzzCaptureTime(f *testing.F) {
	f.Add([]byte("2026-11-24T20:30:00.5Z"))
	f.Fuzz(func(t *testing.T, text []byte) {
		got, ok := captureTime(text)
		want, err := time.Parse(time.RFC3339Nano, string(text))
		require.True(t, !ok || err == nil)
		require.True(t, !ok || got.Equal(want))
	})
}
