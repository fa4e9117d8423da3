-- Schema version 3: what the scaler needs. Machines are what this node has launched; workers tell which of
-- them they run on, and an item tells which worker has it.
ALTER TABLE item RENAME COLUMN reporter TO worker; -- worker.seq of the one that leased or reported it last

-- What lapses next; and who holds what, for which the index has all that is read.
DROP INDEX item_deadline;
CREATE INDEX item_deadline ON item (deadline, worker, state) WHERE state = 1;

ALTER TABLE worker ADD COLUMN machine TEXT NOT NULL DEFAULT ''; -- machine.name of where it runs; '' when no
                                                                -- node launched it
ALTER TABLE worker ADD COLUMN address TEXT NOT NULL DEFAULT ''; -- that its last call came from
ALTER TABLE worker ADD COLUMN first_seen INTEGER NOT NULL DEFAULT 0; -- clock

CREATE INDEX worker_machine ON worker (machine);

-- One row for each machine that this node had launched, or that turned up under a name of its. It is
-- written before the provider is asked for the machine, so that none is ever launched and forgotten.
CREATE TABLE machine (
    seq INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,           -- made by the node, never used again
    id TEXT NOT NULL,                    -- the provider's; '' until it is known
    state INTEGER NOT NULL               -- 0 launching, 1 launched, 2 leaving, 3 gone
        CHECK (state BETWEEN 0 AND 3),
    launched INTEGER NOT NULL,           -- clock: when the provider was asked for it; of the decision
                                         -- until it has answered
    changed INTEGER NOT NULL,            -- clock: when it came to this state
    launched_wall INTEGER NOT NULL       -- wall: when the launch was decided
) STRICT;

-- What the scaler has decided, in words; the last thousand.
CREATE TABLE decision (
    seq INTEGER PRIMARY KEY,
    wall INTEGER NOT NULL,
    why TEXT NOT NULL
) STRICT;
