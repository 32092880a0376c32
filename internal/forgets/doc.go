// Package forgets holds the proof of what package code promises of transient codes:
// that they are forgotten, and of which copies they are not.
//
// A PostgreSQL server of the test's own has a database of cards and, beside it, the
// ephemeral database; an operator who did not give the ephemeral one a server of its
// own has this. Codes are put, read, verified and erased without a pause while a base
// backup and a dump of the cards are made, and the write-ahead log is archived from
// the first byte on at its most detailed level. When the last epoch is destroyed, all
// of it is searched for every sealed code, every record ID, every epoch's ID and every
// wrapped key that ever came to the ephemeral store, as bytes, in hex and in base64:
// the backups, the dumps, the log, and what the server has on disk now but for the
// ephemeral database's own folder. Then the base backup is brought up to the log's
// end on another server, the dump is restored there, and both are asked for each code,
// with the KEK at hand. A code of an issuer's, which is durable, is found in each of
// these places by the same search, and opened. A file of bolt beside codes in memory
// is searched likewise.
//
// The copies that do leak are made too: a dump of the ephemeral database, and copies of
// the volume with the server stopped and running, each while an epoch lived. They give
// the codes to whoever has the KEK, when the original has long forgotten them. A copy of
// the files made after the end may have sealed codes, which their table keeps until it
// is written anew, but the wrapped key of no epoch. Where the keys are split over two
// databases, a dump of the first gives nothing, and dumps of both give the codes.
//
// What it does not see: memory, swap and core files; a search finds no bytes that were
// compressed or encrypted on their way. A code itself is three digits, and cannot be
// searched for.
//
// It contains no code but those tests. They take half a minute by the clock on the
// wall: a database knows no other, and no epoch is shorter than a second. Linux only.
package forgets
