package vaultdir

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// EnvDir names the vault's folder where no option does.
const EnvDir = "CARDSEAL_DIR"

// Locate returns the vault's folder and whether somebody named it: the option's
// value, the environment's, or the default one.
func Locate(option string) (dir string, named bool, err error) {
	if option == "" {
		option = os.Getenv(EnvDir)
	}
	if option != "" {
		dir, err = filepath.Abs(option)
		return dir, true, err
	}
	data, err := base("XDG_DATA_HOME", ".local", "share")
	return filepath.Join(data, "cardseal", "default"), false, err
}

// base is a folder of the XDG base directory specification: the variable's value
// where it is an absolute path, else one in the home folder.
func base(variable string, inHome ...string) (string, error) {
	if dir := os.Getenv(variable); filepath.IsAbs(dir) {
		return dir, nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", errors.New("there is no home folder: name the vault's folder with --dir")
	}
	return filepath.Join(append([]string{home}, inHome...)...), nil
}

// newKeyPath is a path, not taken yet, for the key of the vault in dir.
func newKeyPath(dir string) (string, error) {
	config, err := base("XDG_CONFIG_HOME", ".config")
	if err != nil {
		return "", err
	}
	name := strings.Map(func(c rune) rune {
		if c == filepath.Separator || c < ' ' {
			return '-'
		}
		return c
	}, filepath.Base(dir))
	keys := filepath.Join(config, "cardseal", "keys")
	for i := 1; ; i++ {
		suffix := ""
		if i > 1 {
			suffix = "-" + strconv.Itoa(i)
		}
		path := filepath.Join(keys, name+suffix+".key")
		if _, err := os.Lstat(path); errors.Is(err, os.ErrNotExist) {
			return path, nil
		} else if err != nil {
			return "", err
		}
	}
}

// Inside reports whether a path lies in a folder.
func Inside(dir, path string) bool {
	rel, err := filepath.Rel(resolved(dir), resolved(path))
	return err == nil && rel != ".." && !strings.HasPrefix(rel, ".."+string(filepath.Separator))
}

func resolved(path string) string {
	if r, err := filepath.EvalSymlinks(path); err == nil {
		return r
	}
	// What is not there yet lies where its folder lies.
	if r, err := filepath.EvalSymlinks(filepath.Dir(path)); err == nil {
		return filepath.Join(r, filepath.Base(path))
	}
	return filepath.Clean(path)
}
