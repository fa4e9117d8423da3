-- Schema version 1. All nodes share it. Times called "clock" are milliseconds of the queue clock, which never goes back;
-- times called "wall" are milliseconds since 1970 and are only shown.
--
-- An item is in one of three tables, by its state, and moves forward only: work, done, ended. Bytes are STORAGE PLAIN:
-- a digest is never compressed, and a row never grows beyond a page. Room is left in the pages of work, so that a
-- checkpoint changes no index. Empty pages at the end of a table stay: to cut them off stops everybody for a moment.

-- One row: what nodes agree on beside the items.
CREATE TABLE meta (
    one int2 PRIMARY KEY CHECK (one = 1),
    clock_offset int8 NOT NULL DEFAULT 0, -- queue clock - the server's time
    clock_saved int8 NOT NULL DEFAULT 0,  -- no node has seen a later queue clock, but for the last seconds
    paused int4 NOT NULL DEFAULT 0        -- bits of the parts that an operator has paused, at all nodes
) WITH (fillfactor = 50);
INSERT INTO meta (one) VALUES (1);

-- One row for each node that ever was. batch is the marker of its writer: a batch is committed if and only if its number
-- is there, and a writer that finds another number than it left has been replaced. Counts are what this node has
-- added and taken away: only sums over all nodes say how many items there are.
CREATE TABLE node (
    node int2 PRIMARY KEY,
    epoch int8 NOT NULL DEFAULT 0,        -- raised by each writer that takes the node over
    batch int8 NOT NULL DEFAULT 0,
    waiting int8 NOT NULL DEFAULT 0,
    leased int8 NOT NULL DEFAULT 0,
    done int8 NOT NULL DEFAULT 0,
    pulled int8 NOT NULL DEFAULT 0,
    cancelled int8 NOT NULL DEFAULT 0,
    remaining int8 NOT NULL DEFAULT 0,    -- over waiting and leased items
    virtual int8 NOT NULL DEFAULT 0,      -- the order of leasing, see fcgi/store/rank.h: the greatest rank leased,
    top int8 NOT NULL DEFAULT 0           -- and the greatest finish
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.02, vacuum_truncate = off);

-- Who enqueues: "" for who has no key.
CREATE TABLE client (
    seq int4 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL UNIQUE
);

-- What a client has at a node, with sums as those of node, and its share there.
CREATE TABLE client_node (
    client int4 NOT NULL,
    node int2 NOT NULL,
    waiting int8 NOT NULL,
    leased int8 NOT NULL,
    done int8 NOT NULL,
    pulled int8 NOT NULL,
    cancelled int8 NOT NULL,
    remaining int8 NOT NULL,
    finish int8 NOT NULL,                 -- virtual: when all that it has enqueued is done
    weight int4 NOT NULL,
    at int8 NOT NULL,                     -- clock: when this was saved
    PRIMARY KEY (client, node)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.02, vacuum_truncate = off);

CREATE INDEX client_node_at ON client_node (at); -- what other nodes have to read again

-- Who leases and reports.
CREATE TABLE worker (
    seq int4 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    identity text NOT NULL,               -- whose credential it has
    name text NOT NULL,
    machine text NOT NULL,                -- "": not one that a node launched
    address text NOT NULL,
    kernel text NOT NULL,
    cores int8 NOT NULL,
    rate int8 NOT NULL,                   -- iterations a second, as it measured; 0: not yet
    first_seen int8 NOT NULL,             -- clock
    last_seen int8 NOT NULL,              -- clock
    first_seen_wall int8 NOT NULL,
    last_seen_wall int8 NOT NULL,
    retired_wall int8,                    -- when it said that it retires
    UNIQUE (identity, name)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.02, vacuum_truncate = off);

CREATE INDEX worker_last_seen ON worker (last_seen); -- who was silent for long

-- Identities that reported what cannot be: they get nothing and may report nothing.
CREATE TABLE quarantine (
    identity text PRIMARY KEY,
    wall int8 NOT NULL,                   -- since when
    why text NOT NULL
);

-- What operators have done.
CREATE TABLE audit (
    seq int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    wall int8 NOT NULL,
    who text NOT NULL,                    -- the name of the operator's key; '' for who has none
    what text NOT NULL,                   -- pause, resume, release, pull or cancel
    about text NOT NULL,                  -- of what: a part of the queue, a worker, a client, an item
    items int8 NOT NULL                   -- how many items were pulled or cancelled
);

