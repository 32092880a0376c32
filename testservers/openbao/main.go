// Command openbao is OpenBao's own server, built from its module: an
// independent implementation of Vault's Transit engine for the tests of
// backends/kek/vaulttransit. It lives in a module of its own because its
// hundreds of dependencies must enter no other.
package main

import (
	"os"

	"github.com/openbao/openbao/command"
)

func main() { os.Exit(command.Run(os.Args[1:])) }
