-- Saves a machine: a new one, or its id, or its state, which only ever goes on, but for one that is
-- gone and turned up again: that one is leaving once more.
-- ?1 name, ?2 id or '', ?3 state, ?4 clock, ?5 wall time, ?6 how long ago it was launched if it is
-- launched by this
INSERT INTO machine (name, id, state, launched, changed, launched_wall)
VALUES (?1, ?2, ?3, ?4, ?4, ?5)
ON CONFLICT (name) DO UPDATE
SET id = iif(?2 = '', id, ?2), changed = iif(?3 > state OR ?3 = 2, ?4, changed),
    launched = iif(?3 = 1 AND state = 0, ?4 - ?6, launched),
    state = iif(?3 > state OR ?3 = 2, ?3, state);
