package gcpkms

import "strings"

// NameError is a resource name that names no key. It does not repeat the name.
type NameError struct{ Field, Reason string }

func (e *NameError) Error() string { return "gcpkms: " + e.Field + " " + e.Reason }

// maxName is what a key store holds of a KEK's ID, in bytes.
const maxName = 255

// checkName takes the one spelling of a key's name, so that one key has one ID.
func checkName(name string) error {
	if len(name) > maxName {
		return &NameError{"name", "is longer than 255 bytes"}
	}
	part := strings.Split(name, "/")
	if len(part) > 8 && part[8] == "cryptoKeyVersions" {
		return &NameError{"cryptoKeyVersions", "must be left out: the KMS chooses the version"}
	}
	if len(part) != 8 {
		return &NameError{"name", "must have the form projects/P/locations/L/keyRings/R/cryptoKeys/K"}
	}
	for i, field := range []struct {
		collection, name string
		ok               func(string) bool
		must             string
	}{
		{"projects", "project", isProject, "must be a project ID: 6 to 30 lower-case letters, digits and hyphens, a letter first, no hyphen last, after a domain and a colon if it has one; its number will not do"},
		{"locations", "location", isLocation, "must be 1 to 63 lower-case letters, digits and hyphens"},
		{"keyRings", "key ring", isID, "must be 1 to 63 letters, digits, hyphens and underscores"},
		{"cryptoKeys", "key", isID, "must be 1 to 63 letters, digits, hyphens and underscores"},
	} {
		if part[2*i] != field.collection {
			return &NameError{"name", "must have " + field.collection + "/ before the " + field.name}
		}
		if !field.ok(part[2*i+1]) {
			return &NameError{field.name, field.must}
		}
	}
	return nil
}

const (
	lower = "abcdefghijklmnopqrstuvwxyz"
	upper = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	digit = "0123456789"
)

func isProject(s string) bool {
	if domain, id, found := strings.Cut(s, ":"); found {
		if !isDomain(domain) {
			return false
		}
		s = id
	}
	return len(s) >= 6 && len(s) <= 30 && only(s, lower+digit+"-") &&
		strings.Contains(lower, s[:1]) && !strings.HasSuffix(s, "-")
}

func isDomain(s string) bool {
	if len(s) > 100 || !strings.Contains(s, ".") {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 || !only(label, lower+digit+"-") ||
			strings.HasPrefix(label, "-") || strings.HasSuffix(label, "-") {
			return false
		}
	}
	return true
}

func isLocation(s string) bool { return len(s) >= 1 && len(s) <= 63 && only(s, lower+digit+"-") }

func isID(s string) bool { return len(s) >= 1 && len(s) <= 63 && only(s, lower+upper+digit+"-_") }

func only(s, set string) bool { return strings.Trim(s, set) == "" }
