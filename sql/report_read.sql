-- What the items of a report are judged by. The table `reported` is the report at hand, see
-- fcgi/sqlite/reported.h.
SELECT reported.n, item.seq, item.state, item.lease, item.remaining, item.chain, coalesce(item.home, -1)
FROM reported CROSS JOIN item
WHERE item.id = reported.id;
