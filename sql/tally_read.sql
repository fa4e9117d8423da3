-- The counts and the queue clock as last saved.
SELECT clock, waiting, leased, done, pulled, cancelled, remaining, change FROM tally WHERE one = 1;
