package vaultdir

import (
	"context"
	"errors"
	"net/url"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/cardseal/cardseal/backends/store/postgres"
	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/tokenize"
	"github.com/cardseal/cardseal/tokenize/code"
)

// ErrNoCodes is a vault whose settings name no database for security codes that are to
// be forgotten.
var ErrNoCodes = errors.New("the settings name no database for security codes")

// ErrSecond is a second database for security codes that has no first, or is the first.
var ErrSecond = errors.New("the second database for security codes goes with a first that is another")

// ParseCodes reads the URIs of the database for security codes that are to be forgotten,
// and of the second over which their keys are split, written as that of a store is.
// Either may be empty.
func ParseCodes(first, second string) (places []Place, err error) {
	if second != "" && first == "" {
		return nil, ErrSecond
	}
	for _, uri := range []string{first, second} {
		if uri == "" {
			continue
		}
		p, err := parseCodes(uri)
		if err != nil {
			return nil, err
		}
		places = append(places, p)
	}
	if len(places) == 2 {
		a, b := places[0].Pool.ConnConfig, places[1].Pool.ConnConfig
		if a.Host == b.Host && a.Port == b.Port && a.Database == b.Database {
			return nil, ErrSecond
		}
	}
	return places, nil
}

func parseCodes(uri string) (Place, error) {
	u, err := url.Parse(uri)
	if err != nil {
		return Place{}, &UnsupportedError{What: "database for security codes"}
	}
	if u.Scheme != "postgres" && u.Scheme != "postgresql" {
		return Place{}, &UnsupportedError{"database for security codes", shownScheme(u.Scheme)}
	}
	return parseDatabase(u)
}

// Apart asks databases for security codes whether they are one under two names, or two
// schemas of one: then the error is [ErrSecond].
func Apart(ctx context.Context, places []Place) error {
	if len(places) < 2 {
		return nil
	}
	known := map[string]bool{}
	for _, p := range places {
		id, err := p.database(ctx)
		if err != nil {
			return err
		}
		if known[id] {
			return ErrSecond
		}
		known[id] = true
	}
	return nil
}

// database is what no two databases have in common while their servers run.
func (p Place) database(ctx context.Context) (id string, err error) {
	conn, err := pgx.ConnectConfig(ctx, p.Pool.ConnConfig.Copy())
	if err != nil {
		return "", err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	err = conn.QueryRow(ctx, "SELECT concat(extract(epoch FROM pg_postmaster_start_time()), ' ', oid) FROM pg_database WHERE datname = current_database()").Scan(&id)
	return id, err
}

// IsCodesTTL reports whether a code may be kept so long (code.TransientOptions).
func IsCodesTTL(d time.Duration) bool { return d >= time.Second && d <= 24*time.Hour }

// areCodeLimits reports whether a code may have so many wrong attempts in a row and in
// its life (code.Options); 0 is the default.
func areCodeLimits(tries, guesses int) bool {
	return tries >= 0 && tries <= 10 && guesses >= 0 && guesses <= 100
}

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
	if len(v.codes) == 0 {
		return nil, ErrNoCodes
	}
	for _, p := range v.codes[len(v.ephemeral):] {
		e, err := p.OpenEphemeral(ctx)
		if err != nil {
			return nil, err
		}
		v.ephemeral = append(v.ephemeral, e)
	}
	keks := v.CodeKEKs()
	o := &code.TransientOptions{AllowDevelopmentKEK: true, Audit: v.Audit, TTL: v.codesTTL, KEKs: keks[1:]}
	if len(v.ephemeral) > 1 {
		o.Second = v.ephemeral[1]
	}
	var err error
	v.transient, err = code.OpenTransient(ctx, v.ephemeral[0], keks[0], o)
	if e, ok := errors.AsType[*tokenize.Error](err); ok && e.Field == "second" {
		err = ErrSecond
	}
	return v.transient, err
}

// CodeKEKs guard the keys of security codes that are to be forgotten: those that wrap and
// could be opened. These keys live for minutes, and wait for no KEK that is away.
func (v *Vault) CodeKEKs() []keys.KEK {
	if len(v.wrapping) == 0 {
		return []keys.KEK{v.Keys.KEK()}
	}
	return v.wrapping
}

// Codes opens the service of a repository's security codes, by the policy that the
// repository was made for and with the limits of the settings: limits are not stored
// with a code, and the widest of any program's are those that hold.
func (v *Vault) Codes(ctx context.Context, r *tokenize.Repository) (*code.Codes, error) {
	o := &code.Options{Tries: v.Settings.CodesTries, Guesses: v.Settings.CodesGuesses}
	if r.Config().IssuerCodes {
		return code.Open(ctx, r, code.Issuer{}, o)
	}
	t, err := v.Transient(ctx)
	if err != nil {
		return nil, err
	}
	return code.Open(ctx, r, t, o)
}
