-- Takes out of a database that was made anew the items that the schema allows and nothing here makes: half of
-- a row is of an old state of the disk. This node would never get on with one, or its peers refuse all that
-- it tells. They count as lost. The limits are those of what nodes tell each other (fcgi/peering/peer_json.c).
INSERT OR IGNORE INTO temp.lost
SELECT seq FROM item WHERE (remaining = 0) <> (state IN (2, 3))
    OR (remaining = iterations - 1 AND chain <> digest)
    OR (state IN (2, 3) AND (done_at IS NULL OR coalesce(done_wall, 0) NOT BETWEEN 1 AND 253402300799999))
    OR enqueued_wall NOT BETWEEN 0 AND 253402300799999
    OR home NOT BETWEEN 0 AND 255
    OR moves NOT BETWEEN 0 AND 1073741824
    OR trial NOT BETWEEN 0 AND 1073741824
    OR (pull NOTNULL AND (state <> 3 OR length(pull) <> 19))
    OR (key NOTNULL AND (length(key) NOT BETWEEN 1 AND 255 OR key GLOB '*[^!-~]*'));
DELETE FROM item WHERE seq IN (SELECT seq FROM temp.lost);
