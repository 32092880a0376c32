package vaulttransit

import (
	"bytes"
	"encoding/json"
	"io"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestBody(t *testing.T) {
	key := dataKey()
	b := newBody(len(key)+3).bytes("plaintext", key).number("bits", 256).
		ciphertext(ciphertext{7, []byte{1}}).bytes("context", []byte("abc")).end()
	before := &b.text[0]
	require.Equal(t, len(b.text), b.Len())
	first, err := io.ReadAll(b)
	require.NoError(t, err)
	var got map[string]any
	require.NoError(t, json.Unmarshal(first, &got))
	require.Equal(t, "YWJj", got["context"])
	require.Equal(t, "vault:v7:AQ==", got["ciphertext"])
	require.EqualValues(t, 256, got["bits"])

	// A redirect has it sent once more.
	at, err := b.Seek(0, io.SeekStart)
	require.NoError(t, err)
	require.Zero(t, at)
	second, err := io.ReadAll(b)
	require.NoError(t, err)
	require.Equal(t, first, second)
	_, err = b.Seek(1, io.SeekStart)
	require.Error(t, err)
	_, err = b.Seek(0, io.SeekEnd)
	require.Error(t, err)

	text := b.text[:cap(b.text)]
	require.Same(t, before, &b.text[0])
	b.wipe()
	require.Equal(t, make([]byte, len(text)), text, "wiped")
	_, err = b.Read(make([]byte, 1))
	require.ErrorIs(t, err, errWiped)
}

// TestBodyDoesNotGrow: growing would leave copies of a data key behind.
func TestBodyDoesNotGrow(t *testing.T) {
	key, aad := dataKey(), make([]byte, 70000)
	b := newBody(len(key) + len(aad))
	room := cap(b.text)
	b.bytes("plaintext", key).bytes("context", aad).end()
	require.Equal(t, room, cap(b.text))

	sent := make([]batchItem, maxBatch)
	n := 0
	for i := range sent {
		sent[i] = batchItem{ct: ciphertext{1 << 30, make([]byte, longCiphertext)}, aad: make([]byte, 60)}
		n += longCiphertext + 60 + 64
	}
	var got struct {
		Items []map[string]string `json:"batch_input"`
	}
	require.NoError(t, json.Unmarshal(batchBody(sent, n).text, &got))
	require.Len(t, got.Items, maxBatch)
}

// TestRead: an answer longer than the first buffer comes whole,
// one longer than the limit not at all.
func TestRead(t *testing.T) {
	for _, n := range []int{1, maxAnswer - 1, maxAnswer, maxAnswer + 1, 3 * maxAnswer} {
		text := bytes.Repeat([]byte("x"), n)
		for _, limit := range []int{maxAnswer, 2 * maxAnswer, maxKeyAnswer} {
			got, err := read(bytes.NewReader(text), limit)
			if n > limit {
				require.ErrorIs(t, err, errNotVault)
				continue
			}
			require.NoError(t, err)
			require.Equal(t, text, got)
		}
	}
	_, err := read(bytes.NewReader(nil), maxAnswer)
	require.ErrorIs(t, err, io.EOF)
	_, err = read(io.MultiReader(bytes.NewReader([]byte("half")), failing{}), maxAnswer)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }
