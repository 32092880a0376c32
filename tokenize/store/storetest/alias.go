package storetest

import (
	"bytes"

	"github.com/cardseal/cardseal/tokenize/store"
)

// noAliasIn: the caller may use what it handed in for something else at once.
func noAliasIn(h *harness) {
	r := h.row("t")
	want := r
	want.Sealed, want.Index = nil, append([]store.IndexValue(nil), r.Index...)
	for _, s := range r.Sealed {
		s.Record = bytes.Clone(s.Record)
		want.Sealed = append(want.Sealed, s)
	}
	state, config := []byte("state"), []byte("config")
	o, m := at(digest(), 1000), message(digest(), 1000)
	input := o.Input
	key, again := o.Key, *m
	_, err := h.c.Write(h.Context(), []store.Write{{Row: r, Once: o, Spend: m}}, &store.Job{ID: store.JobID{1}, State: state})
	h.noError(err, "Write")
	_, err = h.c.CreateRepository(h.Context(), store.Repository{Scope: h.scope, Name: "SHOP", Config: config})
	h.noError(err, "CreateRepository")

	clear(r.Sealed[0].Record)
	clear(r.Sealed)
	clear(r.Index)
	clear(state)
	clear(config)
	*o, *m = store.Once{}, store.Spend{}

	h.stored(want, 1)
	h.holders(want.Index[0], "t")
	h.keeps("state", "config")
	h.write([]store.Write{{Row: h.plainRow("u"), Once: at(key, 1001)}},
		store.Outcome{Result: store.Replayed, Token: "t", Input: input})
	h.write([]store.Write{{Row: h.plainRow("u"), Spend: &again}}, spent)
}

// noAliasOut: what was handed out belongs to the caller.
func noAliasOut(h *harness) {
	r := h.row("t")
	h.save(r)
	_, err := h.c.Write(h.Context(), nil, &store.Job{ID: store.JobID{1}, State: []byte("state")})
	h.noError(err, "Write")
	repository, err := h.c.CreateRepository(h.Context(), store.Repository{Scope: h.scope, Name: "SHOP", Config: []byte("config")})
	h.noError(err, "CreateRepository")
	clear(repository.Config)

	spoil := func(r store.Row) {
		clear(r.Sealed[1].Record)
		_ = append(r.Sealed[0].Record, 0xee) // must not run into the next record
		clear(r.Sealed)
		clear(r.Index)
	}
	for range 2 {
		spoil(h.get("t"))
		for _, row := range h.scanned(h.scope, "") {
			spoil(row)
		}
		lists, err := h.c.ByIndex(h.Context(), h.scope, r.Index)
		h.noError(err, "ByIndex")
		clear(lists[0])
		state, err := h.c.Job(h.Context(), store.JobID{1})
		h.noError(err, "Job")
		clear(state)
		all, err := h.c.Repositories(h.Context())
		h.noError(err, "Repositories")
		clear(all[0].Config)
	}
	h.stored(r, 1)
	h.holders(r.Index[0], "t")
	h.keeps("state", "config")

	got := h.get("t")
	second := bytes.Clone(got.Sealed[1].Record)
	_ = append(got.Sealed[0].Record, 0xee)
	if !bytes.Equal(got.Sealed[1].Record, second) {
		h.Fatal("appending to one record changed the next")
	}
}

// keeps expects job 1's state and the one repository's configuration.
func (h *harness) keeps(state, config string) {
	h.Helper()
	got, err := h.c.Job(h.Context(), store.JobID{1})
	h.noError(err, "Job")
	h.equal([]string{string(got)}, []string{state}, "job state")
	all, err := h.c.Repositories(h.Context())
	h.noError(err, "Repositories")
	if len(all) != 1 || string(all[0].Config) != config {
		h.Fatalf("repositories %+v, want one with configuration %q", all, config)
	}
}
