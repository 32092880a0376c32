-- +goose Up

-- All that an ephemeral database holds but the note that this was run. UNLOGGED
-- tables are in no log and so in no replica and no backup made from one, and a crash
-- empties them, their indexes with them: codes, keys and fences go together.

-- See the durable table of that name for the columns.
CREATE UNLOGGED TABLE codes (
	scope      bytea NOT NULL,
	owner_type smallint NOT NULL,
	owner      text COLLATE "C" NOT NULL,
	card       bytea NOT NULL,
	record_id  bytea NOT NULL,
	token      text COLLATE "C" NOT NULL,
	record     bytea NOT NULL,
	key        bytea NOT NULL,
	created    bigint NOT NULL,
	expires    bigint NOT NULL,
	reads      bigint NOT NULL,
	guesses    bigint NOT NULL DEFAULT 0,
	counters   integer[] NOT NULL DEFAULT '{}',
	taken      bigint[] NOT NULL DEFAULT '{}',
	base       bigint[] NOT NULL DEFAULT '{}',
	blocked    boolean[] NOT NULL DEFAULT '{}',
	PRIMARY KEY (scope, owner_type, owner, card)
);

CREATE INDEX codes_token ON codes (scope, token);
CREATE INDEX codes_key ON codes (key);
CREATE INDEX codes_expires ON codes (expires) WHERE expires <> 0;

CREATE UNLOGGED TABLE fences (
	key  bytea NOT NULL PRIMARY KEY,
	open boolean NOT NULL
);

CREATE UNLOGGED TABLE rings (
	environment text COLLATE "C" NOT NULL,
	purpose     text COLLATE "C" NOT NULL,
	scope       text COLLATE "C" NOT NULL,
	version     bigint NOT NULL,
	PRIMARY KEY (environment, purpose, scope)
);

CREATE UNLOGGED TABLE data_keys (
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

-- ANALYZE, which the server does by itself, keeps values of columns in a table that is
-- in the log, in backups and on replicas. Of these columns it keeps none.
-- +goose StatementBegin
DO $$
DECLARE
	c record;
BEGIN
	FOR c IN SELECT attrelid::regclass AS t, attname FROM pg_attribute
		WHERE attrelid IN ('codes'::regclass, 'fences'::regclass, 'rings'::regclass, 'data_keys'::regclass) AND attnum > 0
	LOOP
		EXECUTE format('ALTER TABLE %s ALTER COLUMN %I SET STATISTICS 0', c.t, c.attname);
	END LOOP;
END
$$;
-- +goose StatementEnd
