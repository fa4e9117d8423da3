-- What the next hello of a peer must name to count.
-- ?1 NODE
SELECT listened FROM peer WHERE node = ?1;
