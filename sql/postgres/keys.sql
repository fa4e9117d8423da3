-- Idempotency keys. Each is claimed before it is known what becomes of its request: then nobody else can use it until the
-- batch ends. Who reads it behind that sees who has it. A claim that came to nothing is taken back.

-- name: keys_claim
-- takes: int8[] text[] uuid[] int8[] bytea[] int8
-- $1 clients, $2 keys, sorted, $3 ids, $4 iterations, $5 digests, $6 clock
INSERT INTO key (client, key, id, iterations, digest, at)
SELECT u.*, $6 FROM unnest($1::int4[], $2, $3, $4, $5) AS u
ON CONFLICT (client, key) DO NOTHING;

-- name: keys_read
-- takes: int8[] text[]
-- Gives the place in the arrays, what the key was first used for, and whether this batch has claimed it.
-- $1 clients, $2 keys
SELECT u.n::int4, k.id, k.iterations, k.digest, k.xmin = pg_current_xact_id()::xid
FROM unnest($1::int4[], $2) WITH ORDINALITY AS u (client, key, n),
    LATERAL (SELECT xmin, * FROM key WHERE key.client = u.client AND key.key = u.key OFFSET 0) AS k;

-- name: keys_drop
-- takes: int8[] text[] uuid[]
-- $1 clients, $2 keys, $3 ids that they were claimed for
DELETE FROM key USING (
    SELECT k.ctid AS place
    FROM unnest($1::int4[], $2, $3) AS u (client, key, id),
        LATERAL (SELECT ctid FROM key WHERE key.client = u.client AND key.key = u.key AND key.id = u.id FOR UPDATE) AS k
    OFFSET 0) AS k
WHERE key.ctid = k.place;

-- name: pull_keys_claim
-- takes: bytea[] int8
-- Gives the tags that nobody had claimed.
-- $1 tags, sorted, $2 clock
INSERT INTO pull_key (hash, tag, at) SELECT substr(tag, 1, 16), tag, $2 FROM unnest($1) AS u (tag)
ON CONFLICT (hash) DO NOTHING RETURNING tag;

-- name: pull_keys_read
-- takes: bytea[]
-- Gives the place in the array and the tag that the key was first used for.
-- $1 tags
SELECT u.n::int4, k.tag
FROM unnest($1) WITH ORDINALITY AS u (tag, n),
    LATERAL (SELECT tag FROM pull_key WHERE hash = substr(u.tag, 1, 16) OFFSET 0) AS k;

-- name: pull_keys_drop
-- takes: bytea[]
-- $1 tags that were claimed
DELETE FROM pull_key USING (
    SELECT k.ctid AS place
    FROM unnest($1) AS u (tag), LATERAL (SELECT ctid FROM pull_key WHERE hash = substr(u.tag, 1, 16) FOR UPDATE) AS k
    OFFSET 0) AS k
WHERE pull_key.ctid = k.place;
