package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/cardseal/cardseal/internal/kmstest"
)

// server is one that the tool can build and run.
type server interface {
	// build makes what command needs, unless it is there already.
	build(c *cache) error
	// command tells how to start the server with its data in dir. It may write
	// files there.
	command(c *cache, dir, addr string) (command, error)
	// ready returns what tests need to know once the server serves, and an error
	// as long as it does not. A server's first ready call also sets it up.
	ready(ctx context.Context, dir, addr string) (kmstest.Server, error)
}

// command is a process to start. It gets no environment but env.
type command struct {
	path string
	args []string
	env  []string
}

var names = []string{kmstest.OpenBao, kmstest.LocalStack, kmstest.Moto, kmstest.GCPKMS, kmstest.Postgres}

func lookUp(name string) (server, error) {
	switch name {
	case kmstest.OpenBao:
		return openbao{}, nil
	case kmstest.LocalStack:
		return localstack{}, nil
	case kmstest.Moto:
		return moto{}, nil
	case kmstest.GCPKMS:
		return google{}, nil
	case kmstest.Postgres:
		return postgres{}, nil
	}
	return nil, fmt.Errorf("there is no server %q; there are %s", name, strings.Join(names, ", "))
}

// chosen checks the names given; none means all.
func chosen(args []string) ([]string, error) {
	for _, name := range args {
		if _, err := lookUp(name); err != nil {
			return nil, err
		}
	}
	if len(args) == 0 {
		return names, nil
	}
	return slices.Compact(slices.Sorted(slices.Values(args))), nil
}

func build(c *cache, names []string) error {
	for _, name := range names {
		s, err := lookUp(name)
		if err != nil {
			return err
		}
		if err := s.build(c); err != nil {
			return fmt.Errorf("building %s: %w", name, err)
		}
	}
	return c.keepTool()
}
