package awskms

import (
	"regexp"
	"strings"
)

// keyARN is a key's ARN taken apart. Its ID is at most 255 bytes long, which is
// what key stores keep.
type keyARN struct{ partition, region, account, key string }

func (a keyARN) String() string {
	return "arn:" + a.partition + ":kms:" + a.region + ":" + a.account + ":key/" + a.key
}

// multiRegion: the key has related keys of the same material, and the same key
// ID, in other regions.
func (a keyARN) multiRegion() bool { return strings.HasPrefix(a.key, "mrk-") }

// id is the ARN, without the region where that does not matter.
func (a keyARN) id() string {
	if a == (keyARN{}) {
		return ""
	}
	if a.multiRegion() {
		a.region = ""
	}
	return a.String()
}

// same: both hold the same key material.
func (a keyARN) same(b keyARN) bool { return a.id() == b.id() }

// keyName is how a caller names a key. Of the fields those are set that the name
// holds; key is empty for an alias.
type keyName struct {
	keyARN
	alias string // with "alias/" before it
}

// full: the name is a key's whole ARN.
func (n keyName) full() bool { return n.partition != "" && n.alias == "" }

var (
	arnPattern   = regexp.MustCompile(`^arn:(aws[a-z-]{0,20}):kms:([a-z][a-z0-9-]{0,31}):([0-9]{12}):(.*)$`)
	keyPattern   = regexp.MustCompile(`^[a-zA-Z0-9-]{1,128}$`)
	aliasPattern = regexp.MustCompile(`^alias/[a-zA-Z0-9/_-]{1,250}$`)
)

// parseKey takes a key ARN, an alias ARN, a key ID or an alias name.
func parseKey(text string) (n keyName, err error) {
	rest, inARN := text, strings.HasPrefix(text, "arn:")
	if inARN {
		m := arnPattern.FindStringSubmatch(text)
		if m == nil {
			return n, &ParamError{"key", "is no ARN of a KMS key (arn:aws:kms:REGION:ACCOUNT:key/… or :alias/…)"}
		}
		n.partition, n.region, n.account, rest = m[1], m[2], m[3], m[4]
	}
	id, isKey := rest, !inARN
	if inARN {
		id, isKey = strings.CutPrefix(rest, "key/")
	}
	switch {
	case aliasPattern.MatchString(rest):
		n.alias = rest
	case isKey && keyPattern.MatchString(id):
		n.key = id
	default:
		return keyName{}, &ParamError{"key", "is neither a key's ID or ARN nor an alias' name or ARN"}
	}
	return n, nil
}

// parseARN takes a key's ARN as KMS answers it.
func parseARN(text string) (keyARN, bool) {
	n, err := parseKey(text)
	return n.keyARN, err == nil && n.full()
}
