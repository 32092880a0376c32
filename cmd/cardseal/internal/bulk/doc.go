// Package bulk carries a file of any length through a repository, batch by batch
// in constant memory, so that a run that ended anywhere can go on where it was.
//
// Output is written aside, to OUT.part (0600), and gets its name at the end. What
// a run did is written down in the vault, in the transaction of each batch: where
// the batch begins in all files, and the tokens its rows got. Before that
// transaction replaces the record of the batch before, the lines of that batch
// are durable in OUT.part. So at any moment the record and the files together
// hold every token once: a run that goes on cuts its files to the recorded
// lengths, writes the recorded batch again, and reads on. No row is saved twice.
//
// A run whose input cannot be read again (a pipe), or whose output cannot be cut
// (standard output), is not recorded and cannot go on.
package bulk
