package vaulttransit

import (
	"fmt"
	"strings"
)

// maxID bounds an ID in bytes: key stores keep it in a column.
const maxID = 255

// ParamError is an argument outside its bounds.
type ParamError struct{ Field, Reason string }

func (e *ParamError) Error() string { return "vaulttransit: " + e.Field + " " + e.Reason }

// keyName is where a key lies, in canonical form.
type keyName struct {
	cluster   string
	namespace string // "" for the root namespace, else without slashes at the ends
	mount     string // without slashes at the ends
	name      string
}

// newKeyName checks what goes into paths and IDs. The characters are Vault's own
// for key names; namespaces and mounts allow more there, but nothing that needs
// escaping in a path passes here, so that no name can reach another path.
func newKeyName(cluster, namespace, mount, name string) (keyName, error) {
	n := keyName{cluster, strings.Trim(namespace, "/"), strings.Trim(mount, "/"), name}
	if n.namespace == "root" {
		n.namespace = "" // Vault's name for no namespace
	}
	switch {
	case cluster != "" && (len(cluster) > 64 || !segment(cluster)):
		return n, &ParamError{"cluster", "must be letters, digits, '-', '_' and '.', at most 64"}
	case n.namespace != "" && !segments(n.namespace):
		return n, &ParamError{"namespace", "must be letters, digits, '-', '_', '.' and '/'"}
	case !segments(n.mount):
		return n, &ParamError{"mount", "must be letters, digits, '-', '_', '.' and '/'"}
	case !segment(name):
		return n, &ParamError{"name", "must be letters, digits, '-', '_' and '.'"}
	case len(n.id()) > maxID:
		return n, &ParamError{"name", fmt.Sprintf("gives an ID longer than %d bytes", maxID)}
	}
	return n, nil
}

func segments(path string) bool {
	for s := range strings.SplitSeq(path, "/") {
		if !segment(s) {
			return false
		}
	}
	return true
}

// segment reports whether s is one step of a path and stays one. A first or last
// '.' or '-' is no name of Vault's; leaving '.' out there rules out "." and "..".
func segment(s string) bool {
	for i, c := range []byte(s) {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '_':
		case (c == '-' || c == '.') && i > 0 && i < len(s)-1:
		default:
			return false
		}
	}
	return s != ""
}

func (n keyName) id() string {
	id := "vault:"
	if n.cluster != "" {
		id += n.cluster + ":"
	}
	if n.namespace != "" {
		id += n.namespace + "/"
	}
	return id + n.key()
}

// key is the key's own path, without the namespace, which travels as a header.
func (n keyName) key() string { return n.path("keys") }

// path is that of an operation on the key.
func (n keyName) path(operation string) string { return n.mount + "/" + operation + "/" + n.name }
