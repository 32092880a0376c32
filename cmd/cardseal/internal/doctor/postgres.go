package doctor

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/cardseal/cardseal/cmd/cardseal/internal/vaultdir"
)

// databaseTime is how long a database may take to answer.
const databaseTime = 10 * time.Second

// database looks at how a database is reached and how it keeps what it is given.
func (c *checkup) database(ctx context.Context, subject string, p vaultdir.Place) error {
	ctx, cancel := context.WithTimeout(ctx, databaseTime)
	defer cancel()
	config := p.Pool.ConnConfig.Copy()
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		c.say(Fail, subject, "the database at %s does not answer, or does not let this user in", config.Host)
		return err
	}
	defer conn.Close(ctx)
	var version, fsync, synchronous, statements, parameters string
	var secured, local, superuser bool
	err = conn.QueryRow(ctx, `SELECT current_setting('server_version'), current_setting('fsync'),
		current_setting('synchronous_commit'), current_setting('log_statement'), current_setting('log_parameter_max_length_on_error'),
		coalesce((SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()), false), inet_client_addr() IS NULL OR inet_client_addr() <<= '127.0.0.0/8' OR inet_client_addr() = '::1',
		(SELECT rolsuper FROM pg_roles WHERE rolname = current_user)`).
		Scan(&version, &fsync, &synchronous, &statements, &parameters, &secured, &local, &superuser)
	if err != nil {
		c.say(Fail, subject, "the database at %s does not say how it is set up", config.Host)
		return err
	}
	c.say(OK, subject, "PostgreSQL %s answers", version)
	switch {
	case secured && config.TLSConfig != nil && config.TLSConfig.InsecureSkipVerify && config.TLSConfig.VerifyPeerCertificate == nil:
		c.say(Warn, subject, "the database's certificate is not checked: sslmode=verify-full")
	case !secured && !local:
		c.say(Fail, subject, "the connection to the database is not encrypted: sslmode=verify-full")
	}
	if subject == "store" && (fsync == "off" || synchronous == "off") {
		c.say(Fail, subject, "the database does not wait for its disk (fsync %s, synchronous_commit %s): a crash loses cards that were confirmed", fsync, synchronous)
	}
	if superuser {
		c.say(Warn, subject, "the database user is a superuser: cardseal store grants prints a role that is enough")
	}
	if statements == "all" || statements == "mod" || parameters != "0" {
		c.say(Warn, subject, "the database logs statements or their values, tokens among them: log_statement %s, log_parameter_max_length_on_error %s", statements, parameters)
	}
	return nil
}
