# A disk of one of two nodes loses pages. The database that --recover saves counts as a backup: the node gets its
# database back from the replica at the other node, and nothing is lost or handed out twice. Without the other node,
# --alone serves what could be saved.

use v5.36;
use FindBin;
use lib "$FindBin::Bin/../support";
use Test::More;
use Hashmill::Pair;
use Hashmill;
use Hashmill::Load;
use Hashmill::Recovery;

my $pair = Hashmill::Pair->start(COPY => 'sync', LEASE_SECONDS => 5, PEER_MS => 500);
my ($hurt, $other) = $pair->nodes;

# Some hundred items at the node that is hurt, by clients at once.
sub enqueue_some ($name, $iterations) {
    return map { @$_ } parallel(4, sub ($job) {
        enqueuer($hurt, "$name$job", most => 250, pause => 0, iterations => sub { $iterations }) });
}

my @enqueued = enqueue_some('early', 10);
my $worker = $pair->start_worker(THREADS => 1);
ok $pair->wait_computed, 'many are computed';
my @pulled = map { [$_->@{qw(id value iterations)}] } map { pull_key($hurt, "pull-$_", 300)->json->@* } 1, 2;
is scalar @pulled, 600, 'some of them pulled';
$worker->kill('TERM');
$worker->wait_exit(30);
push @enqueued, enqueue_some('late', 20);
ok $pair->wait_told, 'the other node has everything';

# Stops the node, has its disk lose most items, and runs --recover. Returns how many items are lost.
sub hurt_disk ($name) {
    $hurt->expect_log(qr/connect\(\) to unix:/);
    ok $hurt->stop_server, 'the node is stopped';
    is system('sqlite3', $hurt->{settings}{DATABASE}, 'UPDATE item SET state = 2, pull = NULL, closed = NULL WHERE state = 3'), 0,
        'its disk has rows from before they were pulled';
    cmp_ok lose_rows($hurt->{settings}{DATABASE}), '>', 800, 'and loses most items';
    my ($code, $text) = recover($hurt, "$hurt->{dir}/$name.db");
    is $code, 0, 'a new file is made' or diag $text;
    my ($lost) = $text =~ / items saved, (\d+) lost$/m;
    cmp_ok $lost, '>', 800, "which lacks $lost";
    is put_in_place($text), 2, 'and put in place';
    ok -e "$hurt->{settings}{DATABASE}-replica", 'the replica of the other node stays where it is';
    rename "$hurt->{settings}{DATABASE}.failed", "$hurt->{dir}/$name.failed" or die;
    return $lost;
}

subtest 'with the other node' => sub {
    hurt_disk('new');
    my ($code, $said) = $hurt->init;
    is $code, 0, '--init' or diag $said;
    like $said, qr/given the queue back as of batch/, 'fetches the database from the other node';
    $hurt->start_server;
    ok $pair->wait_together, 'it serves';
    is scalar(grep { $hurt->item($_->[0])->status != 200 } @enqueued), 0, 'and knows every item';
    is_deeply [map { [$_->@{qw(id value iterations)}] } map { pull_key($hurt, "pull-$_", 300)->json->@* } 1, 2], \@pulled,
        'a keyed pull brings what it had brought';
    $pair->start_worker(THREADS => 1);
    ok $pair->wait_computed, 'the rest is computed';
    push @pulled, pull_rest($pair->nodes);
    is_deeply judge(\@enqueued, \@pulled), { lost => [], twice => [], wrong => [] }, 'each was pulled once with its right value';
    is scalar(@pulled), scalar(@enqueued), 'and nothing else';
    ok $pair->wait_equal($_), 'the replica of node ' . $_->{settings}{NODE} . ' is equal to its database' for $pair->nodes;
};

subtest 'without it' => sub {
    my @more = enqueue_some('more', 1);
    ok $pair->wait_told, 'the other node has everything';
    $pair->cut;
    my $lost = hurt_disk('alone');
    my ($code, $said) = $hurt->init('--alone');
    is $code, 0, '--init --alone' or diag $said;
    $hurt->start_server('--alone');
    my $all = @enqueued + @more;
    is(($hurt->sql('SELECT count(*) FROM item'))[0][0], $all - $lost, 'serves what was saved');
    $pair->heal;
    ok $pair->wait_together, 'and is the node from then on';
    for my $node ($pair->nodes) {
        ok $pair->wait_equal($node), 'the replica of node ' . $node->{settings}{NODE} . ' is equal to its database';
        my ($sums) = $node->sql('SELECT (SELECT count(*) FROM item WHERE state = 3) - pulled,'
            . ' (SELECT count(*) FROM item WHERE state = 2) - done FROM tally');
        is_deeply $sums, [0, 0], 'the counts are those of the rows';
    }
};

finish();
