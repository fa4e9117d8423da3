-- The version of the schema, and how it is brought up to date.

-- name: schema_there
-- Whether there is a schema with a version.
SELECT to_regclass('hashmill.schema_version') IS NOT NULL;

-- name: schema_version
-- Its version.
SELECT coalesce(max(version), 0) FROM hashmill.schema_version;

-- name: migrate_lock
-- Waits for others who migrate, as long as they take; until the end of the transaction.
SELECT set_config('lock_timeout', '0', true), set_config('statement_timeout', '0', true),
    set_config('idle_in_transaction_session_timeout', '0', true), pg_advisory_xact_lock(7526759010212441963);

-- name: schema_make
-- Several statements, run together.
CREATE SCHEMA IF NOT EXISTS hashmill;
CREATE TABLE IF NOT EXISTS hashmill.schema_version (
    version int4 PRIMARY KEY,
    migrated timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- name: schema_owned
-- Whether the schema is ours: somebody else could have made it before, and change what is in it.
SELECT pg_has_role(nspowner, 'USAGE') FROM pg_namespace WHERE nspname = 'hashmill';

-- name: schema_migrated
-- takes: int4
-- Notes a version that the schema has now.
INSERT INTO hashmill.schema_version (version) VALUES ($1);
