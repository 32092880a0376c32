// Package ff1 is FF1, the format-preserving encryption of NIST SP 800-38G: it turns a
// string of numerals into another one of the same length and radix, and back. The
// smallest domain is that of the drafts of revision 1 (2019, 2025), 10^6 values. A
// database column or a message that has room for a number has room for its
// encryption.
//
// [Cipher] is the general form, for numerals of any radix from 2 to 65,536.
// [Digits] is for decimal digits in ASCII, of one length and under tweaks of one
// size: it computes the same on machine words, with all that does not change
// encrypted beforehand, and takes many numbers at once. Both come from a [Key].
//
// The tweak is not secret. It makes the same number another one elsewhere: whatever
// tells numbers apart that must not be compared (environment, tenant, field, the
// digits that stay in clear) belongs into it, length-prefixed where two parts
// could be cut differently.
//
// # When not to use it
//
// Where a longer ciphertext fits, use package envelope. FF1 has no authenticity: any
// string decrypts, under a wrong key or tweak to a wrong one, and nothing tells. It
// is deterministic: the same number under the same tweak is the same ciphertext, so
// whoever may ask for encryptions can try numbers. A domain of 10^6 values, the
// smallest that is allowed, is small enough to be listed. There is no way to change
// the key without a change of every ciphertext.
//
// # Limits and promises
//
// A string has at least 2 numerals and at least 10^6 possible values ([ErrDomain]
// below that), and at most [MaxLength] numerals. Results are those of the standard,
// so they are the same in every version and in other implementations.
//
// All types are safe for concurrent use. AES is the standard library's block
// cipher, which works in FIPS 140-3 mode; FF1 over it is not part of Go's validated
// module. [Digits] neither branches nor indexes memory on digits, nor divides by
// anything but constants; [Cipher] divides numbers, which takes a time that depends
// on them on some processors.
//
// The key schedule inside Go's cipher cannot be wiped; it lasts until the garbage
// collector takes it.
package ff1