-- Items that are waiting (state 0) or leased (1).
CREATE TABLE work (
    id uuid PRIMARY KEY,
    iterations int8 NOT NULL CHECK (iterations BETWEEN 2 AND 9007199254740991),
    remaining int8 NOT NULL CHECK (remaining BETWEEN 1 AND iterations - 1),
    rank int8 NOT NULL,                   -- order of leasing: fcgi/store/rank.h
    since int8 NOT NULL,                  -- clock: waiting since; kept when leased
    enqueued_wall int8 NOT NULL,
    client int4 NOT NULL,
    state int2 NOT NULL CHECK (state BETWEEN 0 AND 1),
    home int2 NOT NULL,                   -- among whose items to lease it is
    strikes int2 NOT NULL DEFAULT 0,      -- leases that lapsed without progress
    worker int4,                          -- worker.seq of the one that leased or reported it last
    deadline int8 CHECK ((state = 1) = (deadline IS NOT NULL)), -- clock: when the lease lapses
    granted int8,                         -- remaining when the last lease was given,
    granted_at int8,                      -- clock,
    granted_wall int8,                    -- and wall, when that was
    moved int8,                           -- clock: when it last made progress under it
    lease uuid CHECK (state = 0 OR lease IS NOT NULL), -- the current lease, or the one that lapsed last
    digest bytea NOT NULL CHECK (octet_length(digest) = 64), -- SHA-512 of the body
    chain bytea CHECK (octet_length(chain) = 64) -- the current link; NULL: the digest still is it
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_insert_scale_factor = 1,
    autovacuum_vacuum_cost_delay = 0, vacuum_truncate = off);
ALTER TABLE work ALTER digest SET STORAGE PLAIN, ALTER chain SET STORAGE PLAIN;
CREATE INDEX work_rank ON work (home, rank, id) WHERE state = 0;  -- what to lease next
CREATE INDEX work_since ON work (home, since) WHERE state = 0;    -- the oldest wait

-- Items that are done (2), to be pulled.
CREATE TABLE done (
    id uuid PRIMARY KEY,
    iterations int8 NOT NULL CHECK (iterations BETWEEN 1 AND 9007199254740991),
    done_at int8 NOT NULL,                -- clock
    done_wall int8 NOT NULL,
    enqueued_wall int8 NOT NULL,
    client int4 NOT NULL,
    strikes int2 NOT NULL,
    worker int4,
    lease uuid,                           -- of its result, so that the same report is known again
    digest bytea NOT NULL CHECK (octet_length(digest) = 64),
    chain bytea NOT NULL CHECK (octet_length(chain) = 64) -- the value
) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_insert_scale_factor = 1,
    autovacuum_vacuum_cost_delay = 0, vacuum_truncate = off);
ALTER TABLE done ALTER digest SET STORAGE PLAIN, ALTER chain SET STORAGE PLAIN;
-- What to pull next. The condition, which all rows meet, keeps the index from those who look for an id: of an empty table
-- the whole of it seems to be as good as the one by id.
CREATE INDEX done_order ON done (client, done_at, id) WHERE done_at >= 0;

-- Items that are pulled (3) or cancelled (4). Nothing changes here: retention drops whole partitions. What finds none
-- of its time goes to ended_rest, so that no batch ever fails for want of one.
CREATE TABLE ended (
    id uuid NOT NULL,
    closed int8 NOT NULL,                 -- clock: when it was pulled or cancelled
    iterations int8 NOT NULL CHECK (iterations BETWEEN 1 AND 9007199254740991),
    remaining int8 NOT NULL CHECK (remaining BETWEEN 0 AND iterations - 1),
    enqueued_wall int8 NOT NULL,
    client int4 NOT NULL,
    state int2 NOT NULL CHECK (state = 4 OR (state = 3 AND remaining = 0)),
    strikes int2 NOT NULL,
    worker int4,
    done_at int8,                         -- clock; NULL when it was cancelled
    done_wall int8,
    lease uuid,
    pull bytea,                           -- the tag of the pull that handed it out
    digest bytea NOT NULL CHECK (octet_length(digest) = 64),
    chain bytea NOT NULL CHECK (octet_length(chain) = 64)
) PARTITION BY RANGE (closed);
ALTER TABLE ended ALTER digest SET STORAGE PLAIN, ALTER chain SET STORAGE PLAIN, ALTER pull SET STORAGE PLAIN;
CREATE INDEX ended_id ON ended (id);
CREATE INDEX ended_pull ON ended (pull) WHERE pull IS NOT NULL;   -- a pull asked for again
CREATE TABLE ended_rest PARTITION OF ended DEFAULT WITH (vacuum_truncate = off);

