-- Sets an item to what was merged. A lease stays while the item is leased on; its id stays for a late
-- report, but for one of another trial.
-- ?1 seq, ?2 state, ?3 chain, ?4 remaining, ?5 trial, ?6 home or -1, ?7 moves, ?8 pull, ?9 done wall or
-- 0, ?10 clock when done, ?11 clock, ?12 change or 0, ?13 whether it stays handed
UPDATE item SET state = ?2, chain = ?3, remaining = ?4, trial = ?5, home = nullif(?6, -1), moves = ?7,
    pull = ?8, done_wall = nullif(?9, 0), done_at = iif(?9 = 0, NULL, coalesce(done_at, ?10)),
    since = iif(?2 = 0 AND state <> 0, ?11, since),
    lease = iif(?5 = trial, lease, NULL), deadline = iif(?2 = 1, deadline, NULL),
    closed = iif(?2 >= 3, coalesce(closed, ?11), NULL), handed = iif(?13, handed, NULL),
    change = iif(?12 > 0, ?12, change)
WHERE seq = ?1;
