package main

import (
	"context"
	"fmt"
	"os"
	"time"
)

// start starts those of the servers that do not run, with no data of an earlier
// run.
func start(c *cache, names []string) error {
	if err := build(c, names); err != nil {
		return err
	}
	st, err := c.readState()
	if err != nil {
		return err
	}
	for _, name := range names {
		s, err := lookUp(name)
		if err != nil {
			return err
		}
		if r, ok := st.Servers[name]; ok {
			if serves(s, r) {
				say("%s runs at %s", name, r.URL)
				continue
			}
			if err := end(r.PID, r.Started); err != nil {
				return err
			}
		}
		r, err := startOne(c, s, c.path("data", name))
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		say("%s serves at %s", name, r.URL)
		st.Servers[name] = r
		if err := c.writeState(st); err != nil {
			return err
		}
	}
	return c.writeState(st)
}

func startOne(c *cache, s server, dir string) (record, error) {
	if err := os.RemoveAll(dir); err != nil {
		return record{}, err
	}
	addr, err := freeAddr()
	if err != nil {
		return record{}, err
	}
	p, err := spawn(c, s, dir, addr, true)
	if err != nil {
		return record{}, err
	}
	at, err := processStart(p.PID)
	return record{Server: p.Server, Started: at, Dir: dir}, err
}

// serves tells whether it is our process and answers.
func serves(s server, r record) bool {
	if !alive(r.PID, r.Started) {
		return false
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	_, err := s.ready(ctx, r.Dir, r.Addr())
	return err == nil
}

// stop ends the servers that this tool started, and no other process.
func stop(c *cache, names []string) error {
	st, err := c.readState()
	if err != nil {
		return err
	}
	for _, name := range names {
		r, ok := st.Servers[name]
		if !ok {
			continue
		}
		if alive(r.PID, r.Started) {
			if err := end(r.PID, r.Started); err != nil {
				return err
			}
			say("%s stopped", name)
		} else {
			say("%s did not run", name)
		}
		delete(st.Servers, name)
		if err := c.writeState(st); err != nil {
			return err
		}
	}
	return nil
}

func status(c *cache) error {
	st, err := c.readState()
	if err != nil {
		return err
	}
	for _, name := range names {
		s, err := lookUp(name)
		if err != nil {
			return err
		}
		r, ok := st.Servers[name]
		switch {
		case !ok:
			fmt.Printf("%-10s not started\n", name)
		case serves(s, r):
			fmt.Printf("%-10s %s pid %d\n", name, r.URL, r.PID)
		default:
			fmt.Printf("%-10s does not answer, pid %d\n", name, r.PID)
		}
	}
	return nil
}
