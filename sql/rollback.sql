-- Gives a batch up.
ROLLBACK;
