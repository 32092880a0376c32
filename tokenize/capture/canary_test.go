package capture_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/tokenize/capture"
)

// A card that opened shows no digits, whatever prints it.
func TestOpenedDoesNotPrint(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		r := w.keyring("test", "scope")
		p := generate(t, r, "web", capture.HPKEP256)
		o, err := r.Open(t.Context(), "web", encrypt(t, p, `{"cardNumber":"`+visa+`","cvv":"987","cardholderName":"HOLDER",
			"captureTime":"`+time.Now().UTC().Format(time.RFC3339)+`"}`))
		require.NoError(t, err)
		require.NotZero(t, o.Replay.Digest)
		o.Replay.Digest, o.KeyID = [32]byte{}, capture.KeyID{} // which may hold any digits
		type holder struct{ o capture.Opened }
		shown := ""
		for _, v := range []any{o, &o, holder{o}, o.Card, r} {
			for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%d", "%x", "%q"} {
				shown += fmt.Sprintf(verb, v)
			}
			text, err := json.Marshal(v)
			require.NoError(t, err)
			shown += string(text)
		}
		for _, canary := range []string{visa, "1111111111", "41111111", "65 17 17 17", "49 49 49 49"} {
			require.NotContains(t, shown, canary)
		}
		// Three digits are also found in an address, now and then.
		code := fmt.Sprintf("%v %+v %#v %x", o.Card, &o.Card, o.Card.Code, o.Card.Code)
		require.NotContains(t, code, "987")
		require.Contains(t, shown, "411111xxxxxx1111")
	})
}
