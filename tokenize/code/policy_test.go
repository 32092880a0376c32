package code_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/crypto/envelope"
	"github.com/cardseal/cardseal/tokenize/code"
	"github.com/cardseal/cardseal/tokenize/seal"
	"github.com/cardseal/cardseal/tokenize/store"
)

// What a sealed code is bound to is part of the format: FORMAT.md, section 11.
func TestBinding(t *testing.T) {
	c := store.Code{RecordID: envelope.RecordID{1}, Expires: 1_900_000_000_123}
	c.ID.OwnerType, c.ID.Owner, c.ID.Card = uint8(code.Site), "shop:7", [32]byte{0: 0xab, 31: 0x01}
	require.Equal(t, &seal.Binding{
		Record: envelope.RecordID{1}, Owner: "4:ab" + strings.Repeat("00", 30) + "01:1900000000123:shop:7",
	}, code.Bound(&c))
	require.Equal(t, "0:"+strings.Repeat("00", 32)+":0:", code.Bound(&store.Code{}).Owner)
}
