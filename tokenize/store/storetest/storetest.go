// Package storetest is the conformance suite of a card store and of a store of security
// codes: every promise of [store.Cards] and of [store.Codes], tried against a backend.
//
// When not to use it: outside tests. It imports package testing.
//
// [Run] holds what every store promises, [RunDurable] what a store adds that
// outlives its process, [RunClosed] what a closed one answers; [RunCodes],
// [RunCodesDurable] and [RunCodesClosed] are the same for codes. Three things the
// suite expects that the interface leaves open, so that backends can take each
// other's place:
//
//   - Where several outcomes fit one write, it is the first of Outdated, Replayed,
//     Spent, Stale, CardExists, TokenTaken, Fenced.
//   - A write that no outcome speaks of (no token, one longer than 255 bytes, a
//     sealed value that is no record in stored mode) is an error.
//   - Of several tokens that hold an index value, CardExists names the one that
//     sorts first, for the first value of the write that has one.
//
// Tokens, ordered columns and other texts are UTF-8 without a zero byte, which is
// what every database takes; [RunBytes] is for a store that takes any bytes.
//
// The suite's rows hold random bytes in place of sealed records and the leading
// and last digits of a published test card.
package storetest

import (
	"testing"

	"github.com/cardseal/cardseal/tokenize/store"
)

// Run tries a store. It calls open for an empty store many times; open closes
// what it opened with t.Cleanup.
func Run(t *testing.T, open func(t *testing.T) store.Cards) {
	cases := []struct {
		name string
		run  func(h *harness)
	}{
		{"RoundTrip", roundTrip},
		{"RoundTripSparse", roundTripSparse},
		{"GetMissing", getMissing},
		{"GetOrder", getOrder},
		{"Versions", versions},
		{"Stale", stale},
		{"TokenTaken", tokenTaken},
		{"AllOrNone", allOrNone},
		{"SeesEarlierWrites", seesEarlierWrites},
		{"ManyScopesInOneCall", manyScopesInOneCall},
		{"EmptyWrite", emptyWrite},
		{"BigBatch", bigBatch},
		{"Invalid", invalid},
		{"LongestToken", longestToken},
		{"Unique", unique},
		{"UniqueSeveralKeys", uniqueSeveralKeys},
		{"UniqueOnUpdate", uniqueOnUpdate},
		{"Plain", plain},
		{"IndexReplaced", indexReplaced},
		{"IndexKeysApart", indexKeysApart},
		{"Tombstone", tombstone},
		{"TombstoneFreesCard", tombstoneFreesCard},
		{"TombstoneOfNew", tombstoneOfNew},
		{"Once", once},
		{"OnceExpires", onceExpires},
		{"OnceDeleted", onceDeleted},
		{"OnceInBatch", onceInBatch},
		{"OnceNotKeptOnRefusal", onceNotKeptOnRefusal},
		{"OncePerScope", oncePerScope},
		{"OnceOnUpdate", onceOnUpdate},
		{"Spend", spend},
		{"SpendExpires", spendExpires},
		{"SpendInBatch", spendInBatch},
		{"SpendNotKeptOnRefusal", spendNotKeptOnRefusal},
		{"SpendPerScope", spendPerScope},
		{"SpendOnUpdate", spendOnUpdate},
		{"SpendInBigBatch", spendInBigBatch},
		{"SpendFromMany", spendFromMany},
		{"SpendAlone", spendAlone},
		{"FenceMissing", fenceMissing},
		{"FenceClosed", fenceClosed},
		{"FenceClosedStays", fenceClosedStays},
		{"FenceTombstone", fenceTombstone},
		{"FenceRace", fenceRace},
		{"CountByKey", countByKey},
		{"PrefixTokens", prefixTokens},
		{"PrefixScopes", prefixScopes},
		{"PrefixIndex", prefixIndex},
		{"Ordered", ordered},
		{"OrderedChanges", orderedChanges},
		{"OrderedBytes", orderedBytes},
		{"Scan", scan},
		{"ScanResumes", scanResumes},
		{"ScanWhileWriting", scanWhileWriting},
		{"WriteInsideScan", writeInsideScan},
		{"NoAliasIn", noAliasIn},
		{"NoAliasOut", noAliasOut},
		{"Jobs", jobs},
		{"JobWithWrite", jobWithWrite},
		{"Repositories", repositories},
		{"RepositoryRace", repositoryRace},
		{"RepositoryUpdates", repositoryUpdates},
		{"RepositoryUpdateRace", repositoryUpdateRace},
		{"RepositoryNeedsFence", repositoryNeedsFence},
		{"RepositoryFenceRace", repositoryFenceRace},
		{"Epoch", epoch},
		{"EpochRace", epochRace},
		{"Merchants", merchants},
		{"Cancelled", cancelled},
		{"SameCardFromMany", sameCardFromMany},
		{"UpdateRace", updateRace},
		{"ReadersSeeWholeBatches", readersSeeWholeBatches},
		{"Model", model},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) { c.run(newHarness(t, open(t))) })
	}
}
