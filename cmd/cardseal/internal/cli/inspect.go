package cli

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/cardseal/cardseal/crypto/envelope"
)

// maxRecord bounds what inspect reads, in bytes.
const maxRecord = 1 << 20

// recordHeader is what a sealed record says in clear.
type recordHeader struct {
	Version        int    `json:"version"`
	Suite          int    `json:"suite"`
	Mode           string `json:"mode"`
	KeyID          string `json:"keyID"`
	KEK            string `json:"kek,omitempty"`
	Created        string `json:"created,omitempty"`
	WrappedSize    int    `json:"wrappedSize,omitempty"`
	Commitment     string `json:"commitment"`
	Salt           string `json:"salt"`
	Nonce          string `json:"nonce"`
	PlaintextBytes int    `json:"plaintextBytes"`
	Bytes          int    `json:"bytes"`
}

func (a *app) inspectCommand() *cobra.Command {
	var in string
	var asJSON bool
	c := &cobra.Command{
		Use:   "inspect",
		Short: "Print a sealed record's header; needs no key",
		Long: `inspect reads one sealed record, as text (cs1.…), in base64 or as it is, and prints
what its header says. A header proves nothing: only opening the record does.`,
		Example: `  cardseal inspect < record.bin
  cardseal inspect --in record.txt --json`,
		Args: noArguments,
		RunE: action(func(*cobra.Command, []string) error {
			r := a.stdin
			if in != "-" {
				f, err := os.Open(in)
				if err != nil {
					return err
				}
				defer f.Close()
				r = f
			}
			text, err := io.ReadAll(io.LimitReader(r, maxRecord+1))
			if err != nil {
				return err
			}
			if len(text) > maxRecord {
				return &failure{"the input is longer than a sealed record can be"}
			}
			record, h, err := parseRecord(text)
			if err != nil {
				return err
			}
			return a.showHeader(record, &h, asJSON)
		}),
	}
	c.Flags().StringVar(&in, "in", "-", `file with the record, "-" for standard input`)
	c.Flags().BoolVar(&asJSON, "json", false, "one JSON object")
	return c
}

// parseRecord takes a record in any of its forms: the text form, raw bytes,
// base64 in either alphabet with or without padding.
func parseRecord(text []byte) (record []byte, h envelope.Header, err error) {
	trimmed := bytes.TrimSpace(text)
	if bytes.HasPrefix(trimmed, []byte(envelope.TextPrefix)) {
		if record, err = envelope.ParseText(nil, string(trimmed)); err != nil {
			return nil, h, &failure{"the text after " + envelope.TextPrefix + " is not a record in base64url on one line"}
		}
		h, err = envelope.Inspect(record)
		return record, h, inspected(err)
	}
	if h, err = envelope.Inspect(text); err == nil {
		return text, h, nil
	}
	raw := inspected(err)
	for _, enc := range []*base64.Encoding{
		base64.StdEncoding, base64.RawStdEncoding, base64.URLEncoding, base64.RawURLEncoding,
	} {
		if record, err = enc.DecodeString(string(trimmed)); err == nil && len(record) > 0 {
			h, err = envelope.Inspect(record)
			return record, h, inspected(err)
		}
	}
	return nil, h, raw
}

func inspected(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, envelope.ErrVersion):
		return &failure{"this is no sealed record, or one of a format version that this program does not know"}
	case errors.Is(err, envelope.ErrSuite):
		return &failure{"the record is sealed with a suite that this program does not know"}
	}
	return &failure{"this is no sealed record"}
}

func (a *app) showHeader(record []byte, h *envelope.Header, asJSON bool) error {
	out := recordHeader{
		Version: int(record[0]), Suite: int(h.Suite), Mode: "stored", KeyID: h.Reference.KeyID.String(),
		Commitment: hex.EncodeToString(h.Commitment), Salt: hex.EncodeToString(h.Salt), Nonce: hex.EncodeToString(h.Nonce),
		PlaintextBytes: h.PlaintextSize(), Bytes: len(record),
	}
	if h.Inline() {
		out.Mode, out.KEK = "inline", hex.EncodeToString(h.Reference.KEK[:])
		out.Created = time.Unix(h.Reference.Created, 0).UTC().Format(time.RFC3339)
		out.WrappedSize = len(h.Reference.Wrapped)
	}
	if asJSON {
		return a.printJSON(&out)
	}
	wrapped := ""
	if out.WrappedSize > 0 {
		wrapped = strconv.Itoa(out.WrappedSize) + " bytes"
	}
	for _, l := range []struct{ name, value string }{
		{"version", strconv.Itoa(out.Version)}, {"suite", strconv.Itoa(out.Suite)}, {"mode", out.Mode},
		{"key ID", out.KeyID}, {"KEK", out.KEK}, {"created", out.Created}, {"wrapped key", wrapped},
		{"commitment", out.Commitment}, {"salt", out.Salt}, {"nonce", out.Nonce},
		{"plaintext", strconv.Itoa(out.PlaintextBytes) + " bytes"}, {"record", strconv.Itoa(out.Bytes) + " bytes"},
	} {
		if err := field(a.stdout, l.name, l.value); err != nil {
			return err
		}
	}
	return nil
}
