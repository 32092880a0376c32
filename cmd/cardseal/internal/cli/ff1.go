package cli

import (
	"bufio"
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/cardseal/cardseal/cmd/cardseal/internal/bulk"
	"github.com/cardseal/cardseal/cmd/cardseal/internal/rows"
	"github.com/cardseal/cardseal/crypto/ff1"
)

// ff1Alphabet is the numerals of radices up to its length.
const ff1Alphabet = "0123456789abcdefghijklmnopqrstuvwxyz"

func (a *app) ff1Command() *cobra.Command {
	c := group("ff1", "Format-preserving encryption of numerals, to check against other implementations",
		"  cardseal ff1 encrypt --key-file key.hex --tweak 39383736353433323130 < numbers.txt",
		a.ff1Run(false), a.ff1Run(true))
	c.Long = `ff1 encrypts or decrypts numerals with FF1 of NIST SP 800-38G rev. 1, one number a
line, under a key of your own. It is there to compare with NIST's samples and other
implementations; it uses no vault and none of its keys.`
	return c
}

func (a *app) ff1Run(back bool) *cobra.Command {
	var keyFile, tweakText string
	var radix int
	verb := "encrypt"
	if back {
		verb = "decrypt"
	}
	c := &cobra.Command{
		Use:   verb,
		Short: strings.ToUpper(verb[:1]) + verb[1:] + " numerals, one number a line",
		Long: verb + ` reads numerals (0-9, then a-z in lower case) from standard input, one number a line,
and answers each line with one line. A line that is refused has an empty answer, and
its number and the reason go to standard error; the exit status is then 3. A number
needs at least 10^6 possible values: six digits at radix 10.

The key file holds 16, 24 or 32 bytes in hexadecimal and may be read by its owner only.
The tweak is in hexadecimal, with a colon between bytes if you like; "" is the empty
tweak.`,
		Example: `  cardseal ff1 ` + verb + ` --key-file key.hex --tweak "" < numbers.txt
  cardseal ff1 ` + verb + ` --key-file key.hex --tweak 37:37:70:71 --radix 36 < words.txt`,
		Args: noArguments,
		RunE: action(func(c *cobra.Command, _ []string) error {
			if err := needs("key-file", keyFile); err != nil {
				return err
			}
			if !c.Flags().Changed("tweak") {
				return usagef(`--tweak is needed; "" is the empty one`)
			}
			tweak, err := hex.DecodeString(strings.ReplaceAll(tweakText, ":", ""))
			if err != nil {
				return usagef("--tweak must be hexadecimal digits, two a byte")
			}
			if radix < ff1.MinRadix || radix > len(ff1Alphabet) {
				return usagef("--radix must be %d to %d", ff1.MinRadix, len(ff1Alphabet))
			}
			key, err := readFF1Key(keyFile)
			if err != nil {
				return err
			}
			cipher, err := key.Cipher(radix)
			if err != nil {
				return err
			}
			crypt := cipher.Encrypt
			if back {
				crypt = cipher.Decrypt
			}
			return a.ff1Lines(c.Context(), func(dst, numerals []uint16) ([]uint16, error) { return crypt(dst, numerals, tweak) })
		}),
	}
	c.Flags().StringVar(&keyFile, "key-file", "", "file with the AES key in hexadecimal")
	c.Flags().StringVar(&tweakText, "tweak", "", "tweak in hexadecimal")
	c.Flags().IntVar(&radix, "radix", 10, "number of different numerals, 2 to 36")
	_ = c.MarkFlagFilename("key-file")
	return c
}

// ff1Lines answers each line, an empty line for one that is refused.
func (a *app) ff1Lines(ctx context.Context, crypt func(dst, numerals []uint16) ([]uint16, error)) error {
	in, out := rows.NewReader(a.stdin, 0, 0), bufio.NewWriter(a.stdout)
	var numerals, answer []uint16
	var text []byte
	refused := 0
	for n := 0; ; n++ {
		if n%1000 == 0 && ctx.Err() != nil {
			_ = out.Flush()
			return bulk.ErrInterrupted
		}
		line, err := in.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil && !errors.Is(err, rows.ErrTooLong) {
			return errors.Join(err, out.Flush())
		}
		text = text[:0]
		if err == nil {
			numerals = fromAlphabet(numerals[:0], bytes.TrimSpace(line))
			// In place: answer and numerals are one memory.
			if answer, err = crypt(numerals[:0], numerals); err == nil {
				text = toAlphabet(text, answer)
			}
		}
		if err != nil {
			refused++
			a.warn(fmt.Sprintf("line %d: %s", in.Line(), ff1Said(err)))
		}
		if _, err := out.Write(append(text, '\n')); err != nil {
			return err
		}
	}
	if err := out.Flush(); err != nil {
		return err
	}
	if refused > 0 {
		return errPart
	}
	return nil
}

func ff1Said(err error) string {
	if e, ok := errors.AsType[*ff1.ArgumentError](err); ok {
		return e.Field + " " + e.Reason
	}
	return "is longer than 65536 bytes"
}

// fromAlphabet turns text into numerals; what is none becomes one that no radix
// has.
func fromAlphabet(dst []uint16, text []byte) []uint16 {
	for _, c := range text {
		dst = append(dst, uint16(strings.IndexByte(ff1Alphabet, c)))
	}
	return dst
}

func toAlphabet(dst []byte, numerals []uint16) []byte {
	for _, x := range numerals {
		dst = append(dst, ff1Alphabet[x])
	}
	return dst
}
