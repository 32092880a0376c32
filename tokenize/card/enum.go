package card

import "strconv"

// The enumerations of this package are small integers with names. Their zero is not
// one of the names; where it has a meaning of its own, its type says so.

// enumName returns the name of v, and something like Brand(0) if it has none.
func enumName(kind string, names []string, v uint8) string {
	if v == 0 || int(v) >= len(names) {
		return kind + "(" + strconv.Itoa(int(v)) + ")"
	}
	return names[v]
}

// enumText is enumName for documents, where a value without a name is an error.
func enumText(field string, names []string, v uint8) ([]byte, error) {
	if v == 0 || int(v) >= len(names) {
		return nil, invalid(field, ReasonName)
	}
	return []byte(names[v]), nil
}

// enumParse returns the value of a name, exactly as String writes it.
func enumParse(field string, names []string, s string) (uint8, error) {
	if s == "" {
		return 0, missing(field)
	}
	// s is not empty, so it can't be the place of zero.
	for i, name := range names {
		if name == s {
			return uint8(i), nil
		}
	}
	return 0, invalid(field, ReasonName)
}
