package gcpkms

import (
	"regexp"
	"strconv"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

const id = `[a-zA-Z0-9_-]{1,63}`

var (
	idForm       = regexp.MustCompile(`^` + id + `$`)
	locationForm = regexp.MustCompile(`^projects/[a-z0-9.:-]+/locations/[a-z0-9-]+$`)
	ringForm     = regexp.MustCompile(`^projects/[a-z0-9.:-]+/locations/[a-z0-9-]+/keyRings/` + id + `$`)
	keyForm      = regexp.MustCompile(`^(projects/[a-z0-9.:-]+/locations/[a-z0-9-]+/keyRings/` + id + `)/cryptoKeys/` + id + `$`)
	versionForm  = regexp.MustCompile(`^(.+)/cryptoKeyVersions/([1-9][0-9]{0,8})$`)
)

// The functions below want the lock held.

func (s *state) key(name string) (*key, error) {
	if !keyForm.MatchString(name) {
		return nil, status.Errorf(codes.InvalidArgument, "Resource name [%s] does not match the pattern of a CryptoKey.", name)
	}
	k, ok := s.data.Keys[name]
	if !ok {
		return nil, status.Errorf(codes.NotFound, "CryptoKey %s not found.", name)
	}
	k.ripen(s.now())
	return k, nil
}

// version returns the version that name names, its number and its key's name.
func (s *state) version(name string) (k *key, keyName string, number int, err error) {
	m := versionForm.FindStringSubmatch(name)
	if m == nil || !keyForm.MatchString(m[1]) {
		return nil, "", 0, status.Errorf(codes.InvalidArgument, "Resource name [%s] does not match the pattern of a CryptoKeyVersion.", name)
	}
	if k, err = s.key(m[1]); err != nil {
		return nil, "", 0, err
	}
	if number, err = strconv.Atoi(m[2]); err != nil || number > len(k.Versions) {
		return nil, "", 0, status.Errorf(codes.NotFound, "CryptoKeyVersion %s not found.", name)
	}
	return k, m[1], number, nil
}

func versionName(key string, number int) string {
	return key + "/cryptoKeyVersions/" + strconv.Itoa(number)
}
