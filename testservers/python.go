package main

import (
	"embed"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
)

// The resolved requirements, every file with its hashes.
//
//go:embed python/*.txt
var requirements embed.FS

// pythons are tried in this order. The oldest the servers take is 3.11.
var pythons = []string{"python3.11", "python3.12", "python3.13", "python3"}

const rightPython = "import sys, venv; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))"

// installPython installs a server's requirements in an environment of its own.
func (c *cache) installPython(name string) error {
	list, err := requirements.ReadFile("python/" + name + ".txt")
	if err != nil {
		return err
	}
	return c.once("python-"+name, list, func(path string) error {
		python, err := findPython()
		if err != nil {
			return err
		}
		if err := runIn(c.dir, python, "-m", "venv", path); err != nil {
			return err
		}
		listed := filepath.Join(path, "requirements.txt")
		if err := writeFile(listed, list); err != nil {
			return err
		}
		return runIn(c.dir, filepath.Join(path, "bin", "pip"), "--disable-pip-version-check",
			"install", "--quiet", "--no-deps", "--require-hashes", "--requirement", listed)
	})
}

func (c *cache) python(name string) string {
	return c.path("python-"+name, "bin", "python")
}

func findPython() (string, error) {
	for _, name := range pythons {
		path, err := exec.LookPath(name)
		if err == nil && exec.Command(path, "-c", rightPython).Run() == nil {
			return path, nil
		}
	}
	return "", errors.New(fmt.Sprint("no Python from 3.11 to 3.13 with the venv module found as ", strings.Join(pythons, ", ")))
}
