#!/usr/bin/perl
# How PostgreSQL plans the statements of a batch, with statistics of empty tables, which a queue that has just been
# drained has, too, and with a million rows: by indexes and places of rows, never by looking at all rows of a table.

use v5.36;
use FindBin;
use lib "$FindBin::Bin/../support";
use Test::More;
use Postgres qw(start_postgres psql statements statement session);

my %example = (int4 => '1', int8 => '1', text => q{'(0,1)'}, bytea => q{'\x00'},
    uuid => q{'00000000-0000-0000-0000-000000000000'}, bool => 'true');

plan skip_all => 'no server of PostgreSQL on this machine' if !start_postgres();

# The plan of each statement, as a session of the writer makes it.
sub plans (%statements) {
    my $sql = session();
    for my $name (sort keys %statements) {
        my ($takes, $text) = @{ $statements{$name} };
        my @values = map { my $array = s/\[\]$//r; /\[\]$/ ? "ARRAY[$example{$array}]::$_" : "$example{$_}::$_" } split ' ', $takes;
        $sql .= statement($name, $takes, $text) . "\\echo == $name\nEXPLAIN (COSTS off) EXECUTE $name"
            . (@values ? '(' . join(', ', @values) . ')' : '') . ";\n";
    }
    my (undef, %plans) = split /^== (\w+)\n/m, psql($sql);
    return %plans;
}

sub check_plans ($when) {
    my %statements = statements();
    my %plans = plans(%statements);
    for my $name (sort keys %statements) {
        my $plan = $plans{$name} // 'none';
        ok($plan =~ /->|Scan|Result|Insert/ && $plan !~ /Seq Scan|(?:Hash|Merge) (?:\w+ )?Join|Bitmap/ && !whole_index($plan), "$when: $name")
            or diag($plan);
    }
    return;
}

# The first column of each index: name => column.
my %first;

# Whether a plan goes through a whole index: scans one without a condition on its first column, except where a limit
# ends that. An index of a partition has the columns of the table's.
sub whole_index ($plan) {
    my @lines = split /\n/, $plan;
    for my $n (0 .. $#lines) {
        my ($index) = $lines[$n] =~ /Index (?:Only )?Scan (?:Backward )?using (\w+)/ or next;
        die "no index $index\n" if !$first{$index};
        next if ($lines[$n + 1] // '') =~ /Index Cond: .*\b$first{$index} [<=>]/;
        next if "@lines[0 .. $n - 1]" =~ /Limit/ && ($lines[$n + 1] // '') !~ /Filter/;
        return 1;
    }
    return 0;
}

psql("SELECT ended_ahead(0, 100000, 24);\n");
%first = split m{[|\n]}, psql(<<'SQL');
SELECT indexrelid::regclass, attname FROM pg_index JOIN pg_attribute ON attrelid = indrelid AND attnum = indkey[0];
SQL
psql("VACUUM ANALYZE;\n");
check_plans('empty tables');

psql(<<'SQL');
SET synchronous_commit = off;
INSERT INTO work (id, iterations, remaining, rank, since, enqueued_wall, client, state, home, digest)
SELECT md5(n::text)::uuid, 1000, 999, n, n, n, n % 10, 0, n % 4, decode(repeat(md5(n::text), 4), 'hex')
FROM generate_series(1, 400000) AS n;
UPDATE work SET state = 1, lease = md5((rank / 500)::text)::uuid, deadline = rank WHERE rank < 50000;
INSERT INTO lease SELECT lease, min(deadline), 1, array_agg(id) FROM work WHERE state = 1 GROUP BY lease;
INSERT INTO done (id, iterations, done_at, done_wall, enqueued_wall, client, strikes, digest, chain)
SELECT md5(n::text)::uuid, 1000, n, n, n, n % 10, 0, decode(repeat(md5(n::text), 4), 'hex'), decode(repeat(md5(n::text), 4), 'hex')
FROM generate_series(400001, 600000) AS n;
INSERT INTO ended (id, closed, iterations, remaining, enqueued_wall, client, state, strikes, pull, digest, chain)
SELECT md5(n::text)::uuid, n, 1000, 0, n, n % 10, 3, 0, decode(substr(md5((n / 100)::text), 1, 38), 'hex'), decode(repeat(md5(n::text), 4), 'hex'), decode(repeat(md5(n::text), 4), 'hex')
FROM generate_series(600001, 1000000) AS n;
INSERT INTO key SELECT n % 10, n::text, md5(n::text)::uuid, 1000, n, decode(repeat(md5(n::text), 4), 'hex') FROM generate_series(1, 100000) AS n;
SQL
check_plans('a million rows, statistics of empty tables');
psql("VACUUM ANALYZE;\n");
check_plans('a million rows');

done_testing();
