-- Loans: the right to run a worker more, lent among nodes.

-- name: loan_save
-- Saves a loan: a new one, or its state and deadline.
-- ?1 id, ?2 NODE of the peer, ?3 side, ?4 state, ?5 deadline
INSERT INTO loan (id, node, side, state, deadline) VALUES (?1, ?2, ?3, ?4, ?5)
ON CONFLICT (id) DO UPDATE SET state = ?4, deadline = ?5;

-- name: loan_find
-- A loan.
-- ?1 id
SELECT node, side, state, deadline FROM loan WHERE id = ?1;

-- name: loan_expire
-- Given loans whose time is over are returned: the borrower has ended what it ran by them before.
-- ?1 clock
DELETE FROM loan WHERE side = 1 AND deadline <= ?1;

-- name: loan_delete
-- A loan is over.
-- ?1 id
DELETE FROM loan WHERE id = ?1;

-- name: loan_counts
-- What the limit of machines is made of: machines that are not gone; loans that are given; loans that
-- are held, if the peer was heard from since this start: while the node was down its clock stood
-- still, and the lender's did not; and all loans there are.
-- ?1 clock, ?2 whether it was heard from
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
