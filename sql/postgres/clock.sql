-- The queue clock, which all nodes share: the server's time plus an offset.

-- name: clock_tick
-- takes: int8
-- Moves the clock on and gives it, and what is paused. Each node does so about once a second. When nobody did for longer than $1, or the
-- server's time was set, by the operator or since another server has taken over, the offset takes all of it back: an
-- outage lets no lease lapse. It never goes back; a little behind it stands still.
-- $1 milliseconds
WITH seen AS (SELECT (extract(epoch FROM clock_timestamp()) * 1000)::int8 AS now OFFSET 0),
    ahead AS (
        SELECT now, now + clock_offset - clock_saved AS by FROM seen, (SELECT * FROM meta WHERE one = 1 FOR UPDATE) AS m OFFSET 0)
UPDATE meta SET
    clock_offset = CASE WHEN clock_saved > 0 AND abs(a.by) > $1 THEN clock_offset - a.by ELSE clock_offset END,
    clock_saved = CASE WHEN clock_saved > 0 AND abs(a.by) > $1 THEN clock_saved ELSE greatest(clock_saved, clock_saved + a.by) END
FROM ahead AS a WHERE meta.one = 1
RETURNING clock_saved, paused;
