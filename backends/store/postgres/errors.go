package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/puddle/v2"

	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/tokenize/store"
)

// kinds says which of the store's errors stands for an SQLSTATE or, of two
// characters, for a class of them.
var kinds = map[string]error{
	"08":    store.ErrUnavailable, // connection exceptions
	"25006": store.ErrReadOnly,    // read only SQL transaction
	"28":    store.ErrUnavailable, // the server does not let us in
	"3D":    store.ErrUnavailable, // the database is not there
	"40":    store.ErrUnavailable, // rolled back, and tried again often enough
	"42501": ErrPermission,        // insufficient privilege
	"3F":    ErrSchema,            // no such schema
	"42P01": ErrSchema,            // no such table
	"42703": ErrSchema,            // no such column
	"53100": store.ErrFull,        // disk full
	"53":    store.ErrUnavailable, // other resources, too many connections
	"54":    store.ErrFull,        // program limits: no more pages or files
	"55":    store.ErrUnavailable, // not in a state to, a lock not to be had in time
	"57":    store.ErrUnavailable, // shut down, starting up, cancelled by an administrator
	"58030": store.ErrUnavailable, // I/O error
	"XX001": store.ErrCorrupt,     // data corrupted
	"XX002": store.ErrCorrupt,     // index corrupted
}

// ErrPermission is a database role that may not do what this store needs;
// package migrate documents the grants.
var ErrPermission = errors.New("postgres: the database role lacks a privilege")

// translate gives err its kind and keeps it wrapped, less what may hold values:
// PostgreSQL puts keys of rows into details, and input into messages.
func translate(err error) error {
	if err == nil || isOurs(err) || errors.Is(err, errRefused) || errors.Is(err, pgx.ErrNoRows) {
		return err
	}
	if errors.Is(err, errRace) {
		return fmt.Errorf("postgres: %w: other transactions were first too often", store.ErrUnavailable)
	}
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return serverError(e)
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("postgres: %w", contextError(err))
	}
	if errors.Is(err, puddle.ErrClosedPool) {
		return fmt.Errorf("postgres: %w: %w", store.ErrClosed, err)
	}
	if lost(err) {
		return fmt.Errorf("postgres: %w: %w", store.ErrUnavailable, err)
	}
	// The client's own errors may quote what it was to encode.
	return fmt.Errorf("postgres: the client failed (%T)", root(err))
}

func serverError(e *pgconn.PgError) error {
	clean := *e
	clean.Detail, clean.Hint, clean.Where, clean.InternalQuery = "", "", "", ""
	if strings.HasPrefix(e.Code, "22") {
		clean.Message = "data exception" // these quote what was given
	}
	kind, known := kinds[e.Code]
	if !known && len(e.Code) == 5 {
		kind, known = kinds[e.Code[:2]]
	}
	if !known {
		return fmt.Errorf("postgres: %w", &clean)
	}
	return fmt.Errorf("postgres: %w: %w", kind, &clean)
}

// contextError is the context's own error in a chain.
func contextError(err error) error {
	if errors.Is(err, context.Canceled) {
		return context.Canceled
	}
	return context.DeadlineExceeded
}

// isOurs reports an error that has its kind already.
func isOurs(err error) bool {
	if _, ok := errors.AsType[*store.InvalidError](err); ok {
		return true
	}
	for _, kind := range []error{
		store.ErrNotFound, store.ErrNewer, store.ErrCorrupt, store.ErrReadOnly, store.ErrFull, store.ErrUnavailable,
		store.ErrOutcomeUnknown, store.ErrConflict, store.ErrClosed, store.ErrFenced, store.ErrDurable, keys.ErrNotFound, keys.ErrConflict, ErrSchema, ErrPermission,
	} {
		if errors.Is(err, kind) {
			return true
		}
	}
	return false
}

// lost reports an error of the connection, not of what was asked.
func lost(err error) bool {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return e.Code == "57P03" // starting up or shutting down
	}
	if _, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		return true
	}
	if _, ok := errors.AsType[net.Error](err); ok {
		return true
	}
	return pgconn.SafeToRetry(err) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, net.ErrClosed) || errors.Is(err, pgx.ErrTxClosed) || strings.Contains(err.Error(), "conn closed")
}

func root(err error) error {
	for {
		next := errors.Unwrap(err)
		if next == nil {
			return err
		}
		err = next
	}
}

// fatal reports an SQLSTATE with which the server ends the connection.
func fatal(e *pgconn.PgError) bool {
	return e.Severity == "FATAL" || e.Severity == "PANIC" ||
		e.SeverityUnlocalized == "FATAL" || e.SeverityUnlocalized == "PANIC"
}

// corrupt is what is said of a value that cannot be read. It never shows it.
func corrupt(what string) error {
	return fmt.Errorf("postgres: %w: %s cannot be read", store.ErrCorrupt, what)
}

// scanFailed sorts an error of reading a row: the connection's, or that a column
// is not what it should be, which pgx would quote.
func scanFailed(err error) error {
	if _, ok := errors.AsType[pgx.ScanArgError](err); ok {
		return corrupt("a column")
	}
	return err
}

// keyError gives an error of the card store's kinds the kind of the key store
// beside it.
func keyError(err error) error {
	for _, k := range []struct{ kind, keys error }{
		{store.ErrClosed, keys.ErrClosed},
		{store.ErrUnavailable, keys.ErrUnavailable},
		{store.ErrOutcomeUnknown, keys.ErrUnavailable},
		{store.ErrCorrupt, keys.ErrCorrupt},
		{ErrPermission, keys.ErrDenied},
	} {
		if errors.Is(err, k.kind) {
			return fmt.Errorf("%w (%w)", err, k.keys)
		}
	}
	return err
}
