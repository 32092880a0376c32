package store

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"path/filepath"
	"slices"
	"testing"

	"go.etcd.io/bbolt"

	"github.com/cardseal/cardseal/backends/store/bolt"
)

// bareBolt puts what a save stores, without anything around it.
type bareBolt struct {
	db    *bbolt.DB
	names [][]byte
	like  map[string][2][]byte // of each bucket: a key and a value, as ours stored them
}

func (p *bareBolt) put(n int) error {
	return p.db.Update(func(tx *bbolt.Tx) error {
		for _, name := range p.names {
			like := p.like[string(name)]
			keys := make([][]byte, n)
			for i := range keys {
				keys[i] = bytes.Clone(like[0])
				// Where the token or the index value stands, behind what all share.
				_, _ = rand.Read(keys[i][16:])
			}
			slices.SortFunc(keys, bytes.Compare)
			b := tx.Bucket(name)
			for _, key := range keys {
				if err := b.Put(key, like[1]); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

func BenchmarkSaveBolt(b *testing.B) {
	for _, n := range []int{1, 1000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			path := filepath.Join(b.TempDir(), "ours")
			s, err := bolt.Open(b.Context(), path, &bolt.Options{Create: true})
			if err != nil {
				b.Fatal(err)
			}
			if err := newSaver(b, s).save(b.Context(), 1); err != nil {
				b.Fatal(err)
			}
			if err := s.Close(); err != nil {
				b.Fatal(err)
			}
			p := &bareBolt{like: map[string][2][]byte{}}
			looked, err := bbolt.Open(path, 0o600, &bbolt.Options{ReadOnly: true})
			if err != nil {
				b.Fatal(err)
			}
			_ = looked.View(func(tx *bbolt.Tx) error {
				for _, name := range []string{"cards", "index"} {
					k, v := tx.Bucket([]byte(name)).Cursor().First()
					p.names, p.like[name] = append(p.names, []byte(name)), [2][]byte{bytes.Clone(k), bytes.Clone(v)}
				}
				return nil
			})
			if err := looked.Close(); err != nil {
				b.Fatal(err)
			}
			p.db, err = bbolt.Open(filepath.Join(b.TempDir(), "floor"), 0o600, &bbolt.Options{
				FreelistType: bbolt.FreelistMapType, NoStatistics: true,
			})
			if err != nil {
				b.Fatal(err)
			}
			defer p.db.Close()
			err = p.db.Update(func(tx *bbolt.Tx) error {
				for _, name := range p.names {
					if _, err := tx.CreateBucket(name); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				b.Fatal(err)
			}
			if s, err = bolt.Open(b.Context(), filepath.Join(b.TempDir(), "new"), &bolt.Options{Create: true}); err != nil {
				b.Fatal(err)
			}
			defer s.Close()
			f := newSaver(b, s)
			turns(b, n, func() error { return f.save(b.Context(), n) },
				map[string]func() error{"put": func() error { return p.put(n) }})
		})
	}
}
