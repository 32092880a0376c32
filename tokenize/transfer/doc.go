// Package transfer moves many cards into a repository and out of it, as jobs that go
// on where they stopped: from a foreign vault whose sealed values an [Opener] opens,
// from another repository of this module ([From]), from a file, and back.
//
//	report, err := transfer.Import(ctx, repo, clerk, "old vault, March", source, &transfer.ImportOptions{Opener: old})
//	report, err := transfer.Export(ctx, repo, clerk, "archive, March", sink, &transfer.ExportOptions{Reason: "migration"})
//
// For a few cards use SaveBatch and RevealBatch of package tokenize. Network tokens,
// security codes and times do not move.
//
// # Resuming
//
// A job is known by its name, of which the store has a keyed digest. Each batch of an
// import is saved in one transaction with the place where it begins in the source
// and what became of its records: a run that was killed at whatever moment goes on
// behind it, and no record is saved twice, in a UniqueToken repository too. That
// rests on a [Source] that yields the same records in the same order from a position
// on. Standard input and other pipes cannot: what they yield is imported without a
// name, and cannot go on. A job that ran through goes on as well when it is called
// again, behind its last record, until [Forget] forgets it.
//
// The results of a batch, and the batches of an export, are handed over before the
// next one is written down, and those of the last batch once more when a run did not
// live to see them taken: at least once, in order, and never with a gap.
//
// One process at a time runs a job. Nothing stops a second one, which would save the
// same records.
//
// # Failures
//
// A record that is itself at fault is refused, told of with its position and the
// reason, and stops no other. A store, KMS, source, opener or sink that fails ends
// the call; the same call goes on once it serves again ([Outage] tells the two
// apart). Errors name the part that failed and never hold a value: not the text of
// what the part said either, which errors.Is and errors.As still find.
//
// # Memory
//
// An import holds three batches at most, an export one, whatever is moved.
package transfer
