//go:build !race

package plan_test

// usual is how many scopes simulated fleets have: more than CacheRings of the crowded one.
const usual = 20
