-- What a report is judged by.
-- ?1 id
SELECT seq, state, lease, remaining, chain FROM item WHERE id = ?1;
