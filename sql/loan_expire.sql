-- Given loans whose time is over are returned: the borrower has ended what it ran by them before.
-- ?1 clock
DELETE FROM loan WHERE side = 1 AND deadline <= ?1;
