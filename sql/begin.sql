-- Starts a batch; takes the write lock at once, so that no later statement can be refused it.
BEGIN IMMEDIATE;
