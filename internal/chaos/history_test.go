//go:build linux

package chaos

// op is a call and its answer, a line of a history. Cards are named by their
// place in the list of cards: no history holds a number.
type op struct {
	Do     string  `json:"do"`
	Card   int     `json:"card"`
	Token  string  `json:"token,omitempty"`  // asked about
	Key    string  `json:"key,omitempty"`    // idempotency key
	Expiry int     `json:"expiry,omitempty"` // asked for, 203012 for December 2030
	Call   int64   `json:"call"`             // nanoseconds of CLOCK_MONOTONIC
	Return int64   `json:"return"`
	Got    string  `json:"got,omitempty"` // empty: nobody knows
	Is     details `json:"is,omitzero"`
}

// details is what an answer says of a token.
type details struct {
	Token   string `json:"token,omitempty"`
	Version uint64 `json:"version,omitempty"` // a reveal does not say
	Expiry  int    `json:"expiry,omitempty"`
}

// What is done.
const (
	save   = "save"
	get    = "get"
	reveal = "reveal"
	update = "update"
	remove = "delete"
	rotate = "rotate"
)

// What comes of it, besides the outcomes of a save.
const (
	unknown = ""
	active  = "active"
	deleted = "deleted" // told that the token was deleted before
	done    = "done"
	missing = "missing" // told that there is no such token
	wrong   = "wrong"   // another card's number
	busy    = "busy"    // an error which says that nothing was written
)
