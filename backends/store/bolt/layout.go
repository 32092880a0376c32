package bolt

import (
	"bytes"

	"github.com/cardseal/cardseal/crypto/envelope"
	"github.com/cardseal/cardseal/tokenize/store"
)

// The file's buckets. Keys are compared byte for byte; where fields are joined,
// all but the last have a fixed size or end by themselves.
var (
	bucketMeta         = []byte("meta")         // "format" → version (4)
	bucketKeys         = []byte("keys")         // key ID → record
	bucketRings        = []byte("rings")        // SHA-256 of the ring's name → version, name, key IDs
	bucketCards        = []byte("cards")        // scope ‖ token → row
	bucketIndex        = []byte("index")        // scope ‖ key ID ‖ value ‖ token → nothing
	bucketOrder        = []byte("order")        // scope ‖ order, ended ‖ token → nothing
	bucketOnce         = []byte("once")         // scope ‖ key → remembered call
	bucketFences       = []byte("fences")       // key ID → fence
	bucketRepositories = []byte("repositories") // name → scope, version, epoch, configuration, state
	bucketMerchants    = []byte("merchants")    // merchant → scope
	bucketJobs         = []byte("jobs")         // job ID → state

	bucketCodes      = []byte("codes")      // scope ‖ owner type (1) ‖ card (32) ‖ owner → security code
	bucketCodeTokens = []byte("codetokens") // scope ‖ length (1) ‖ token ‖ owner type ‖ card ‖ owner → nothing
	bucketCodeExpiry = []byte("codeexpiry") // time (8, its sign turned) ‖ key of a code that expires → nothing

	// Made with the first entry: files of earlier versions lack them.
	bucketSpent       = []byte("spent")        // scope ‖ digest → until
	bucketCaptureKeys = []byte("capture keys") // scope, alias (texts) ‖ key ID → times, sealed private key
)

var allBuckets = [][]byte{
	bucketMeta, bucketKeys, bucketRings, bucketCards, bucketIndex, bucketOrder,
	bucketOnce, bucketFences, bucketRepositories, bucketMerchants, bucketJobs,
}

// codeBuckets are made with the first code: files without any, such as all of before
// there were codes, have none of them.
var codeBuckets = [][]byte{bucketCodes, bucketCodeTokens, bucketCodeExpiry}

// formatVersion is the version of buckets, keys and values together. A change
// that an older version would misread raises it.
const formatVersion = 1

var keyFormat = []byte("format")

const scopeSize = len(store.ScopeID{})

func appendCardKey(b []byte, scope *store.ScopeID, token string) []byte {
	return append(append(b, scope[:]...), token...)
}

// indexPrefix is the part of an index key before the token.
type indexPrefix [scopeSize + len(envelope.KeyID{}) + 32]byte

func makeIndexPrefix(scope *store.ScopeID, v *store.IndexValue) (p indexPrefix) {
	copy(p[:], scope[:])
	copy(p[scopeSize:], v.Key[:])
	copy(p[scopeSize+len(v.Key):], v.Value[:])
	return p
}

// An ordered column is of any length and has the token behind it, so its end is
// marked in a way that keeps the order: a zero byte becomes 00 FF, the end is
// 00 01, which sorts before whatever could go on.
const (
	orderZero = 0xff
	orderEnd  = 0x01
)

// appendOrderPrefix appends scope and the column as far as it is given.
func appendOrderPrefix(b []byte, scope *store.ScopeID, order string) []byte {
	b = append(b, scope[:]...)
	for i := range len(order) {
		if b = append(b, order[i]); order[i] == 0 {
			b = append(b, orderZero)
		}
	}
	return b
}

func appendOrderKey(b []byte, scope *store.ScopeID, order, token string) []byte {
	b = appendOrderPrefix(b, scope, order)
	b = append(b, 0, orderEnd)
	return append(b, token...)
}

// orderOf reads the column from a key, without its scope.
func orderOf(key []byte) (string, error) {
	var out []byte
	for {
		zero := bytes.IndexByte(key, 0)
		if zero < 0 || zero+1 == len(key) {
			return "", corrupt("an entry of the ordered column")
		}
		out = append(out, key[:zero]...)
		switch key[zero+1] {
		case orderEnd:
			return string(out), nil
		case orderZero:
			out = append(out, 0)
			key = key[zero+2:]
		default:
			return "", corrupt("an entry of the ordered column")
		}
	}
}

// onceKey names a remembered call.
type onceKey [scopeSize + 32]byte

func makeOnceKey(scope *store.ScopeID, o *store.Once) (k onceKey) {
	copy(k[:], scope[:])
	copy(k[scopeSize:], o.Key[:])
	return k
}
