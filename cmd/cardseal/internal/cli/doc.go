// Package cli is the commands of the cardseal program. [Run] is the program
// without its process: the tests call it.
//
// Results go to standard output, everything else to standard error. No message
// holds a card number, a security code, a token that was not found, or a key, and
// no message repeats an argument that may be one.
package cli
