-- A peer's clock in the last hello that counted.
-- ?1 NODE
SELECT listened FROM peer WHERE node = ?1;
