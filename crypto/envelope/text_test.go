package envelope

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestText(t *testing.T) {
	for n := 1; n < 200; n++ {
		record := seed("text", n)
		text := AppendText([]byte("kept "), record)
		require.True(t, bytes.HasPrefix(text, []byte("kept cs1.")))
		back, err := ParseText([]byte("dst"), string(text[5:]))
		require.NoError(t, err)
		require.Equal(t, append([]byte("dst"), record...), back)
		require.NotContains(t, string(text), "=")
	}
}

func TestTextErrors(t *testing.T) {
	for _, text := range []string{
		"", "cs1.", "cs1", "cs1,AQEB", "AQEB", "cs1.AQEB ", " cs1.AQEB", "cs1.AQ\nEB", "cs1.AQEB\r\n",
		"cs1.AQ==", "cs1.A", "cs1.AR", "cs1.AQEBA", "cs1.A+EB", "cs1.A/EB", "CS1.AQEB", "cs1.AQEB\x00",
	} {
		out, err := ParseText(make([]byte, 0, 64), text)
		require.Nil(t, out, "%q", text)
		require.Equal(t, ErrText, err, "%q", text)
		require.ErrorIs(t, err, ErrOpen)
	}
}

// FuzzParseText: a text that parses is the one text of its record.
func FuzzParseText(f *testing.F) {
	v := loadVectors(f)
	for _, r := range v.Records[:8] {
		f.Add(r.Text)
	}
	for _, r := range v.Failing {
		if r.Text != nil {
			f.Add(*r.Text)
		}
	}
	f.Fuzz(func(t *testing.T, text string) {
		record, err := ParseText(nil, text)
		if err != nil {
			require.Nil(t, record)
			require.Equal(t, ErrText, err) // one value: it quotes nothing
			return
		}
		require.NotEmpty(t, record)
		require.Equal(t, text, string(AppendText(nil, record)))
	})
}
