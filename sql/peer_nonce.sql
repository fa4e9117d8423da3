-- What the next hello of a peer must say to count.
-- ?1 NODE
SELECT nonce FROM peer WHERE node = ?1;
