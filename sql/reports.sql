-- What workers report.

-- name: report_read
-- Reads the rows by which the items of a report are judged. The table `reported` is the present report,
-- see fcgi/rows/report_table.h.
SELECT reported.n, item.seq, item.state, item.lease, item.remaining, item.chain, item.granted,
    item.granted_at, item.granted_wall, item.moved, item.worker, item.client
FROM reported CROSS JOIN item
WHERE item.id = reported.id;

-- name: report_done
-- Makes the changes of a report that are results. Mostly all are; then this takes two thirds of the time of report_apply,
-- as SQLite keeps no copy of the rows to change.
-- ?1 worker, ?2 clock, ?3 wall time
UPDATE item SET state = 2, worker = ?1, chain = reported_chain(seq), remaining = 0, moved = ?2, deadline = NULL,
    done_at = ?2, done_wall = ?3
WHERE seq IN (SELECT reported.seq FROM reported WHERE reported.state = 2 AND reported.seq NOTNULL);

-- name: report_apply
-- Makes the other changes of a report: state 1 is a checkpoint or a renewal, 0 an item given back, or with a strike one
-- without progress for too long. The lease's id stays, so that a repeated report is recognized, unless the item is given
-- back.
-- ?1 worker, ?2 deadline, ?3 clock
UPDATE item SET state = reported.state, worker = ?1,
    chain = reported.chain, remaining = reported.remaining, strikes = strikes + reported.strike,
    moved = iif(reported.remaining < item.remaining, ?3, moved),
    lease = iif(reported.state = 0 AND reported.strike = 0, NULL, lease),
    deadline = iif(reported.state = 1, ?2, NULL),
    since = iif(reported.state = 0, ?3, since)
FROM reported
WHERE item.seq = reported.seq AND reported.state < 2;
