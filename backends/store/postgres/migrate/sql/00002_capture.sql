-- +goose Up

-- Messages that a write used up, until a time in Unix milliseconds. The primary key
-- is what makes a message good for one write.
CREATE TABLE spent (
	scope  bytea NOT NULL,
	digest bytea NOT NULL,
	until  bigint NOT NULL,
	PRIMARY KEY (scope, digest)
);

CREATE INDEX spent_until ON spent (until);

-- Key pairs that clients encrypt to. Times are Unix seconds.
CREATE TABLE capture_keys (
	scope    text COLLATE "C" NOT NULL,
	alias    text COLLATE "C" NOT NULL,
	id       bytea NOT NULL,
	created  bigint NOT NULL,
	retires  bigint NOT NULL,
	data_key bytea NOT NULL, -- the private key is sealed under, empty if its record says none
	sealed   bytea NOT NULL,
	PRIMARY KEY (scope, alias, id)
);
