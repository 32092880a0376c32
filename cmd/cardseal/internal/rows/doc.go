// Package rows reads the lines of files that may hold card numbers and writes
// CSV, with bounded memory and without ever quoting what it read.
//
// One line is one row: a quoted field may not hold a line break, so that a quote
// that was forgotten costs its own row and not the rest of the file. A line
// longer than [MaxLine] is passed over and reported as [ErrTooLong]. Lines end in
// LF or CRLF; a UTF-8 byte order mark at the beginning is dropped.
//
// Nothing here is safe for concurrent use.
package rows
