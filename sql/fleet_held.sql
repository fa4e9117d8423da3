-- Who holds each leased item; an index has it all.
SELECT worker FROM item WHERE state = 1 AND deadline >= 0;
