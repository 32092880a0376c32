package open

import (
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// vaultKey is what a URI of the form hcvault://HOST[:PORT]/MOUNT/keys/NAME says.
type vaultKey struct {
	host, mount, name string
	namespace         string
	cluster           string
	auth, authMount   string
	role, roleID      string
	secretIDFile, jwt string
}

// Ways to log in.
const (
	authToken      = "token"
	authAppRole    = "approle"
	authKubernetes = "kubernetes"
)

func parseVault(uri string) (v vaultKey, err error) {
	u, err := url.Parse(uri)
	switch {
	case err != nil: // its error repeats the URI
		return v, &URIError{"URI", "must have the form hcvault://HOST[:PORT]/MOUNT/keys/NAME"}
	case u.User != nil || strings.Contains(u.Host, "@"):
		return v, &URIError{"user", "must be left out: a URI is no place for a secret, and the query's auth says how to log in"}
	case u.Fragment != "" || strings.Contains(uri, "#"):
		return v, &URIError{"fragment", "must be left out"}
	case !isHost(u):
		return v, &URIError{"host", "must be a name or an address, with a port from 1 to 65535 if with any"}
	}
	v.host = u.Host
	if v.mount, v.name, err = parsePath(u); err != nil {
		return v, err
	}
	query, err := parseQuery(u.RawQuery)
	if err != nil {
		return v, err
	}
	return v, v.take(query)
}

func isHost(u *url.URL) bool {
	host, port := u.Hostname(), u.Port()
	if host == "" || strings.HasSuffix(u.Host, ":") || !only(host, lower+upper+digits+".-:") {
		return false
	}
	n, err := strconv.ParseUint(port, 10, 16)
	return port == "" || err == nil && n > 0 && port[0] != '0'
}

// parsePath takes /MOUNT/keys/NAME apart; a mount may have slashes.
func parsePath(u *url.URL) (mount, name string, err error) {
	path := strings.TrimPrefix(u.EscapedPath(), "/")
	part := strings.Split(path, "/")
	n := len(part)
	for _, p := range part {
		if p == "" || p == "." || p == ".." || !only(p, lower+upper+digits+"-_.") {
			return "", "", &URIError{"path", "must be MOUNT/keys/NAME, of letters, digits, hyphens, underscores and full stops"}
		}
	}
	if n < 3 || part[n-2] != "keys" {
		return "", "", &URIError{"path", "must be MOUNT/keys/NAME"}
	}
	return strings.Join(part[:n-2], "/"), part[n-1], nil
}

var queryNames = []string{"namespace", "cluster", "auth", "auth-mount", "role", "role-id", "secret-id-file", "jwt-file"}

// parseQuery takes each of the known names once. The value of an unknown one may
// be a secret that somebody hoped would be taken.
func parseQuery(raw string) (map[string]string, error) {
	values, err := url.ParseQuery(raw)
	if err != nil {
		return nil, &URIError{"query", "must be NAME=VALUE, joined by &"}
	}
	query := make(map[string]string, len(values))
	for name, value := range values {
		if !slices.Contains(queryNames, name) {
			return nil, &URIError{"query", "has a name other than " + strings.Join(queryNames, ", ")}
		}
		if len(value) != 1 || value[0] == "" || !only(value[0], lower+upper+digits+"-_./@:") {
			return nil, &URIError{name, "must be there once, of letters, digits and -_./@:"}
		}
		query[name] = value[0]
	}
	return query, nil
}

// take fills in what the query says and refuses what does not go together: a
// setting that would be ignored is a mistake.
func (v *vaultKey) take(query map[string]string) error {
	v.namespace, v.cluster = strings.Trim(query["namespace"], "/"), query["cluster"]
	v.auth, v.authMount = query["auth"], strings.Trim(query["auth-mount"], "/")
	v.role, v.roleID = query["role"], query["role-id"]
	v.secretIDFile, v.jwt = query["secret-id-file"], query["jwt-file"]
	var needs, allows []string
	switch v.auth {
	case "", authToken:
	case authAppRole:
		needs, allows = []string{"role-id", "secret-id-file"}, []string{"auth-mount"}
	case authKubernetes:
		needs, allows = []string{"role"}, []string{"auth-mount", "jwt-file"}
	default:
		return &URIError{"auth", "must be token, approle or kubernetes"}
	}
	for _, name := range needs {
		if query[name] == "" {
			return &URIError{name, "is needed with auth=" + v.auth}
		}
	}
	for _, name := range queryNames[3:] { // of the login methods
		if query[name] != "" && !slices.Contains(needs, name) && !slices.Contains(allows, name) {
			return &URIError{name, "does not belong to the auth method that is named"}
		}
	}
	for name, path := range map[string]string{"secret-id-file": v.secretIDFile, "jwt-file": v.jwt} {
		if path != "" && !filepath.IsAbs(path) {
			return &URIError{name, "must be an absolute path"}
		}
	}
	return nil
}
