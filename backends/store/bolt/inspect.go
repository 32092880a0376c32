package bolt

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"io"
	"math"
	"os"

	"github.com/cardseal/cardseal/tokenize/store"
)

// bolt's file begins with two meta pages, of which the valid one with the
// higher transaction counts. Each has a header of 16 bytes, then: magic,
// version, page size, flags (4 each), root page, its sequence, free list's page,
// number of pages, transaction, FNV-1a over all before (8 each); in the
// machine's byte order.
const (
	pageHeader = 16
	metaSize   = 64
	boltMagic  = 0xED0CDAED
)

type boltMeta struct{ pageSize, freelist, pages, tx uint64 }

// inspect refuses a file that bolt would read beyond the end of, or would look
// through in a goroutine of its own, where its panics cannot be caught.
func inspect(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("bolt: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("bolt: %w", err)
	}
	var best boltMeta
	for _, at := range metaOffsets() {
		m, ok, err := readMeta(f, at)
		if err != nil {
			return translate(fmt.Errorf("bolt: %w", err))
		}
		// The second page stands where the first one's size says.
		if ok && (at == 0 || uint64(at) == m.pageSize) && m.tx >= best.tx {
			best = m
		}
	}
	switch {
	case best.pageSize == 0:
		return fmt.Errorf("bolt: %w: not a bolt file, or its beginning is lost", store.ErrCorrupt)
	case best.pages > uint64(info.Size())/best.pageSize:
		return fmt.Errorf("bolt: %w: the file is cut short", store.ErrCorrupt)
	case best.freelist == math.MaxUint64:
		return fmt.Errorf("bolt: %w: a bolt file, but not of this package", store.ErrCorrupt)
	case best.freelist >= best.pages:
		return corrupt("the free list")
	}
	return nil
}

// metaOffsets lists where a meta page may begin: at 0 and at any page size.
func metaOffsets() (list []int64) {
	list = append(list, 0)
	for size := int64(1 << 10); size <= 16<<20; size <<= 1 {
		list = append(list, size)
	}
	return list
}

func readMeta(f io.ReaderAt, at int64) (m boltMeta, ok bool, err error) {
	var b [metaSize]byte
	if n, err := f.ReadAt(b[:], at+pageHeader); n < metaSize {
		if err == io.EOF {
			err = nil
		}
		return boltMeta{}, false, err
	}
	sum := fnv.New64a()
	sum.Write(b[:metaSize-8])
	if binary.NativeEndian.Uint32(b[:]) != boltMagic || binary.NativeEndian.Uint64(b[metaSize-8:]) != sum.Sum64() {
		return boltMeta{}, false, nil
	}
	m = boltMeta{
		pageSize: uint64(binary.NativeEndian.Uint32(b[8:])),
		freelist: binary.NativeEndian.Uint64(b[32:]),
		pages:    binary.NativeEndian.Uint64(b[40:]),
		tx:       binary.NativeEndian.Uint64(b[48:]),
	}
	return m, m.pageSize >= 1<<10 && m.pageSize&(m.pageSize-1) == 0, nil
}
