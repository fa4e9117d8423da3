-- What a cancellation is judged by.
-- ?1 id
SELECT seq, state, remaining, coalesce(home, -1) FROM item WHERE id = ?1;
