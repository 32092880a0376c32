package capture

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// Messages that other libraries made for the keys of testdata/keys.json. They are
// committed, so that go-jose, which serves no A256GCM in FIPS-only mode, and Node.js
// need not be there; testdata/README.md says how to make them anew.
func TestMessagesOfOthers(t *testing.T) {
	keys, makers := testKeys(t), map[string]int{}
	for _, name := range []string{"go-jose.json", "javascript.json"} {
		var all []struct{ Key, Made, Plaintext, Message string }
		readJSON(t, name, &all)
		for _, v := range all {
			k := keys[v.Key]
			if k == nil {
				require.False(t, served(HPKEX25519))
				continue
			}
			plain, err := open(k, []byte(v.Message))
			require.NoError(t, err, "%s %s", name, v.Key)
			if v.Made == "examples/capture" { // adds the time
				require.Contains(t, string(plain), `{"made":"by a page","captureTime":"2`)
			} else {
				require.Equal(t, v.Plaintext, string(plain))
			}
			makers[name+" "+v.Made]++
		}
	}
	require.Equal(t, 12, makers["go-jose.json "])
	require.Equal(t, 7, makers["javascript.json jose"])
	require.Equal(t, 3, makers["javascript.json examples/capture"])
	require.GreaterOrEqual(t, makers["javascript.json @hpke/core"], 4)
}
