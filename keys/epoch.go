package keys

import (
	"sync/atomic"

	"github.com/cardseal/cardseal/crypto/envelope"
)

// leaseBlock is how many records a caller reserves at a time. A block that is
// not used up is thrown away, so that the count can only be too high: with a
// block lost at each garbage collection, 2^30 records still outlast RenewAge.
const leaseBlock = 1024

// epoch is one salt under one data key: the life of the sealing keys that the
// ring's scopes derive from them. Records are counted for all scopes together,
// which errs on the safe side of each sealing key's limit.
type epoch struct {
	key      *dataKey
	salt     envelope.Salt
	born     stamp
	_        [64]byte // apart from the fields every seal reads
	reserved atomic.Int64
}

func newEpoch(k *dataKey) *epoch { return &epoch{key: k, salt: envelope.NewSalt(), born: now()} }

// reserve takes a block of counts, or reports that the limit is reached.
func (e *epoch) reserve() bool { return e.reserved.Add(leaseBlock) <= envelope.Limit }

func (e *epoch) spent() bool { return e.reserved.Load() >= envelope.Limit }

// lease is a block of counts that its holder may seal without telling anyone. The
// zero value holds none.
type lease struct {
	epoch *epoch
	left  int
}

// take takes one count of the epoch, and reports false where the epoch's limit
// is reached.
func (l *lease) take(e *epoch) bool {
	if l.epoch != e || l.left == 0 {
		l.epoch, l.left = e, 0
		if !e.reserve() {
			return false
		}
		l.left = leaseBlock
	}
	l.left--
	return true
}

// Work is what SealWith and OpenWith work on and with. Its caller keeps it from call
// to call, since what goes through the cipher's interface would move to the heap
// each time. The zero value is ready. It is not safe for concurrent use: each
// goroutine has its own, from a sync.Pool for example.
type Work struct {
	AAD   []byte // the additional data, encoded
	Plain []byte // what is sealed; opening overwrites it, up to its capacity
	lease lease
}

// work is what Seal and Open borrow.
type work struct {
	Work
	buf []byte // holds AAD and Plain
}

func newWork() any { return &work{buf: make([]byte, 0, 256)} }

// maxWork keeps a rare large record from holding its buffer for ever.
const maxWork = 16 << 10

func (r *ring) giveBack(w *work) {
	if cap(w.buf) > maxWork {
		w.AAD, w.Plain, w.buf = nil, nil, nil
	}
	r.work.Put(w)
}
