-- Whose items there are, and how many each has.

-- name: clients_all
-- Every client, in the order in which they came.
SELECT seq, name, weight, finish, waiting, leased, done, pulled, cancelled, remaining FROM client
ORDER BY seq;

-- name: clients_counts
-- What each of the first clients has.
-- ?1 most
SELECT name, remaining, waiting, leased, done, pulled, cancelled FROM client
WHERE seq >= 0 ORDER BY seq LIMIT ?1;

-- name: client_add
-- Adds a client with nothing.
-- ?1 seq, ?2 name
INSERT INTO client (seq, name) VALUES (?1, ?2);

-- name: client_save
-- Saves the share and the counts of a client; part of each batch that changes them.
-- ?1 seq, ?2 weight, ?3 finish, ?4 waiting, ?5 leased, ?6 done, ?7 pulled, ?8 cancelled, ?9 remaining
UPDATE client SET weight = ?2, finish = ?3, waiting = ?4, leased = ?5, done = ?6, pulled = ?7,
    cancelled = ?8, remaining = ?9
WHERE seq = ?1;

-- name: clients_senseless
-- How many clients no program made, and whether one with items is missing.
SELECT (SELECT count(*) FROM client WHERE seq NOT BETWEEN 0 AND 999999 OR (name = '') <> (seq = 0)
        OR length(CAST(name AS BLOB)) > 64 OR instr(CAST(name AS BLOB), x'00') > 0)
    + EXISTS (SELECT 1 FROM item WHERE client NOT IN (SELECT seq FROM client));

-- name: client_last
-- The last client that has an item.
SELECT max(client) FROM item;

-- name: clients_lately
-- The items that wait and were enqueued lately, the last ones first.
-- ?1 clock: since when, ?2 most
SELECT client, since, iterations, rank FROM item WHERE state = 0 AND since > ?1 ORDER BY since DESC LIMIT ?2;
