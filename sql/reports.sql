-- What workers report.

-- name: report_read
-- Reads the rows by which the items of a report are judged. The table `reported` is the present report,
-- see fcgi/rows/report_table.h.
SELECT reported.n, item.seq, item.state, item.lease, item.remaining, item.chain, item.granted,
    item.granted_at, item.granted_wall, item.moved, item.worker, item.client
FROM reported CROSS JOIN item
WHERE item.id = reported.id;

-- name: report_apply
-- Makes the changes of a report: state 1 is a checkpoint or a renewal, 2 a result, 0 an item given back,
-- or with a strike one without progress for too long. The lease's id stays, so that a repeated report is
-- recognized, unless the item is given back.
-- ?1 worker, ?2 deadline, ?3 clock, ?4 wall time
UPDATE item SET state = reported.state, worker = ?1,
    chain = reported.chain, remaining = reported.remaining, strikes = strikes + reported.strike,
    moved = iif(reported.remaining < item.remaining, ?3, moved),
    lease = iif(reported.state = 0 AND reported.strike = 0, NULL, lease),
    deadline = iif(reported.state = 1, ?2, NULL),
    since = iif(reported.state = 0, ?3, since),
    done_at = iif(reported.state = 2, ?3, NULL),
    done_wall = iif(reported.state = 2, ?4, NULL)
FROM reported
WHERE item.seq = reported.seq;
