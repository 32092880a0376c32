//go:build race

package plan_test

// usual is how many scopes simulated fleets have: few, where each call is watched.
const usual = 5
