package postgres

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/crypto/envelope"
	"github.com/cardseal/cardseal/tokenize/store"
)

func TestColumnCount(t *testing.T) {
	require.Len(t, strings.Split(cardColumns, ","), columnCount)
	require.Len(t, strings.Split(cardArrays, ","), columnCount)
	require.Len(t, newColumns(0).args(), columnCount)
	// In COPY, too: the first two bytes of a row say how many fields follow.
	b := appendCard(nil, &staged{row: &store.Row{}})[2:]
	fields := 0
	for ; len(b) > 0; fields++ {
		n := int(b[0])<<24 | int(b[1])<<16 | int(b[2])<<8 | int(b[3])
		b = b[4+n:]
	}
	require.Equal(t, columnCount, fields)
}

// A reader of any appetite gets the same bytes.
func TestCopyReader(t *testing.T) {
	read := func(wrap func(io.Reader) io.Reader) []byte {
		all, err := io.ReadAll(wrap(&copyReader{n: 20_000, append: func(b []byte, i int) []byte {
			return fmt.Appendf(b, "row %d\n", i)
		}}))
		require.NoError(t, err)
		return all
	}
	whole := read(func(r io.Reader) io.Reader { return r })
	require.True(t, bytes.HasPrefix(whole, []byte(copyHeader+"row 0\n")))
	require.True(t, bytes.HasSuffix(whole, []byte("row 19999\n\xff\xff")))
	require.Equal(t, whole, read(iotest.OneByteReader))
	require.Equal(t, whole, read(iotest.HalfReader))
}

func TestCountKeys(t *testing.T) {
	value := func(key byte) store.Sealed {
		record := make([]byte, 104)
		record[0], record[1] = 1, 1
		record[2] = key
		return store.Sealed{Record: record}
	}
	column := appendKeys(nil, countKeys([]store.Sealed{value(9), value(3), value(9)}))
	require.Len(t, column, 2*countedKeySize)
	for key, want := range map[byte]uint64{9: 2, 3: 1, 1: 0} {
		n, err := countUnder(column, envelope.KeyID{key})
		require.NoError(t, err)
		require.Equal(t, want, n)
	}
	// The same keys are the same column, however the values stand.
	require.Equal(t, column, appendKeys(nil, countKeys([]store.Sealed{value(3), value(9), value(9)})))
}

// Client errors quote what they were to encode or scan; what is told does not.
func TestClientErrorsAreQuiet(t *testing.T) {
	const secret = "4111111111111111"
	for _, err := range []error{
		fmt.Errorf("failed to encode args[3]: unable to encode %q", secret),
		scanFailed(pgx.ScanArgError{ColumnIndex: 1, Err: errors.New("cannot scan " + secret)}),
	} {
		told := translate(err)
		require.Error(t, told)
		require.NotContains(t, fmt.Sprintf("%v %+v %#v", told, told, told), secret)
	}
	require.ErrorIs(t, translate(scanFailed(pgx.ScanArgError{Err: errors.New("x")})), store.ErrCorrupt)
	require.ErrorIs(t, translate(fmt.Errorf("%w: "+secret, context.Canceled)), context.Canceled)
}

func TestIsPostgreSQL(t *testing.T) {
	for version, want := range map[string]bool{
		"PostgreSQL 15.14 (Debian 15.14-0+deb12u1) on x86_64-pc-linux-gnu, compiled by gcc": true,
		"PostgreSQL 18.0 on aarch64-unknown-linux-musl":                                     true,
		"CockroachDB CCL v25.1.0 (x86_64-pc-linux-gnu, built 2025/02/18)":                   false,
		"PostgreSQL 15.12-YB-2025.1.0.0-b0 on x86_64-pc-linux-gnu":                          false,
		"PostgreSQL 8.0.2 on i686-pc-linux-gnu, Redshift 1.0":                               false,
		"PostgreSQL 12.12 (Greenplum Database 7.1.0) on x86_64":                             false,
		"": false,
	} {
		require.Equal(t, want, isPostgreSQL(version), version)
	}
}

func FuzzSealed(f *testing.F) {
	f.Add(appendSealed(nil, []store.Sealed{{Field: 1, Generation: 2, Record: []byte("record")}, {Field: 2}}))
	f.Add([]byte{1, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 255, 255, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		list, err := decodeSealed(b)
		if err != nil {
			require.ErrorIs(t, err, store.ErrCorrupt)
			return
		}
		require.Equal(t, b, append([]byte{}, appendSealed(nil, list)...))
	})
}

func FuzzEntries(f *testing.F) {
	f.Add(appendEntries(nil, []entry{{unique: true}, {}}))
	f.Add([]byte{2})
	f.Fuzz(func(t *testing.T, b []byte) {
		list, err := decodeEntries(b)
		if err != nil {
			require.ErrorIs(t, err, store.ErrCorrupt)
			return
		}
		require.Equal(t, b, append([]byte{}, appendEntries(nil, list)...))
	})
}

func FuzzCountUnder(f *testing.F) {
	f.Add(appendKeys(nil, []countedKey{{envelope.KeyID{1}, 3}}), []byte{1})
	f.Fuzz(func(t *testing.T, column, id []byte) {
		var key envelope.KeyID
		copy(key[:], id)
		n, err := countUnder(column, key)
		if err != nil {
			require.ErrorIs(t, err, store.ErrCorrupt)
			require.NotZero(t, len(column)%countedKeySize)
			return
		}
		require.Zero(t, len(column)%countedKeySize)
		require.LessOrEqual(t, n, uint64(len(column)/countedKeySize)*(1<<16-1))
	})
}
