package local

import (
	"bytes"
	"net/url"
	"path/filepath"
	"runtime"
	"strings"
)

// Open returns the KEK of the file at an address of the form local:///path, of
// either kind, told by how the file begins. passphrase is asked once, for a
// passphrase file only and after the file was found sound; Open overwrites what
// it returned. It may be nil, and then a passphrase file is [ErrNoPassphrase].
// Errors are otherwise those of [OpenKeyFile] and [OpenPassphraseFile].
func Open(uri string, passphrase func() ([]byte, error)) (*KEK, error) {
	path, err := parseURI(uri)
	if err != nil {
		return nil, err
	}
	content, err := read(path)
	if err != nil {
		return nil, err
	}
	if !bytes.HasPrefix(content, []byte("{")) {
		return openKeyFile(path, content)
	}
	if passphrase == nil {
		return nil, ErrNoPassphrase
	}
	var asked []byte
	defer func() { clear(asked) }()
	return openPassphraseFile(path, content, func() (_ []byte, err error) {
		asked, err = passphrase()
		return asked, err
	})
}

// URI is the address of a file for [Open]; a relative path is taken from the
// working folder.
func URI(path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	path = filepath.ToSlash(path)
	if !strings.HasPrefix(path, "/") {
		path = "/" + path // a drive letter
	}
	return (&url.URL{Scheme: "local", Path: path}).String(), nil
}

func parseURI(uri string) (path string, err error) {
	u, err := url.Parse(uri)
	if err != nil || !strings.HasPrefix(uri, "local:///") || len(u.Path) < 2 || strings.ContainsAny(uri, "?#") {
		// url's own error would repeat the text.
		return "", &ParamError{"URI", "must have the form local:///path/to/file"}
	}
	if runtime.GOOS == "windows" {
		return filepath.FromSlash(u.Path[1:]), nil
	}
	return u.Path, nil
}
