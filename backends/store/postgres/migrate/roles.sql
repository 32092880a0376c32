-- Roles for a vault in the schema cardseal, each with what it needs and no more. Run
-- it as an administrator of the database, and again after a migration that makes
-- tables. Then give the roles to the users who log in:
--
--   GRANT cardseal_owner   TO deployer;   -- runs cardseal store migrate
--   GRANT cardseal_service TO vault;      -- runs the service
--   GRANT cardseal_auditor TO auditor;    -- reads, but nothing sealed, keyed or wrapped

DO $$
DECLARE
	role text;
BEGIN
	FOREACH role IN ARRAY ARRAY['cardseal_owner', 'cardseal_service', 'cardseal_auditor'] LOOP
		BEGIN
			EXECUTE format('CREATE ROLE %I NOLOGIN', role);
		EXCEPTION WHEN duplicate_object OR unique_violation THEN
			NULL; -- roles are the whole server's, and may be there
		END;
	END LOOP;
END
$$;

CREATE SCHEMA IF NOT EXISTS cardseal AUTHORIZATION cardseal_owner;
REVOKE ALL ON SCHEMA cardseal FROM PUBLIC;
GRANT USAGE ON SCHEMA cardseal TO cardseal_service, cardseal_auditor;

DO $$
BEGIN
	IF to_regclass('cardseal.codes') IS NULL THEN
		RETURN; -- not migrated to this version yet
	END IF;
	REVOKE ALL ON ALL TABLES IN SCHEMA cardseal FROM cardseal_service, cardseal_auditor;

	-- A service reads the version and changes no table. It deletes neither cards nor
	-- keys nor fences: none of them may ever be forgotten.
	GRANT SELECT ON cardseal.cardseal_migrations TO cardseal_service;
	GRANT SELECT, INSERT, UPDATE ON cardseal.cards, cardseal.scopes, cardseal.repositories,
		cardseal.merchants, cardseal.fences, cardseal.rings, cardseal.data_keys, cardseal.capture_keys TO cardseal_service;
	GRANT SELECT, INSERT, DELETE ON cardseal.unique_values, cardseal.plain_values TO cardseal_service;
	GRANT SELECT, INSERT, UPDATE, DELETE ON cardseal.calls, cardseal.jobs, cardseal.codes, cardseal.spent TO cardseal_service;

	GRANT SELECT ON cardseal.cardseal_migrations, cardseal.scopes, cardseal.merchants, cardseal.fences,
		cardseal.rings TO cardseal_auditor;
	GRANT SELECT (name, scope, version) ON cardseal.repositories TO cardseal_auditor;
	GRANT SELECT (id, environment, purpose, scope, state, created, changed, keks) ON cardseal.data_keys TO cardseal_auditor;
	GRANT SELECT (scope, alias, id, created, retires, data_key) ON cardseal.capture_keys TO cardseal_auditor;
	GRANT SELECT (scope, token, version, status, bin, last_four, pan_length, network, brand, local_brand,
		funding, expiry, invalid, verified, created, updated, updated_by, last_used, expires, sealed_keys)
		ON cardseal.cards TO cardseal_auditor;
	GRANT SELECT (scope, owner_type, owner, token, key, created, expires, reads, guesses, counters, taken, base, blocked)
		ON cardseal.codes TO cardseal_auditor;
END
$$;
