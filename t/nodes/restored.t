# One of two nodes gets an older database. A backup is marked as one, and waits for the other node, whose replica is
# newer; with --alone it is served without that node, and what came since is lost. An older copy of the file, put in
# place by hand, is replaced by the newer one from the other node, or refused.

use v5.36;
use FindBin;
use lib "$FindBin::Bin/../support";
use Test::More;
use Time::HiRes qw(sleep);
use File::Copy qw(copy);
use Hashmill::Pair;
use Hashmill;
use Hashmill::Load;

my $script = "$FindBin::Bin/../../scripts/backup.sh";
my $pair = Hashmill::Pair->start(COPY => 'sync', LEASE_SECONDS => 5, PEER_MS => 500);
my ($lost, $other) = $pair->nodes;
my $worker = $pair->start_worker(THREADS => 1);

sub script (@arguments) {
    local $ENV{BUILD} = $lost->{build};
    my $output = qx($script -c @{[$lost->settings_file]} @arguments 2>&1);
    is $?, 0, "backup.sh @arguments" or diag $output;
    return;
}

# What both have done so far.
sub pulled { return $lost->stats->{items}{pulled} + $other->stats->{items}{pulled} }

sub iterations { return rand() < 0.02 ? 100_000 + int rand 200_000 : 1 + int rand 500 }

my @enqueuers = map { my ($node, $name) = ($_->[0], $_->[1]);
    background(sub { enqueuer($node, $name, iterations => \&iterations, pause => 0.02) })
} [$lost, 'a'], [$lost, 'b'], [$other, 'c'];
# The other node's client takes most of it, so that items move between the nodes.
my @pullers = map { my ($node, $top) = @$_;
    background(sub { puller($node, "pull-$node->{settings}{NODE}", top => $top) }) } [$lost, 3], [$other, 30];
ok wait_until(60, sub { pulled() > 200 }), 'both are busy';
my $file = "$lost->{dir}/backup.db";
script($file);
my $then = pulled();
ok wait_until(60, sub { pulled() > $then + 300 }), 'and for a while after the backup';
my @cancelled = map { $lost->new_item("cancelled $_", 1_000_000_000_000) } 1 .. 3;
is $lost->call('DELETE', "/items/$_")->status, 204, 'an item is cancelled' for @cancelled;

$lost->kill_everything;
my $rows = ($lost->sql('SELECT max(seq) FROM item'))[0][0];
script('--restore', $file);
cmp_ok +($lost->sql('SELECT max(seq) FROM item'))[0][0], '<', $rows - 50, 'the backup is older';
my ($code, $said) = $lost->init;
is $code, 0, '--init' or diag $said;
like $said, qr/node 1 has a replica of this node's database.*fetching it/, 'finds the newer one at the other node and fetches it';
cmp_ok +($lost->sql('SELECT max(seq) FROM item'))[0][0], '>=', $rows - 2, 'nothing is missing but what was not acknowledged yet';
$lost->restart;
ok $pair->wait_together, 'they hear each other';
my @enqueued = map { $_->stop->result } @enqueuers;
ok $pair->wait_computed, 'all is computed';
my @pulled = map { $_->stop->result } @pullers;
push @pulled, pull_rest($pair->nodes);
note scalar(@enqueued), ' items acknowledged, ', scalar(@pulled), ' pulled';
is_deeply judge(\@enqueued, \@pulled), { lost => [], twice => [], wrong => [] }, 'each was pulled once with its right value';
is scalar(@pulled), scalar(@enqueued), 'and nothing else';
is_deeply [grep { $lost->state_of($_) ne 'cancelled' } @cancelled], [], 'what was cancelled stays so';
for my $node ($pair->nodes) {
    my @sums = $node->sql('SELECT (SELECT count(*) FROM item WHERE state = 3) - pulled,'
        . ' (SELECT count(*) FROM item WHERE state = 2) - done FROM tally');
    is_deeply $sums[0], [0, 0], 'the counts are those of the rows';
    ok $pair->wait_equal($node), 'the replica is equal to the database';
}

# Files of the database, or of another one in its place.
sub copy_files ($from, $to) {
    unlink glob "$to*";
    copy("$from$_", "$to$_") or die for grep { -e "$from$_" } '', '-wal';
    return;
}

my $database = $lost->{settings}{DATABASE};
$lost->expect_log(qr/connect\(\) to unix:/); # the other node asks while the server is stopped

# An older file in the place of the node's database, which is stopped.
sub put_older {
    $lost->kill_everything;
    copy_files($database, "$lost->{dir}/newest");
    unlink $database, "$database-wal", "$database-shm";
    copy("$lost->{dir}/older$_", "$database$_") or die for grep { -e "$lost->{dir}/older$_" } '', '-wal';
    return;
}

