package vaultdir

import (
	"context"
	"errors"
	"net/url"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/cardseal/cardseal/backends/store/postgres"
	"github.com/cardseal/cardseal/tokenize"
	"github.com/cardseal/cardseal/tokenize/code"
)

// ErrNoCodes is a vault whose settings name no database for security codes that are to
// be forgotten.
var ErrNoCodes = errors.New("the settings name no database for security codes")

// ParseCodes reads the URI of a database for security codes that are to be forgotten,
// written as that of a store is.
func ParseCodes(uri string) (Place, error) {
	u, err := url.Parse(uri)
	if err != nil {
		return Place{}, &UnsupportedError{What: "database for security codes"}
	}
	if u.Scheme != "postgres" && u.Scheme != "postgresql" {
		return Place{}, &UnsupportedError{"database for security codes", shownScheme(u.Scheme)}
	}
	return parseDatabase(u)
}

// IsCodesTTL reports whether a code may be kept so long (code.TransientOptions).
func IsCodesTTL(d time.Duration) bool { return d >= time.Second && d <= 24*time.Hour }

// Ephemeral is an open database for security codes, which closes its pool with it.
type Ephemeral struct {
	*postgres.Ephemeral
	pool *pgxpool.Pool
}

// OpenEphemeral opens the database for security codes at a place. Its tables are never
// made here.
func (p Place) OpenEphemeral(ctx context.Context) (*Ephemeral, error) {
	pool, err := pgxpool.NewWithConfig(ctx, p.Pool.Copy())
	if err != nil {
		return nil, err
	}
	e, err := postgres.OpenEphemeral(ctx, pool, &postgres.Options{Schema: p.Schema})
	if err != nil {
		pool.Close()
		return nil, err
	}
	return &Ephemeral{e, pool}, nil
}

// Close sets the database free.
func (e *Ephemeral) Close() error {
	err := e.Ephemeral.Close()
	e.pool.Close()
	return err
}

// Transient opens, once, what keeps the security codes of repositories that are no
// issuer's, which sweeps them first. The error is [ErrNoCodes] where the settings name
// no database for them.
func (v *Vault) Transient(ctx context.Context) (*code.Transient, error) {
	if v.transient != nil {
		return v.transient, nil
	}
	if v.codes.Pool == nil {
		return nil, ErrNoCodes
	}
	var err error
	if v.ephemeral == nil {
		if v.ephemeral, err = v.codes.OpenEphemeral(ctx); err != nil {
			return nil, err
		}
	}
	v.transient, err = code.OpenTransient(ctx, v.ephemeral, v.kek, &code.TransientOptions{
		AllowDevelopmentKEK: true, Audit: v.Audit, TTL: v.codesTTL,
	})
	return v.transient, err
}

// Codes opens the service of a repository's security codes, by the policy that the
// repository was made for.
func (v *Vault) Codes(ctx context.Context, r *tokenize.Repository) (*code.Codes, error) {
	if r.Config().IssuerCodes {
		return code.Open(ctx, r, code.Issuer{}, nil)
	}
	t, err := v.Transient(ctx)
	if err != nil {
		return nil, err
	}
	return code.Open(ctx, r, t, nil)
}
