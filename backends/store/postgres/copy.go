package postgres

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"

	"github.com/cardseal/cardseal/tokenize/store"
)

// copyFrom is from how many new tokens on they go in by COPY, which takes a few
// more round trips and less than half the time a row.
const copyFrom = 64

// copyNew writes new tokens by COPY, after the locks. A row that is there already
// is an error of the server's, which ends the transaction as a lost race does.
func (s *stage) copyNew(ctx context.Context, t *txn, job *store.Job, old sweepings) error {
	lists := s.prepare()
	names, spent := s.sortedCalls(), s.sortedSpent()
	for _, c := range []struct {
		sql    string
		n      int
		append func(b []byte, i int) []byte
	}{
		{s.sql.copyCards, len(s.rows), func(b []byte, i int) []byte { return appendCard(b, &s.rows[i]) }},
		{s.sql.copyUnique, len(lists[2]), func(b []byte, i int) []byte { return appendHolding(b, &lists[2][i]) }},
		{s.sql.copyPlain, len(lists[3]), func(b []byte, i int) []byte { return appendHolding(b, &lists[3][i]) }},
		{s.sql.copyCalls, len(names), func(b []byte, i int) []byte { return appendCall(b, &names[i], s.calls[names[i]]) }},
		{s.sql.copySpent, len(spent), func(b []byte, i int) []byte { return appendSpent(b, &spent[i], s.spent[spent[i]]) }},
	} {
		if c.n == 0 {
			continue
		}
		tag, err := t.conn.Conn().PgConn().CopyFrom(ctx, &copyReader{n: c.n, append: c.append}, c.sql)
		if isCode(err, "23505") {
			return errRace
		}
		if err != nil {
			return err
		}
		if tag.RowsAffected() != int64(c.n) {
			return fmt.Errorf("postgres: %w: COPY took %d of %d rows", store.ErrUnavailable, tag.RowsAffected(), c.n)
		}
	}
	b := &batch{}
	s.queueRest(b, job, old)
	if len(b.read) == 0 {
		return nil
	}
	return t.run(ctx, b)
}

// copyReader is rows in the binary format of COPY (PostgreSQL's documentation,
// COPY, Binary Format), made as they are read.
type copyReader struct {
	n      int
	append func(b []byte, i int) []byte

	next int
	buf  []byte
	rest []byte
	done bool
}

const copyHeader = "PGCOPY\n\xff\r\n\x00" + "\x00\x00\x00\x00" + "\x00\x00\x00\x00"

// copyPiece is how many bytes of rows are made at a time.
const copyPiece = 60 << 10

func (r *copyReader) Read(p []byte) (int, error) {
	if len(r.rest) == 0 {
		if r.done {
			return 0, io.EOF
		}
		r.fill()
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

func (r *copyReader) fill() {
	b := r.buf[:0]
	if r.next == 0 {
		b = append(b, copyHeader...)
	}
	for ; r.next < r.n && len(b) < copyPiece; r.next++ {
		b = r.append(b, r.next)
	}
	if r.next == r.n {
		b = binary.BigEndian.AppendUint16(b, 1<<16-1) // trailer
		r.done = true
	}
	r.buf, r.rest = b, b
}

func appendCard(b []byte, row *staged) []byte {
	r := row.row // no tombstone
	b = binary.BigEndian.AppendUint16(b, columnCount)
	b = field(b, r.Scope[:])
	b = field(b, r.Token)
	b = field8(b, row.version)
	b = field2(b, uint16(r.Status))
	b = field(b, row.order)
	b = field(b, r.RecordID[:])
	b = field(b, r.BIN)
	b = field(b, r.LastFour)
	b = field2(b, uint16(r.PANLength))
	b = field(b, r.Network)
	b = field(b, r.Brand)
	b = field(b, r.Local)
	b = field(b, r.Funding)
	b = field4(b, uint32(r.Expiry))
	b = binary.BigEndian.AppendUint32(b, 1)
	if r.Invalid {
		b = append(b, 1)
	} else {
		b = append(b, 0)
	}
	b = field2(b, uint16(r.Verified))
	b = field8(b, uint64(r.Created))
	b = field8(b, uint64(r.Updated))
	b = field(b, r.UpdatedBy)
	b = field8(b, uint64(r.LastUsed))
	b = field8(b, uint64(r.Expires))
	b = field(b, r.Analytics)
	b = field2(b, uint16(r.Scheme.Status))
	b = field4(b, uint32(r.Scheme.Expiry))
	b = field(b, r.Scheme.PAR)
	b = field(b, r.Scheme.Requestor)
	b = measured(b, func(b []byte) []byte { return appendKeys(b, countKeys(r.Sealed)) })
	b = measured(b, func(b []byte) []byte { return appendSealed(b, r.Sealed) })
	return measured(b, func(b []byte) []byte { return appendEntries(b, row.entries) })
}

func appendHolding(b []byte, h *holding) []byte {
	b = binary.BigEndian.AppendUint16(b, 4)
	b = field(b, h.scope[:])
	b = field(b, h.Key[:])
	b = field(b, h.Value[:])
	return field(b, h.token)
}

func appendCall(b []byte, n *callName, c call) []byte {
	b = binary.BigEndian.AppendUint16(b, 5)
	b = field(b, n.scope[:])
	b = field(b, n.key[:])
	b = field(b, c.token)
	b = field(b, c.input[:])
	return field8(b, uint64(c.until))
}

func appendSpent(b []byte, n *messageName, m message) []byte {
	b = binary.BigEndian.AppendUint16(b, 3)
	b = field(b, n.scope[:])
	b = field(b, n.digest[:])
	return field8(b, uint64(m.until))
}

func field[T string | []byte](b []byte, v T) []byte {
	return append(binary.BigEndian.AppendUint32(b, uint32(len(v))), v...)
}

func field2(b []byte, v uint16) []byte {
	return binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint32(b, 2), v)
}

func field4(b []byte, v uint32) []byte {
	return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(b, 4), v)
}

func field8(b []byte, v uint64) []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint32(b, 8), v)
}

// measured appends what f appends, its length before it.
func measured(b []byte, f func([]byte) []byte) []byte {
	at := len(b)
	b = f(append(b, 0, 0, 0, 0))
	binary.BigEndian.PutUint32(b[at:], uint32(len(b)-at-4))
	return b
}
