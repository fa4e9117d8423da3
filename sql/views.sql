-- Views for a person in the sqlite3 shell, made anew at each start:
--     sqlite3 -readonly var/hashmill.db 'select * from queue'

DROP VIEW IF EXISTS queue;
DROP VIEW IF EXISTS items;
DROP VIEW IF EXISTS workers;
DROP VIEW IF EXISTS machines;
DROP VIEW IF EXISTS decisions;
DROP VIEW IF EXISTS slowest;
DROP VIEW IF EXISTS throughput;

-- The queue by state, a line each, from the counts that the writer keeps.
CREATE VIEW queue AS
SELECT state, iif(items < 0, '', printf('%,d items', items)) AS items, note
FROM (
    SELECT 0 AS n, 'waiting' AS state, waiting AS items,
        coalesce((SELECT 'oldest enqueued '
                || strftime('%Y-%m-%dT%H:%M:%SZ', enqueued_wall / 1000, 'unixepoch')
            FROM item WHERE state = 0 ORDER BY since LIMIT 1), '') AS note
    FROM tally
    UNION ALL
    SELECT 1, 'leased', leased,
        printf('%,d iterations to do, waiting ones included', remaining) FROM tally
    UNION ALL
    SELECT 2, 'done', done, 'to be pulled' FROM tally
    UNION ALL
    SELECT 3, 'pulled', pulled, '' FROM tally
    UNION ALL
    SELECT 4, 'cancelled', cancelled, '' FROM tally
    UNION ALL
    SELECT 5, 'set aside', count,
        printf('of the pulled ones, for a pull at node %d', node) FROM reservation WHERE settled = 0
    UNION ALL
    SELECT 6, 'paused', -1, ltrim(iif(paused & 1, ', intake', '') || iif(paused & 2, ', leasing', '')
        || iif(paused & 4, ', scaling', ''), ', ') || ': by an operator' FROM tally WHERE paused
)
ORDER BY n;

-- Every item in words: ids as everybody else writes them, hex, times in UTC.
CREATE VIEW items AS
SELECT
    lower(substr(hex(id), 1, 8) || '-' || substr(hex(id), 9, 4) || '-' || substr(hex(id), 13, 4)
        || '-' || substr(hex(id), 17, 4) || '-' || substr(hex(id), 21)) AS id,
    CASE state WHEN 0 THEN 'waiting' WHEN 1 THEN 'leased' WHEN 2 THEN 'done'
        WHEN 3 THEN 'pulled' ELSE 'cancelled' END AS state,
    iterations, remaining, strikes,
    (SELECT name FROM client WHERE client.seq = item.client) AS client,
    (SELECT name FROM worker WHERE worker.seq = item.worker) AS worker,
    strftime('%Y-%m-%dT%H:%M:%SZ', enqueued_wall / 1000, 'unixepoch') AS enqueued_at,
    strftime('%Y-%m-%dT%H:%M:%SZ', done_wall / 1000, 'unixepoch') AS completed_at,
    CASE WHEN remaining = 0 THEN lower(hex(chain)) END AS value
FROM item;

-- The workers, the one heard from last first.
CREATE VIEW workers AS
SELECT name, identity, machine, address, cores || ' cores' AS cores, kernel,
    printf('%,d iterations/s', rate) AS rate, coalesce(held, 0) || ' items' AS items,
    'first seen ' || strftime('%Y-%m-%dT%H:%M:%SZ', first_seen_wall / 1000, 'unixepoch') AS first_seen,
    'last seen ' || strftime('%Y-%m-%dT%H:%M:%SZ', last_seen_wall / 1000, 'unixepoch') AS last_seen,
    CASE WHEN retired_wall IS NULL THEN '' ELSE 'retired' END AS retired,
    coalesce((SELECT 'in quarantine: ' || why FROM quarantine WHERE quarantine.identity = worker.identity), '')
        AS quarantine
FROM worker
LEFT JOIN (SELECT worker, count(*) AS held
    FROM lease CROSS JOIN json_each(lease.items) AS given CROSS JOIN item ON item.seq = given.value
    WHERE item.state = 1 AND item.lease = lease.id GROUP BY worker)
    ON worker = seq
ORDER BY worker.last_seen DESC;

-- The machines that this node had launched, the last one first.
CREATE VIEW machines AS
SELECT name, id,
    CASE state WHEN 0 THEN 'launching' WHEN 3 THEN 'gone' WHEN 2 THEN 'leaving'
        ELSE iif(EXISTS (SELECT 1 FROM worker WHERE machine = machine.name), 'running', 'booting')
    END AS state,
    'launched ' || strftime('%Y-%m-%dT%H:%M:%SZ', launched_wall / 1000, 'unixepoch') AS launched
FROM machine
ORDER BY machine.seq DESC;

-- What the scaler has decided, and what operators have done, the last first. (A view of its own for operators would keep
-- nodes of the former version from taking a replica: they know these names only.)
CREATE VIEW decisions AS
SELECT strftime('%Y-%m-%dT%H:%M:%SZ', wall / 1000, 'unixepoch') AS at, who, why
FROM (
    SELECT wall, seq, 'the scaler' AS who, why FROM decision
    UNION ALL
    SELECT wall, seq, who, what || ' ' || about || iif(what IN ('pull', 'cancel'), printf(': %,d items', items), '')
    FROM audit
)
ORDER BY wall DESC, seq DESC;

-- The twenty items that have been in the queue longest without being done.
CREATE VIEW slowest AS
SELECT id, state, printf('%,d of %,d iterations left', remaining, iterations) AS progress,
    strikes || ' strikes' AS strikes, worker, 'enqueued ' || enqueued_at AS enqueued
FROM items
WHERE state IN ('waiting', 'leased')
ORDER BY enqueued_at
LIMIT 20;

-- What was done in each minute of the last two days, and in each hour before that, the latest first. What is not there
-- was not counted: the node was down.
CREATE VIEW throughput AS
SELECT strftime('%Y-%m-%dT%H:%MZ', at, 'unixepoch') AS at, printf('%d of %d s', seconds, width) AS counted,
    printf('%,d in', enqueued) AS enqueued, printf('%,d done', done) AS done, printf('%,d pulled', pulled) AS pulled,
    printf('%,d iterations/s', iterations / max(seconds, 1)) AS rate, printf('%,d waited', waiting) AS waiting,
    printf('%.1f s at most', oldest_wait / 1000.0) AS oldest_wait, workers || ' workers' AS workers,
    machines || ' machines' AS machines, refused || ' calls refused' AS refused
FROM history
ORDER BY history.at DESC;
