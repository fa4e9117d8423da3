-- The saved state of the other node, and loans: the right to run one machine more, lent among nodes.

-- name: peer_load
-- Reads it: nonce, database, epoch, since when its replica is incomplete or 0.
-- ?1 NODE
SELECT listened, database, epoch, coalesce(incomplete, 0) FROM peer WHERE node = ?1;

-- name: peer_nonce_save
-- Saves the nonce that the peer's next hello must name.
-- ?1 NODE, ?2 the nonce
INSERT INTO peer (node, listened) VALUES (?1, ?2)
ON CONFLICT (node) DO UPDATE SET listened = ?2;

-- name: peer_met
-- Notes which database the peer has.
-- ?1 NODE, ?2 id, ?3 epoch
INSERT INTO peer (node, database, epoch) VALUES (?1, ?2, ?3)
ON CONFLICT (node) DO UPDATE SET database = ?2, epoch = ?3;

-- name: peer_incomplete
-- Notes since when the peer's replica of this database is incomplete, or that it is complete.
-- ?1 NODE, ?2 wall time or 0
INSERT INTO peer (node, incomplete) VALUES (?1, nullif(?2, 0))
ON CONFLICT (node) DO UPDATE SET incomplete = nullif(?2, 0);

-- name: loan_save
-- Saves a loan: a new one, or its state and deadline.
-- ?1 id, ?2 NODE of the peer, ?3 side, ?4 state, ?5 deadline
INSERT INTO loan (id, node, side, state, deadline) VALUES (?1, ?2, ?3, ?4, ?5)
ON CONFLICT (id) DO UPDATE SET state = ?4, deadline = ?5;

-- name: loan_find
-- Reads a loan.
-- ?1 id
SELECT node, side, state, deadline FROM loan WHERE id = ?1;

-- name: loan_expire
-- Removes expired given loans; the borrower has terminated their machines before.
-- ?1 clock
DELETE FROM loan WHERE side = 1 AND deadline <= ?1;

-- name: loan_delete
-- Removes a loan.
-- ?1 id
DELETE FROM loan WHERE id = ?1;

-- name: loan_counts
-- The counts that limit the machines: machines that are not gone; given loans; held loans, if there was
-- contact with the peer since this start (while the node was down, its clock stood still and the
-- lender's did not); all loans.
-- ?1 clock, ?2 whether there was contact
SELECT (SELECT count(*) FROM machine WHERE state < 3),
    (SELECT count(*) FROM loan WHERE side = 1 AND deadline > ?1),
    (SELECT count(*) FROM loan WHERE side = 0 AND state = 1 AND deadline > ?1 AND ?2),
    (SELECT count(*) FROM loan);

-- name: loans_all
-- All loans.
-- ?1 most
SELECT id, node, side, state, deadline FROM loan ORDER BY rowid LIMIT ?1;

-- name: loans_given
-- The loans given to a peer.
-- ?1 NODE
SELECT id FROM loan WHERE side = 1 AND node = ?1;