subtest 'an older copy of the file' => sub {
    my @first = map { $lost->new_item("first $_", 1) } 1 .. 3;
    ok $lost->stop_server, 'the server is stopped';
    copy_files($database, "$lost->{dir}/older");
    $lost->restart;
    is_deeply [sort map { $_->{id} } $lost->pull(10)->json->@*], [sort @first], 'what it has is pulled';
    my @later = map { $lost->new_item("later $_", 1) } 1 .. 3;
    ok $lost->wait_told, 'the other node has all';
    put_older();
    ($code, $said) = $lost->init;
    is $code, 0, '--init' or diag $said;
    like $said, qr/fetching it/, 'fetches the newer one';
    $lost->restart;
    is_deeply [map { $lost->state_of($_) } @first, @later], [('pulled') x 3, ('done') x 3], 'nothing is missing';
    is_deeply [sort map { $_->{id} } $lost->pull(10)->json->@*], [sort @later], 'nothing is handed out once more';
};

# The same while the other node cannot be asked. Returns the ids of the $count items that came since.
sub serve_older ($count) {
    ok $lost->stop_server, 'the server is stopped';
    copy_files($database, "$lost->{dir}/older");
    $lost->restart;
    my @since = map { $lost->new_item("since $_", 1) } 1 .. $count;
    ok $lost->wait_told, 'the other node has all';
    put_older();
    $pair->cut;
    $lost->restart; # nobody can know
    is_problem($lost->item($since[0]), 404, 'it lacks what came since');
    return @since;
}

subtest 'an older copy while the other node cannot be asked' => sub {
    my @since = serve_older(30);
    $lost->expect_log(qr/it is an older copy, put in place by hand. This server stops/);
    $pair->heal;
    $lost->{server}->wait_exit(60);
    is $lost->{server}->exit_code, 76, 'as soon as it hears of the newer one it stops for good';
    $lost->kill_everything;
    $lost->restart;
    ok $pair->wait_together, '--init fetches the newer one, and it serves';
    is_deeply [sort map { $_->{id} } $lost->pull(100)->json->@*], [sort @since], 'with what came since';
};

subtest 'an older copy that has gone as far as the newer one' => sub {
    my @since = serve_older(1);
    my @instead = map { $lost->new_item("instead $_", 1) } 1 .. 5;
    $lost->expect_log(qr/the replica at node 1 differs from this database at batch \d+/); # at the same batch
    $other->expect_log(qr/batch \d+ of node 0 does not fit/); # or at the next one
    $pair->heal;
    ok $pair->wait_together, 'goes on serving';
    ok $pair->wait_equal($lost), 'and its replica becomes equal to it';
    like $lost->server_log . $other->server_log, qr/error: the replica at node 1 differs|error: batch \d+ of node 0 does not fit/,
        'which is an error to be looked at';
    ok -e "$other->{settings}{DATABASE}-replica-bad", 'the other node has kept what it had';
    is_deeply [sort map { $_->{id} } $lost->pull(10)->json->@*], [sort @instead], 'what it was given is there';
};

subtest 'a backup without the other node' => sub {
    my $kept = $lost->new_item('in the backup', 1);
    script($file);
    is_deeply [map { $_->{id} } $lost->pull(10)->json->@*], [$kept], 'an item of the backup is pulled later';
    my $since = $lost->new_item('since', 1);
    ok $pair->wait_told, 'the other node has all';
    $lost->kill_everything;
    script('--restore', $file);
    $pair->cut;
    my $waiting = background(sub { $lost->init });
    sleep 5;
    ok !$waiting->ended, 'it waits for the other node';
    undef $waiting;
    kill_until_gone(sub { $lost->pids });
    my $epoch = ($lost->sql('SELECT epoch FROM identity'))[0][0];
    ($code, $said) = $lost->init('--alone');
    is $code, 0, '--alone serves it' or diag $said;
    like $said, qr/the backup at \S+ may be served from now on/, 'and says so';
    cmp_ok +($lost->sql('SELECT epoch FROM identity'))[0][0], '>', $epoch, 'under a higher epoch';
    $lost->restart;
    is_deeply [map { $_->{id} } $lost->pull(10)->json->@*], [$kept], 'what was pulled since is handed out once more,';
    is_problem($lost->item($since), 404, 'what was put since is lost');
    $pair->heal;
    ok $pair->wait_together, 'the other node takes it for the newer one';
    ok $pair->wait_equal($lost), 'and keeps a replica of it';
    is_problem($other->item($since), 404, 'and shows nothing else');
};

finish();
