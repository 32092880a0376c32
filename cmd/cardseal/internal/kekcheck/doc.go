// Package kekcheck tries a key-encryption key step by step and says in plain words
// how its KMS answers. It tries each call once, so that what a manager would mend
// by trying again is seen.
package kekcheck
