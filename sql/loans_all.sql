-- All loans.
-- ?1 most
SELECT id, node, side, state, deadline FROM loan ORDER BY rowid LIMIT ?1;
