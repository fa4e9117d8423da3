-- The last decisions of the scaler.
-- ?1 most
SELECT wall, why FROM decision ORDER BY seq DESC LIMIT ?1;
