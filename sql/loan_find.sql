-- A loan.
-- ?1 id
SELECT node, side, state, deadline FROM loan WHERE id = ?1;
