-- +goose Up

-- Security codes that are kept, such as an issuer's. A code's counters stand in its
-- own row, one element of each array a counter, so that a single statement can judge
-- and change them under the row's lock.
CREATE TABLE codes (
	scope      bytea NOT NULL,
	owner_type smallint NOT NULL,
	owner      text COLLATE "C" NOT NULL,
	card       bytea NOT NULL, -- a keyed digest of the card number
	record_id  bytea NOT NULL, -- another for every code that is put
	token      text COLLATE "C" NOT NULL,
	record     bytea NOT NULL, -- the sealed code
	key        bytea NOT NULL, -- the data key it is sealed under
	created    bigint NOT NULL, -- times are Unix milliseconds
	expires    bigint NOT NULL, -- 0: never
	reads      bigint NOT NULL, -- that are left; 0: any number
	guesses    bigint NOT NULL DEFAULT 0,
	counters   integer[] NOT NULL DEFAULT '{}',
	taken      bigint[] NOT NULL DEFAULT '{}', -- the last number taken of each counter
	base       bigint[] NOT NULL DEFAULT '{}', -- the number of its last right attempt or reset
	blocked    boolean[] NOT NULL DEFAULT '{}',
	PRIMARY KEY (scope, owner_type, owner, card)
);

CREATE INDEX codes_token ON codes (scope, token);

-- The census of a data key counts here.
CREATE INDEX codes_key ON codes (key);

CREATE INDEX codes_expires ON codes (expires) WHERE expires <> 0;
