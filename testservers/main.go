// Command testservers runs the servers that the backends' tests talk to.
//
//	go run . start [NAME...]    build or install what is missing, start, wait until it serves
//	go run . stop [NAME...]
//	go run . status
//	go run . build [NAME...]    build or install only
//	testservers serve NAME --dir D [--addr 127.0.0.1:PORT]
//
// It wants to be run in its own folder (go -C testservers run .), for it builds
// one server from the source there; serve needs no source. Everything it makes
// is kept in the folder $CARDSEAL_TESTSERVERS, or cardseal-testservers in the
// user's cache folder. Linux only.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
)

const usage = `usage:
  testservers start [NAME...]   start the servers (all of them, if none is named)
  testservers stop [NAME...]    stop them
  testservers status            list those that run
  testservers build [NAME...]   build or install them only
  testservers serve NAME --dir FOLDER [--addr 127.0.0.1:PORT]
                                run one until standard input ends`

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "testservers:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) == 0 {
		return errors.New(usage)
	}
	command, args := args[0], args[1:]
	switch command {
	case "serve":
		return runServe(args)
	case childCommand:
		return runChild(args)
	}
	c, err := openCache()
	if err != nil {
		return err
	}
	defer c.Close()
	if command == "status" && len(args) == 0 {
		return status(c)
	}
	names, err := chosen(args)
	if err != nil {
		return err
	}
	switch command {
	case "start":
		return start(c, names)
	case "stop":
		return stop(c, names)
	case "build":
		return build(c, names)
	}
	return errors.New(usage)
}

func runServe(args []string) error {
	if len(args) == 0 || len(args[0]) > 0 && args[0][0] == '-' {
		return errors.New(usage)
	}
	flags := flag.NewFlagSet("serve", flag.ContinueOnError)
	dir := flags.String("dir", "", "folder of the server's data")
	addr := flags.String("addr", "", "where to listen, 127.0.0.1:PORT; a free port if not given")
	if err := flags.Parse(args[1:]); err != nil {
		return err
	}
	if *dir == "" || flags.NArg() != 0 {
		return errors.New(usage)
	}
	return serve(args[0], *dir, *addr)
}
