-- What was done in each minute, and in each hour before that.

-- name: history_row
-- The row of a minute or an hour.
-- ?1 its start
SELECT at, width, seconds, enqueued, done, pulled, iterations, refused, waiting, oldest_wait, workers, machines
FROM history WHERE at = ?1;

-- name: history_rows
-- The rows of a span, in order.
-- ?1 its start, ?2 its end, which is not in it
SELECT at, width, seconds, enqueued, done, pulled, iterations, refused, waiting, oldest_wait, workers, machines
FROM history WHERE at >= ?1 AND at < ?2 ORDER BY at;

-- name: history_put
-- Saves a row, in place of the one with the same start.
-- ?1 at, ?2 width, ?3 seconds, ?4 enqueued, ?5 done, ?6 pulled, ?7 iterations, ?8 refused, ?9 waiting,
-- ?10 oldest_wait, ?11 workers, ?12 machines
INSERT INTO history (at, width, seconds, enqueued, done, pulled, iterations, refused, waiting, oldest_wait, workers,
    machines)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)
ON CONFLICT (at) DO UPDATE SET width = ?2, seconds = ?3, enqueued = ?4, done = ?5, pulled = ?6, iterations = ?7,
    refused = ?8, waiting = ?9, oldest_wait = ?10, workers = ?11, machines = ?12;

-- name: history_first_minute
-- The first row of a minute in a span; NULL when there is none.
-- ?1 the span's start, ?2 its end, which is not in it
SELECT (SELECT at FROM history WHERE at >= ?1 AND at < ?2 AND width = 60 ORDER BY at LIMIT 1);

-- name: history_thin
-- Removes the rows of minutes that are in the row of their hour, which is there.
-- ?1 the hour's start, ?2 its end
DELETE FROM history WHERE at > ?1 AND at < ?2;

-- name: history_old
-- Removes some rows from before a moment, the oldest first.
-- ?1 the moment, ?2 most
DELETE FROM history WHERE at IN (SELECT at FROM history WHERE at < ?1 ORDER BY at LIMIT ?2);

-- name: history_ahead
-- Removes some rows from behind a moment, the oldest first.
-- ?1 the moment, ?2 most
DELETE FROM history WHERE at IN (SELECT at FROM history WHERE at > ?1 ORDER BY at LIMIT ?2);

-- name: machines_count
-- The number of machines that exist, or are about to.
SELECT count(*) FROM machine WHERE state < 3;
