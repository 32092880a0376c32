-- Roles for the schema cardseal of an ephemeral database, each with what it needs and
-- no more. Run it as an administrator of that database, and again after a migration
-- that makes tables. There is no auditor: nothing in it is for reading.

DO $$
DECLARE
	role text;
BEGIN
	FOREACH role IN ARRAY ARRAY['cardseal_owner', 'cardseal_service'] LOOP
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
GRANT USAGE ON SCHEMA cardseal TO cardseal_service;

DO $$
BEGIN
	IF to_regclass('cardseal.codes') IS NULL THEN
		RETURN; -- not migrated yet
	END IF;
	REVOKE ALL ON ALL TABLES IN SCHEMA cardseal FROM cardseal_service;
	GRANT SELECT ON cardseal.cardseal_ephemeral_migrations TO cardseal_service;
	GRANT SELECT, INSERT, UPDATE ON cardseal.fences, cardseal.rings, cardseal.data_keys TO cardseal_service;
	GRANT TRUNCATE ON cardseal.data_keys TO cardseal_service; -- to have destroyed keys out of its file
	GRANT SELECT, INSERT, UPDATE, DELETE ON cardseal.codes TO cardseal_service;
END
$$;
