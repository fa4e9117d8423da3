# A disk of one of two nodes loses pages. What --recover cannot save comes back from the other node; nothing
# is lost and nothing handed out twice.

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
ok $pair->wait_told, 'the other node knows of everything';

$hurt->expect_log(qr/connect\(\) to unix:/);
ok $hurt->stop_server, 'the node is stopped';
is system('sqlite3', $hurt->{settings}{DATABASE}, 'UPDATE item SET state = 2, pull = NULL, closed = NULL '
    . 'WHERE state = 3; DELETE FROM peer'), 0, 'its disk has rows from before they were pulled, and none of the peer';
cmp_ok lose_rows($hurt->{settings}{DATABASE}), '>', 1000, 'and loses most items';
my ($code, $text) = recover($hurt, "$hurt->{dir}/new.db");
is $code, 0, 'a new file is made' or diag $text;
my ($lost) = $text =~ / items saved, (\d+) lost$/m;
cmp_ok $lost, '>', 1000, "which lacks $lost";
is put_in_place($text), 2, 'and put in place';
$hurt->start_server;
is scalar(grep { $hurt->item($_->[0])->status == 404 } @enqueued[0 .. 99]), 0, 'it denies no item that the other one knows';
my @pullers = map { my $name = $_; background(sub { puller($hurt, $name) }) } qw(new other);
is persist(sub { pull_key($hurt, 'pull-2', 300) })->json->@*, 300, 'a keyed pull brings at once or later what it had brought';
ok wait_until(60, sub { $hurt->server_log =~ /node 1 has told all that it has since this node was restored/ }),
    'it asks the other node for all that it has';
is scalar(grep { $hurt->item($_->[0])->status != 200 } @enqueued), 0, 'and knows every item again';

$pair->start_worker(THREADS => 1);
ok $pair->wait_computed, 'the rest is computed';
push @pulled, (map { $_->stop->result } @pullers), pull_rest($pair->nodes);
is_deeply judge(\@enqueued, \@pulled), { lost => [], twice => [], wrong => [] }, 'each was pulled once with its right value';
is scalar(@pulled), scalar(@enqueued), 'and nothing else';
ok $pair->wait_told, 'both know everything';
for my $node ($pair->nodes) {
    is $node->stats->{faults}, 0, 'no two chains differed';
    my ($sums) = $node->sql('SELECT (SELECT count(*) FROM item WHERE state = 3) - pulled,'
        . ' (SELECT count(*) FROM item WHERE state = 2 AND home IS NULL) - done FROM tally');
    is_deeply $sums, [0, 0], 'the counts are those of the rows';
}

finish();
