package keys_test

import (
	"encoding/binary"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// reachable collects the bytes of all memory that is reached from v by fields,
// pointers, maps and interfaces, atomic pointers among them: what the most
// thorough debug printer could print. It goes neither into functions nor into
// the standard library's contexts and timers.
func reachable(v any) [][]byte {
	w := walker{seen: map[visit]bool{}}
	w.walk(reflect.ValueOf(v))
	return w.found
}

type visit struct {
	at uintptr
	t  reflect.Type
}

type walker struct {
	seen  map[visit]bool
	found [][]byte
}

func (w *walker) walk(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		key := visit{v.Pointer(), v.Type()}
		if !v.IsNil() && !w.seen[key] {
			w.seen[key] = true
			w.walk(v.Elem())
		}
	case reflect.Interface:
		w.walk(v.Elem())
	case reflect.String:
		w.found = append(w.found, []byte(v.String()))
	case reflect.Slice, reflect.Array:
		w.list(v)
	case reflect.Map:
		for i := v.MapRange(); i.Next(); {
			w.walk(i.Key())
			w.walk(i.Value())
		}
	case reflect.Struct:
		t := v.Type()
		switch {
		case t.PkgPath() == "context", t.PkgPath() == "time", t.PkgPath() == "testing":
			return
		case t.PkgPath() == "sync/atomic" && strings.HasPrefix(t.Name(), "Pointer["):
			// Its first field is [0]*T.
			at := v.FieldByName("v").UnsafePointer()
			w.walk(reflect.NewAt(t.Field(0).Type.Elem().Elem(), at))
			return
		}
		for i := range v.NumField() {
			w.walk(v.Field(i))
		}
	}
}

// list takes numbers as the bytes they are, in either order.
func (w *walker) list(v reflect.Value) {
	var little, big []byte
	for i := range v.Len() {
		e := v.Index(i)
		switch e.Kind() {
		case reflect.Uint8:
			little = append(little, byte(e.Uint()))
		case reflect.Uint32:
			little = binary.LittleEndian.AppendUint32(little, uint32(e.Uint()))
			big = binary.BigEndian.AppendUint32(big, uint32(e.Uint()))
		case reflect.Uint64:
			little = binary.LittleEndian.AppendUint64(little, e.Uint())
			big = binary.BigEndian.AppendUint64(big, e.Uint())
		default:
			w.walk(e)
		}
	}
	w.found = append(w.found, little, big)
}

func TestReachable(t *testing.T) {
	type inner struct{ words []uint32 }
	var p atomic.Pointer[inner]
	p.Store(&inner{[]uint32{0x61626364, 0x65666768}})
	found := reachable(struct {
		p     *atomic.Pointer[inner]
		m     map[[2]byte]any
		self  any
		fixed [4]byte
	}{p: &p, m: map[[2]byte]any{{1, 2}: &[]byte{9, 9, 9}}, fixed: [4]byte{5, 6, 7, 8}})
	for _, want := range []string{"abcdefgh", "\x09\x09\x09", "\x01\x02", "\x05\x06\x07\x08"} {
		in := func(b []byte) bool { return string(b) == want }
		require.True(t, slices.ContainsFunc(found, in))
	}
}