-- Makes the partitions from the one of a moment on, each of so many milliseconds. One that is there, or whose items are
-- in ended_rest already, is left as it is. Returns how many it made. Its owner may do that, whoever calls.
CREATE FUNCTION ended_ahead(clock int8, width int8, ahead int4) RETURNS int4
LANGUAGE plpgsql SECURITY DEFINER SET search_path = hashmill, pg_temp AS $$
DECLARE
    first int8 := clock - clock % width;
    name text;
    made int4 := 0;
BEGIN
    PERFORM pg_advisory_xact_lock(7526759010212441964);
    FOR n IN 0 .. ahead - 1 LOOP
        name := 'ended_' || first;
        IF to_regclass(name) IS NULL
            AND NOT EXISTS (SELECT FROM ended_rest WHERE closed >= first AND closed < first + width) THEN
            EXECUTE format('CREATE TABLE %I (LIKE ended INCLUDING ALL) WITH (vacuum_truncate = off)', name);
            EXECUTE format('ALTER TABLE ended ATTACH PARTITION %I FOR VALUES FROM (%s) TO (%s)', name, first, first + width);
            made := made + 1;
        END IF;
        first := first + width;
    END LOOP;
    RETURN made;
END $$;
REVOKE ALL ON FUNCTION ended_ahead(int8, int8, int4) FROM PUBLIC;

-- Drops the partitions that ended before a moment, at most so many. Returns how many it dropped.
CREATE FUNCTION ended_drop(clock int8, most int4) RETURNS int4
LANGUAGE plpgsql SECURITY DEFINER SET search_path = hashmill, pg_temp AS $$
DECLARE
    old record;
    dropped int4 := 0;
BEGIN
    PERFORM pg_advisory_xact_lock(7526759010212441964);
    FOR old IN
        SELECT c.relname, substring(pg_get_expr(c.relpartbound, c.oid) FROM 'TO \(''?(\d+)')::int8 AS until
        FROM pg_inherits JOIN pg_class AS c ON c.oid = inhrelid
        WHERE inhparent = 'ended'::regclass ORDER BY 2
    LOOP
        IF old.until <= clock AND dropped < most THEN
            EXECUTE format('DROP TABLE %I', old.relname);
            dropped := dropped + 1;
        END IF;
    END LOOP;
    RETURN dropped;
END $$;
REVOKE ALL ON FUNCTION ended_drop(int8, int4) FROM PUBLIC;

-- Leases. A row lists at least the items that the lease holds, and none of them lapses before due: what an item's own row
-- says decides.
CREATE TABLE lease (
    id uuid PRIMARY KEY,                  -- the request of the worker
    due int8 NOT NULL,                    -- clock
    worker int4 NOT NULL,
    items uuid[] NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_insert_scale_factor = 1,
    autovacuum_vacuum_cost_delay = 0, vacuum_truncate = off);
CREATE INDEX lease_due ON lease (due);

-- Idempotency keys of enqueues, and the item that each was first used for.
CREATE TABLE key (
    client int4 NOT NULL,
    key text NOT NULL,
    id uuid NOT NULL,
    iterations int8 NOT NULL,
    at int8 NOT NULL,                     -- clock
    digest bytea NOT NULL CHECK (octet_length(digest) = 64),
    PRIMARY KEY (client, key)
) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_insert_scale_factor = 1,
    autovacuum_vacuum_cost_delay = 0, vacuum_truncate = off);
ALTER TABLE key ALTER digest SET STORAGE PLAIN;

-- Idempotency keys of pulls: the part of the tag that is made of client and key, and the whole tag.
CREATE TABLE pull_key (
    hash bytea PRIMARY KEY CHECK (octet_length(hash) = 16),
    tag bytea NOT NULL CHECK (octet_length(tag) = 19),
    at int8 NOT NULL                      -- clock
) WITH (autovacuum_vacuum_scale_factor = 0.02, vacuum_truncate = off);
