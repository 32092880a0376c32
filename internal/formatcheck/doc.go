// Package formatcheck holds a second implementation of sealed record format 1,
// written from FORMAT.md in JavaScript for Node 18 or later, and the tests that
// run it against this module's own: check.mjs opens every known answer, refuses
// every failing one with the error named, and seals records that Go opens.
//
// It contains no Go code but those tests. Whoever changes check.mjs to make it
// agree should first ask whether FORMAT.md says so.
package formatcheck
