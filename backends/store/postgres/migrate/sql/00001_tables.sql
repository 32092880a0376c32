-- +goose Up

-- One row a scope that was ever written to; writers lock it FOR SHARE, so that
-- raising the epoch waits for them.
CREATE TABLE scopes (
	scope bytea NOT NULL PRIMARY KEY,
	epoch bigint NOT NULL
);

CREATE TABLE repositories (
	name    text COLLATE "C" NOT NULL PRIMARY KEY,
	scope   bytea NOT NULL UNIQUE,
	config  bytea NOT NULL,
	state   bytea NOT NULL,
	version bigint NOT NULL
);

CREATE TABLE merchants (
	merchant text COLLATE "C" NOT NULL PRIMARY KEY,
	scope    bytea NOT NULL
);

-- A data key without a row here, or with a closed one, seals nothing.
CREATE TABLE fences (
	key  bytea NOT NULL PRIMARY KEY,
	open boolean NOT NULL
);

-- Unsigned 64-bit numbers are kept as their two's complement. A tombstone
-- (status 3) has scope, token, version, status and ord alone. Rows are never
-- deleted: a token is given out once.
CREATE TABLE cards (
	scope            bytea NOT NULL,
	token            text COLLATE "C" NOT NULL,
	version          bigint NOT NULL,
	status           smallint NOT NULL, -- 1 active, 2 suspended, 3 deleted
	ord              text COLLATE "C" NOT NULL,
	record_id        bytea NOT NULL,
	bin              text COLLATE "C" NOT NULL,
	last_four        text COLLATE "C" NOT NULL,
	pan_length       smallint NOT NULL,
	network          text COLLATE "C" NOT NULL,
	brand            text COLLATE "C" NOT NULL,
	local_brand      text COLLATE "C" NOT NULL,
	funding          text COLLATE "C" NOT NULL,
	expiry           integer NOT NULL, -- 2612 is December 2026
	invalid          boolean NOT NULL,
	verified         smallint NOT NULL,
	created          bigint NOT NULL, -- times are Unix milliseconds, 0 for none
	updated          bigint NOT NULL,
	updated_by       text COLLATE "C" NOT NULL,
	last_used        bigint NOT NULL,
	expires          bigint NOT NULL,
	analytics        text COLLATE "C" NOT NULL,
	scheme_status    smallint NOT NULL,
	scheme_expiry    integer NOT NULL,
	scheme_par       text COLLATE "C" NOT NULL,
	scheme_requestor text COLLATE "C" NOT NULL,
	sealed_keys      bytea NOT NULL, -- data key of each sealed value, 16 bytes each
	sealed           bytea NOT NULL, -- the sealed values, see row.go
	index_values     bytea NOT NULL, -- what the two tables below hold of this row
	PRIMARY KEY (scope, token)
);

-- Most rows have the same keys, which a B-tree keeps once: the census of a data
-- key reads this index and no row.
CREATE INDEX cards_sealed_keys ON cards (sealed_keys);

CREATE INDEX cards_ord ON cards (scope, ord, token) WHERE ord <> '';

-- Index values of rows that were written as the only one with that card. The
-- primary key is what makes a card unique.
CREATE TABLE unique_values (
	scope bytea NOT NULL,
	key   bytea NOT NULL,
	value bytea NOT NULL,
	token text COLLATE "C" NOT NULL,
	PRIMARY KEY (scope, key, value)
);

-- Index values of all other rows.
CREATE TABLE plain_values (
	scope bytea NOT NULL,
	key   bytea NOT NULL,
	value bytea NOT NULL,
	token text COLLATE "C" NOT NULL,
	PRIMARY KEY (scope, key, value, token)
);

-- Calls remembered for their repetition, until a time in Unix milliseconds.
CREATE TABLE calls (
	scope bytea NOT NULL,
	key   bytea NOT NULL,
	token text COLLATE "C" NOT NULL,
	input bytea NOT NULL,
	until bigint NOT NULL,
	PRIMARY KEY (scope, key)
);

CREATE INDEX calls_until ON calls (until);

CREATE TABLE jobs (
	id    bytea NOT NULL PRIMARY KEY,
	state bytea NOT NULL
);

CREATE TABLE rings (
	environment text COLLATE "C" NOT NULL,
	purpose     text COLLATE "C" NOT NULL,
	scope       text COLLATE "C" NOT NULL,
	version     bigint NOT NULL,
	PRIMARY KEY (environment, purpose, scope)
);

-- Wrapped data keys; keks[i] wrapped wrappings[i]. Times are Unix seconds.
CREATE TABLE data_keys (
	id          bytea NOT NULL PRIMARY KEY,
	environment text COLLATE "C" NOT NULL,
	purpose     text COLLATE "C" NOT NULL,
	scope       text COLLATE "C" NOT NULL,
	state       smallint NOT NULL, -- 1 active, 2 retired, 3 disabled, 4 destroyed
	created     bigint NOT NULL,
	changed     bigint NOT NULL,
	keks        text[] NOT NULL,
	wrappings   bytea[] NOT NULL
);

CREATE INDEX data_keys_ring ON data_keys (environment, purpose, scope);
