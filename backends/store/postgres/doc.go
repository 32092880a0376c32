// Package postgres keeps data keys, cards and security codes in PostgreSQL, for a
// vault that has outgrown one machine: any number of processes on any number of
// machines share it, and what one wrote every other sees.
//
// When not to use it: where a file on one machine does (package bolt).
//
// Security codes have a place of two kinds. [DB.Codes] is for those that are kept,
// beside the cards, in the database's log, replicas and backups like them. [Ephemeral]
// is for those that must leave no copy behind: UNLOGGED tables in a database of their
// own, opened by [OpenEphemeral] with a pool of its own, which a crash empties and no
// log ever held.
//
// A call that returned without error is as durable as the database makes a commit:
// synchronous_commit must not be off, and what a failover to an asynchronous replica
// loses is lost here too. Do not read from replicas: a key that was closed or a
// token that was deleted would still be there.
//
// The tables lie in a schema of their own. Package migrate makes them and documents
// the grants for three roles; this package only checks them. Times, states, BIN and
// last four are columns that may be queried; sealed values and index values are
// bytes. Rows of cards, keys and fences are never deleted; remembered calls and spent
// messages are, some with each few hundred new ones, a day and an hour after their
// time; codes are when they are erased or swept. Text is compared byte for byte
// (COLLATE "C"), is UTF-8 and holds no zero byte.
//
// A Write of new tokens takes one round trip and one for the commit; any other takes
// one more, and 64 or more new tokens go in by COPY. An attempt at a security code, and
// a read that counts, are one statement and one round trip; where its answer is lost
// the error is [store.ErrOutcomeUnknown], it is not run again, and an attempt counts
// as taken. Uniqueness is decided by primary keys: a transaction that loses to one
// which it could not see yet is taken back and run again. Transactions that the
// database rolls back (serialization failures, deadlocks) are run again too, as are
// those whose connection was lost before the commit was sent. Where the answer to a
// commit is lost the error is [store.ErrOutcomeUnknown]. Transactions of more than one
// statement are READ COMMITTED whatever the database's default, and hold locks in one
// order for everybody.
//
// Closing a fence and raising a repository's epoch wait for the writes that are under
// way and keep new ones waiting so long. A write of many rows should therefore be
// bounded by a context with a deadline.
//
// Errors carry the server's code and message, never its details, which may quote
// rows. The server's own log may do so too: leave log_parameter_max_length and
// log_parameter_max_length_on_error at 0 if statements are logged, and
// log_error_verbosity at terse.
//
// Limits: as in package store; a row's sealed values are under at most 128 data keys.
// A pool of one connection is enough; a proxy that pools transactions will do, with
// pgx's QueryExecModeExec or one that keeps prepared statements.
//
// What was run is PostgreSQL 15. The statements were written to be taken by
// CockroachDB and YugabyteDB as well, where LOCK TABLE is left out and their
// serializable transactions do what it is for; nothing was run on either. Those of
// security codes assign to elements of arrays, which CockroachDB lacks, and ephemeral
// tables are refused on either: UNLOGGED is PostgreSQL's own promise.
//
// What is promised to stay: what a released version of this package stored, every
// later one reads, after the migrations. Tables of a newer version are refused with
// [store.ErrNewer]. All stores are safe for concurrent use.
package postgres
