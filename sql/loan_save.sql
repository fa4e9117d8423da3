-- Saves a loan: a new one, or its state and deadline.
-- ?1 id, ?2 NODE of the peer, ?3 side, ?4 state, ?5 deadline
INSERT INTO loan (id, node, side, state, deadline) VALUES (?1, ?2, ?3, ?4, ?5)
ON CONFLICT (id) DO UPDATE SET state = ?4, deadline = ?5;
