-- Pulls that hand out items of both nodes: the coordinator's pulls, and the other node's reservations.

-- name: spread_add
-- Opens a pull.
-- ?1 tag, ?2 tag of its key or NULL, ?3 NODE of the other, ?4 own items, ?5 wanted of the other, ?6 clock
INSERT INTO pull (tag, key, node, own, wanted, opened) VALUES (?1, ?2, ?3, ?4, ?5, ?6);

-- name: spread_again
-- The pull that an idempotency key was used for before, with any top and order.
-- ?1 and ?2 the least and the greatest tag of that key
SELECT tag, own, wanted, coalesce(rest, -1), key, coalesce(closed, -1) FROM pull
WHERE key BETWEEN ?1 AND ?2 LIMIT 1;

-- name: spread_find
-- Reads a pull.
-- ?1 tag
SELECT tag, own, wanted, coalesce(rest, -1) FROM pull WHERE tag = ?1;

-- name: spread_close
-- Closes a pull that is open.
-- ?1 tag, ?2 items of the other node, ?3 clock
UPDATE pull SET rest = ?2, closed = ?3 WHERE tag = ?1 AND closed IS NULL;

-- name: spread_settled
-- Notes that the other node knows that a pull is closed.
-- ?1 tag
UPDATE pull SET settled = 1 WHERE tag = ?1 AND closed IS NOT NULL AND settled = 0;

-- name: spread_next_open
-- When the oldest open pull without a key was opened; NULL when there is none.
SELECT min(opened) FROM pull WHERE closed IS NULL AND key IS NULL;

-- name: spread_abandoned
-- An open pull without a key that was opened long ago.
-- ?1 clock until which it was opened
SELECT tag FROM pull WHERE closed IS NULL AND key IS NULL AND opened <= ?1 ORDER BY opened LIMIT 1;

-- name: spread_remove
-- Removes a pull.
-- ?1 tag
DELETE FROM pull WHERE tag = ?1;

-- name: spread_remove_old
-- Removes pulls that were closed long ago and that the other node does not ask about any more.
-- ?1 clock until which they were closed, ?2 most
DELETE FROM pull
WHERE tag IN (
    SELECT tag FROM pull WHERE closed <= ?1 AND (settled = 1 OR rest = 0) ORDER BY closed LIMIT ?2);

-- name: reservation_add
-- Saves a reservation.
-- ?1 tag, ?2 NODE of the other, ?3 epoch of its database, ?4 number of items
INSERT INTO reservation (tag, node, epoch, count) VALUES (?1, ?2, ?3, ?4);

-- name: reservation_find
-- The reservation of a tag.
-- ?1 tag
SELECT count, epoch, settled FROM reservation WHERE tag = ?1;

-- name: reservation_renew
-- Raises the epoch of a reservation that is asked for again: answers under an older epoch do not count.
-- ?1 tag, ?2 epoch
UPDATE reservation SET epoch = ?2 WHERE tag = ?1 AND epoch < ?2;

-- name: reservation_settle
-- Notes that the reserved items are handed out.
-- ?1 tag
UPDATE reservation SET settled = 1 WHERE tag = ?1;

-- name: reservation_known
-- Notes that the other node knows that this node has settled the reservation.
-- ?1 tag, ?2 clock
UPDATE reservation SET settled = 2, closed = ?2 WHERE tag = ?1 AND settled = 1;

-- name: reservation_next_closed
-- The earliest time at which a settled reservation became known to the other node; NULL without any.
SELECT min(closed) FROM reservation WHERE closed IS NOT NULL;

-- name: reservation_remove_old
-- Removes reservations known to the other node for long: no message about them comes any more.
-- ?1 clock until which they became known, ?2 most
DELETE FROM reservation
WHERE tag IN (SELECT tag FROM reservation WHERE closed <= ?1 ORDER BY closed LIMIT ?2);

-- name: reservation_remove
-- Removes a reservation.
-- ?1 tag
DELETE FROM reservation WHERE tag = ?1;

-- name: reservations
-- The reservations for a node, at random if there are more than may be read at once: some may wait for
-- ever for a client that asks again, and the others must have their turn.
-- ?1 NODE, ?2 most
SELECT tag, node, epoch, count, settled FROM reservation WHERE node = ?1 AND settled < 2
ORDER BY random() LIMIT ?2;

-- name: reserved_items
-- The number of items that are set aside.
SELECT coalesce(sum(count), 0) FROM reservation WHERE settled < 2 AND settled = 0; -- the first is the index

-- name: reserved_elsewhere
-- The number of items that are set aside for nodes other than the peer.
-- ?1 NODE of the peer, -1 without one
SELECT coalesce(sum(count), 0) FROM reservation
WHERE settled < 2 AND settled = 0 AND node <> ?1;
