// Package generate makes tokens: one file per strategy, and the space each of
// them draws from.
//
//   - [RandomWithLuhn]: 16 digits, a leading 9 and a Luhn check digit, where no
//     national card range lies.
//   - [Preserve64]: the card number's first six and last four digits around a
//     random middle, made so that the whole fails Luhn.
//   - [UUID]: a random version-4 UUID.
//   - [FF1]: the card number's first six and last four digits around the encrypted
//     middle ([Vaultless]): the one strategy whose tokens lead back without a store.
//   - [MerchantProvided]: nothing is drawn; what the caller brings is checked.
//
// The package draws and checks; it keeps nothing. Whether a token is free is the
// store's to say, in the transaction that takes it. A repository draws at most
// [MaxProbes] times and, for Preserve64 alone, then reads the ordered column once
// and lets [Space64.DrawFree] choose among what is left.
//
// # When not to use it
//
// Not for keys, nonces or passwords: [Uint64n] and what is built on it take their
// bytes from a buffer that a snapshot of a virtual machine copies, so two clones
// can draw the same token. A store that keeps tokens unique makes that harmless,
// and nothing else does. [UnbufferedUint64n] and [AppendUnbufferedDigits] ask the
// operating system each time; security codes use those.
//
// FF1 is for those who must give numbers back where no store is. Whoever has its key
// has every card behind every token, deleted ones included, and the key cannot be
// replaced; made-up tokens open. Where there is a store, the random strategies give
// more.
//
// # Limits
//
// Preserve64 takes numbers of 14 to 19 digits that pass Luhn. Its space is small
// (9,000 tokens for one BIN, last four and length of 14), so it can be used up;
// with 16 digits it holds 900,000. It keeps the ten digits that PCI DSS allows to
// be shown, and whoever sees such a token has them. FF1 takes 15 to 19 digits that
// pass Luhn, and shows as much (one digit less of 15). RandomWithLuhn holds
// [RandomWithLuhnSize] tokens.
//
// # Promises
//
// [Valid] keeps accepting every token that an earlier release could draw. What is
// drawn may become narrower when countries or brands come up, so membership
// ([IsRandomWithLuhn]) is no test for stored tokens. The ordered column
// ([AppendOrder]) is stored by repositories and does not change, nor does what
// [Vaultless] computes.
//
// Every function is safe for concurrent use, and the Append functions allocate
// nothing when dst has room. They may be handed a dst that overlaps their input.
package generate
