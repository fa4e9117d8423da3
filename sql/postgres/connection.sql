-- What is asked and set when a connection is made. Until session_path has run nothing may depend on the role's own
-- search_path.

-- name: version
-- Which program the server is.
SELECT pg_catalog.version();

-- name: session_path
-- From here on a name without a schema is one of PostgreSQL's own, or else of ours. Tells what a session of ours has
-- left here, which a new session never has, and none that a pooler has cleaned.
SELECT coalesce(pg_catalog.current_setting('hashmill.session', true), ''),
    pg_catalog.set_config('search_path', 'hashmill, pg_temp', false);

-- name: session
-- What a session of the queue depends on, whatever the role or the database have set. A commit at least is on the
-- server's own disk; who wants it to be on more than that keeps it.
SELECT set_config('hashmill.session', 'used', false),
    set_config('statement_timeout', '5s', false), set_config('lock_timeout', '2s', false),
    set_config('idle_in_transaction_session_timeout', '10s', false), set_config('idle_session_timeout', '0', false),
    set_config('default_transaction_isolation', 'read committed', false),
    set_config('client_min_messages', 'warning', false), set_config('plan_cache_mode', 'force_generic_plan', false),
    set_config('jit', 'off', false), set_config('TimeZone', 'UTC', false), set_config('DateStyle', 'ISO', false),
    set_config('standard_conforming_strings', 'on', false), set_config('application_name', 'hashmill', false),
    set_config('synchronous_commit', CASE WHEN current_setting('synchronous_commit') IN ('off', 'local') THEN 'on'
        ELSE current_setting('synchronous_commit') END, false);

-- name: facts
-- What a server must be like. The timeline is the one that is written now: that of the last checkpoint is the old one
-- for a while after a promotion. Every role may ask for it.
SELECT pg_is_in_recovery(),
    CASE WHEN pg_is_in_recovery() THEN 0
        ELSE ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int8 END,
    current_setting('fsync') = 'on', current_setting('full_page_writes') = 'on',
    to_regproc('pg_catalog.aurora_version') IS NOT NULL,
    current_setting('synchronous_commit') NOT IN ('off', 'local'), current_setting('synchronous_standby_names') <> '',
    pg_backend_pid();

-- name: begin
BEGIN;

-- name: commit
COMMIT;

-- name: rollback
ROLLBACK;
