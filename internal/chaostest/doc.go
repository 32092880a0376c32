// Package chaostest holds what tests need that set processes on one store and get
// in their way: children of the test binary, connections that are killed and
// answers that are lost, and histories by a clock that all processes share.
package chaostest
