package doctor

import (
	"context"
	"errors"

	"github.com/cardseal/cardseal/backends/store/postgres"
	"github.com/cardseal/cardseal/cmd/cardseal/internal/vaultdir"
	"github.com/cardseal/cardseal/tokenize/store"
)

// codes looks at the databases for security codes that are to be forgotten, and says
// what they do not keep from anybody. What is wrong with them ends nothing else.
func (c *checkup) codes(ctx context.Context, places []vaultdir.Place) {
	for i, p := range places {
		if !c.forgetful(ctx, p, []string{"security codes and their keys lie", "halves of the keys of security codes lie"}[i]) {
			return
		}
	}
	switch len(places) {
	case 0:
		return
	case 1:
		c.say(Warn, "codes", "a copy of that database taken while codes are in it (a snapshot of its volume or machine, a dump, swap, a core file) "+
			"has codes and their wrapped keys: whoever has it and the KMS reads them, whatever was erased since. Have none made")
	default:
		if !c.apart(ctx, places) {
			return
		}
		c.say(Warn, "codes", "copies of both databases taken while codes are in them (snapshots of their volumes or machines, dumps, swap, core files) "+
			"have codes and their wrapped keys: whoever has both and the KMS reads them, whatever was erased since. Have none made, "+
			"and have the databases on machines that are not copied together")
	}
	c.say(Warn, "codes", "codes are removed and their keys destroyed only while a process sweeps: a service, or cardseal cvc erasures once a minute")
}

// apart reports whether two databases are two.
func (c *checkup) apart(ctx context.Context, places []vaultdir.Place) bool {
	ctx, cancel := context.WithTimeout(ctx, databaseTime)
	defer cancel()
	err := vaultdir.Apart(ctx, places)
	switch {
	case errors.Is(err, vaultdir.ErrSecond):
		c.say(Fail, "codes", "%s and %s are one database, which has both halves of the keys: the second must be another", places[0], places[1])
	case err != nil:
		c.say(Fail, "codes", "the databases do not say whether they are two")
	}
	return err == nil
}

// forgetful reports whether a database can be used for security codes, of which what
// says what is there.
func (c *checkup) forgetful(ctx context.Context, p vaultdir.Place, what string) bool {
	if c.database(ctx, "codes", p) != nil {
		return false // it said so
	}
	ctx, cancel := context.WithTimeout(ctx, databaseTime)
	defer cancel()
	db, err := p.OpenEphemeral(ctx)
	switch {
	case errors.Is(err, store.ErrDurable), errors.Is(err, postgres.ErrSchema), errors.Is(err, store.ErrNewer):
		c.say(Fail, "codes", "%s: %v", p, err)
		return false
	case err != nil:
		c.say(Fail, "codes", "%s cannot be used for security codes: a right may be missing (cardseal store grants --codes)", p)
		return false
	}
	defer db.Close()
	c.say(OK, "codes", "%s in UNLOGGED tables at %s: no write-ahead log, replica or backup made from one has them", what, p)
	return true
}
