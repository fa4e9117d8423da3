-- What the limit of machines is made of: machines that are not gone; loans that are given; loans that
-- are held, of peers that were heard from since this start: while the node was down its clock stood
-- still, and the lender's did not; and all loans there are.
-- ?1 clock, ?2 clock at the start
SELECT (SELECT count(*) FROM machine WHERE state < 3),
    (SELECT count(*) FROM loan WHERE side = 1 AND deadline > ?1),
    (SELECT count(*) FROM loan JOIN peer USING (node)
     WHERE side = 0 AND state = 1 AND deadline > ?1 AND heard > ?2),
    (SELECT count(*) FROM loan);
