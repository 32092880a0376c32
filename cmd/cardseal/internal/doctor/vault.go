package doctor

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"time"

	"github.com/cardseal/cardseal/cmd/cardseal/internal/vaultdir"
	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/tokenize"
	"github.com/cardseal/cardseal/tokenize/store"
)

func (c *checkup) repositories(ctx context.Context, cards store.Cards) error {
	all, err := cards.Repositories(ctx)
	if err != nil {
		return err
	}
	if len(all) == 0 {
		c.say(OK, "repository", "there is none yet")
	}
	for _, r := range all {
		var config tokenize.Config
		if err := json.Unmarshal(r.Config, &config); err != nil {
			c.say(Fail, "repository", "%s has a configuration that cannot be read", r.Name)
			continue
		}
		c.repository(config)
		if config.PerScopeKeys {
			c.owners[config.ID] = r.Scope.String()
		}
		c.index(r)
	}
	return nil
}

// index says where a rotation of a repository's index key stands.
func (c *checkup) index(r store.Repository) {
	st, err := tokenize.ParseIndexStatus(r.State)
	c.foundBy[st.Key] = true
	switch {
	case err != nil:
		c.say(Fail, "repository", "%s has a state that cannot be read", r.Name)
	case st.Phase > tokenize.Settled:
		c.say(Warn, "repository", "%s: its index key is being replaced (%v) and the rotation is not through: cardseal reindex", r.Name, st.Phase)
	}
}

// repository says what a configuration means for those who live with it.
func (c *checkup) repository(r tokenize.Config) {
	own := false
	for _, risk := range r.Risks() {
		grade := Warn
		if risk.Inherent {
			grade = OK
		}
		own = own || !risk.Inherent
		c.say(grade, "repository", "%s: %s", r.ID, risk.Text)
	}
	if !own {
		c.say(OK, "repository", "%s: %v, %v, masking %v", r.ID, r.Generation, r.Management, r.Masking)
	}
}

// dataKeys holds each ring's active key against the cryptoperiod, and what wrapped its
// keys against the settings.
func (c *checkup) dataKeys(ctx context.Context, s keys.Store, now time.Time) error {
	var w wrappings
	for _, owner := range slices.Sorted(maps.Keys(c.owners)) {
		for _, p := range []keys.Purpose{keys.PAN, keys.CVC, keys.Index, keys.Analytics, keys.FPE, keys.Capture, keys.Audit} {
			records, _, err := s.List(ctx, keys.RingID{Environment: vaultdir.Environment, Purpose: p, Scope: c.owners[owner]})
			if err != nil {
				return err
			}
			for _, r := range records {
				w.count(c.ids, &r)
				// A retired index key may be what a repository is found by.
				if age := now.Sub(r.Created); r.State == keys.Active || c.foundBy[r.ID] && age >= Cryptoperiod {
					c.age(p, owner, age)
				}
			}
		}
	}
	c.wrapped(&w)
	return nil
}

func (c *checkup) age(p keys.Purpose, owner string, age time.Duration) {
	days, of, command := int(age.Hours()/24), "", ""
	if owner != "" {
		of, command = " of "+owner, " --repository "+owner
	}
	switch {
	case age < Cryptoperiod:
		c.say(OK, "data key", "ring %s%s: the active key is %d days old", p, of, days)
	case p == keys.Index:
		c.say(Warn, "data key", "ring %s%s: the key is %d days old, more than a year: cardseal reindex%s", p, of, days, command)
	default:
		c.say(Warn, "data key", "ring %s%s: the active key is %d days old, more than a year: cardseal keys rotate --purpose %s%s", p, of, days, p, command)
	}
}
