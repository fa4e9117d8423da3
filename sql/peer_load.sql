-- What is known of the peers as last saved.
SELECT node, heard, told, kept_waiting, kept_leased, kept_done, kept_remaining, restored FROM peer;
