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

// reserve takes a block of counts, or reports that the limit is reached.
func (e *epoch) reserve() bool { return e.reserved.Add(leaseBlock) <= envelope.Limit }

func (e *epoch) spent() bool { return e.reserved.Load() >= envelope.Limit }

// Lease is a block of counts that its holder may seal without telling anyone. The
// zero value holds none. It is not safe for concurrent use: each goroutine that
// seals has its own, in a sync.Pool for example.
type Lease struct {
	epoch *epoch
	left  int
}

// take takes one count of the epoch, and reports false where the epoch's limit
// is reached.
func (l *Lease) take(e *epoch) bool {
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

// work is what Seal and Open borrow: a lease, and a buffer for what goes through
// the cipher's interface, which would move it to the heap.
type work struct {
	lease Lease
	buf   []byte
}

func newWork() any { return &work{buf: make([]byte, 0, 256)} }

// maxWork keeps a rare large record from holding its buffer for ever.
const maxWork = 16 << 10

func (r *ring) giveBack(w *work) {
	if cap(w.buf) > maxWork {
		w.buf = nil
	}
	r.work.Put(w)
}
