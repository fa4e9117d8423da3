-- What a cancellation is judged by.
-- ?1 id
SELECT seq, state, remaining FROM item WHERE id = ?1;
