-- Keeps a decision of the scaler.
-- ?1 wall time, ?2 why
INSERT INTO decision (wall, why) VALUES (?1, ?2);
