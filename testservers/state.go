package main

import (
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"

	"github.com/cardseal/cardseal/internal/kmstest"
)

// state is servers.json: kmstest.State, with more about each server than tests
// need.
type state struct {
	Tool    string            `json:"tool"`
	Servers map[string]record `json:"servers"`
}

type record struct {
	kmstest.Server
	Started uint64 `json:"started"` // of the process, see processStart
	Dir     string `json:"dir"`
}

func (c *cache) readState() (state, error) {
	s := state{Servers: map[string]record{}}
	content, err := os.ReadFile(c.path("servers.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return s, err
	}
	if err := json.Unmarshal(content, &s); err != nil {
		return s, err
	}
	if s.Servers == nil {
		s.Servers = map[string]record{}
	}
	return s, nil
}

func (c *cache) writeState(s state) error {
	s.Tool = c.tool()
	return writeAside(c.path("servers.json"), 0o600, func(w io.Writer) error {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(s)
	})
}
