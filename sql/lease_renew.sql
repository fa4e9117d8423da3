-- Sets the deadline of all that a lease holds anew.
-- ?1 lease, ?2 deadline
UPDATE item SET deadline = ?2 WHERE state = 1 AND lease = ?1;
