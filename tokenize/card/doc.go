// Package card holds what a vault knows about payment cards before any key is
// involved: the card number (PAN), the security code (CVC), the expiry, the
// brand a number belongs to, the Luhn check and the masks that may be shown.
//
// # What it is for
//
// A card number is parsed once, where it enters, and travels on as a PAN. A PAN
// and a CVC do not print: every verb of fmt, encoding/json, encoding/xml, log/slog
// and a panic show a PAN as its first six and last four digits and a CVC as
// nothing. Digits leave through methods whose names say so: AppendDigits and
// AppendPacked. Neither type can be compared with == or be a map key; Equal
// compares in constant time.
//
// fmt and slog do not call methods on values they find in a caller's unexported
// fields; they print memory. Both types therefore lie in memory XORed with
// a random value of the process, so that such a dump holds no digits. That is
// protection from accidents, not encryption: whoever reads all of the process's
// memory reads the pad too.
//
// # When not to use it
//
// Nothing here protects data at rest, and a masked number is only as secret as
// the digits it hides. A Luhn check finds typing mistakes, not made-up numbers.
// The brand table is the public knowledge of its day: an issuer, a country, a
// funding method or a local brand can't be read from a number, so a service that
// needs them supplies its own BINTable.
//
// # Limits
//
// A number has 12 to 19 digits (ISO/IEC 7812-1 allows at most 19), a security
// code three or four, an expiry year lies between 2000 and 2099. Parsing does not
// demand the Luhn check, because some UnionPay cards fail it; PAN.Check does what
// the number's brand demands.
//
// # What stays
//
// The packed forms of AppendPacked are what the sealing layer encrypts. They are
// canonical, of constant size, and will be read by every later version.
//
// # Concurrency
//
// All types are values without hidden references. Anything here may be used from
// any number of goroutines at once.
package card

//go:generate go run gen.go
