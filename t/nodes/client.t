# hashmill with two nodes. One or both are away for a while: each value comes once, and what is waited for is said.
# t/slow/node-away.t has the same for longer.

use v5.36;
use FindBin;
use lib "$FindBin::Bin/../support";
use List::Util qw(sum0);
use Test::More;
use Hashmill::Pair;
use Hashmill;
use Hashmill::Away;
use Hashmill::Metrics;

use constant ITERATIONS => 1000;

my $away = Hashmill::Away->new;
my ($here, $there, $client, $pair) = $away->@{qw(here there client pair)};
my @few = $away->{files}->@[0 .. 4];
my @values = map { value_of(slurp($_), ITERATIONS) } @few;
my $lines = join '', map { "$values[$_]  $few[$_]\n" } 0 .. $#few;

# Puts the few files at one node, where no worker has them computed yet.
sub put_few ($job, $node, @files) {
    $node->call('POST', '/admin/pause?what=leasing');
    is $client->run('put', @files, '-n', ITERATIONS, '--job', $job, '--url', $node->url)->{code}, 0, 'files are put';
    ok $node->wait_told, 'and the other node knows them';
    return;
}

# Whether a command says that it waits for a node that has given no answer, and goes on with that text.
sub says_silent ($run, $node, $more) {
    return wait_until(30, sub { $client->err($run) =~ /^hashmill: waiting for \Q${\$node->url}\E, which has given no answer since [\d:]+: $more/m });
}

# How many looks at an item a node has answered.
sub looks ($node) {
    my $metrics = metrics($node);
    return sum0(map { $metrics->{$_} } grep { m{^hashmill_requests_total\{route="/items/ID"} } keys %$metrics);
}

# Kills a node, so that nothing of it answers on the way, and waits until the other has noticed.
sub kill_node ($node, $other) {
    kill 'STOP', $node->pids;
    $node->kill_everything;
    ok $other->wait_away, 'a node is killed';
    return;
}

subtest 'run, and a node that is killed' => sub { $away->run_over_kill(0) };

subtest 'wait' => sub {
    put_few('waited', $here, @few);
    kill_node($here, $there);
    my $url = $here->url;
    my $wait = $client->start('wait', '--job', 'waited');
    my $said = qr/^hashmill: waiting for \Q$url\E, which is away: 5 of 5 items are there, and what is known of them is of [-\dT:.]+Z$/m;
    ok wait_until(30, sub { $client->err($wait) =~ $said }), 'says which node it waits for and for how many items';
    my ($id) = $client->lines($client->run('put', @few, '-n', ITERATIONS, '--job', 'waited'));
    like $client->run('get', '--json', $id)->{out}, qr/"as_of":"[-\dT:.]+Z"/, 'get says of when its state is';
    my $before = looks($there);
    my $begun = time;
    ok wait_until(10, sub { looks($there) - $before >= 12 }), 'it goes on asking';
    cmp_ok time - $begun, '>=', 1, 'and not without a pause'; # six looks are a round
    $here->restart;
    $here->call('POST', '/admin/resume?what=leasing');
    my $done = $client->end($wait, undef, 90);
    is $done->{code}, 0, 'it ends';
    is $done->{out}, $lines, 'with all values, each once';
    like $done->{err}, qr/^hashmill: all nodes are back$/m, 'and has said that the node is back';
    note $done->{err};
    ok $pair->wait_together, 'both are there';
};

subtest 'both are away' => sub {
    $_->kill_everything for $here, $there;
    my $run = $client->start('run', @few, '-n', ITERATIONS, '--job', 'both');
    for my $node ($here, $there) {
        my $url = $node->url;
        ok wait_until(30, sub { $client->err($run) =~ /^hashmill: \Q$url\E: .*(?:trying again|going on with)/m }),
            'run says that a node does not answer';
    }
    $_->restart for $there, $here;
    my $done = $client->end($run, undef, 90);
    is $done->{code}, 0, 'it ends when they are back';
    is $done->{out}, $lines, 'with all values, each once';
    unlike $done->{err}, qr/going on with.*\n.*going on with/, 'and names no node to go on with that is away, too';
    is scalar(() = $done->{err} =~ /\n/g), 3, 'it says that once of each node' or diag $done->{err};
    ok $pair->wait_together, 'both are there';
};

subtest 'a node whose server is down' => sub {
    my @nginx = $here->nginx_pids;
    $here->kill_everything(@nginx);
    my $before = Hashmill::Away::items($there);
    my $run = $client->start('run', @few, '-n', ITERATIONS, '--job', 'down');
    ok says_silent($run, $here, '5 files were sent there'), 'run waits for it, as nginx cannot say whether the server has had them';
    is Hashmill::Away::items($there), $before, 'and gives them to no other';
    $here->restart;
    my $done = $client->end($run, undef, 90);
    is $done->{code}, 0, 'run ends';
    is $done->{out}, $lines, 'with all values, each once';
    ok $pair->wait_together, 'both are there';
    note $done->{err};
};

subtest 'pull' => sub {
    $client->run('pull', '--top', 100_000); # what the others have left
    my $out = "$client->{dir}/values";
    my $pull = $client->start('pull', '-f', '-q', '--out', $out);
    ok wait_until(30, sub { Hashmill::Away::under_way($here, 'public-wait') }), 'a pull waits at the first node';
    kill_node($here, $there);
    ok says_silent($pull, $here, 'it may have handed out up to 1000 values'), 'it says why it waits';
    is $client->run('put', @few, '-n', ITERATIONS, '--job', 'pulled', '--url', $there->url)->{code}, 0, 'there are values at the other';
    ok $there->wait_computed, 'which are done';
    $here->restart;
    ok wait_until(60, sub { (() = (slurp($out) // '') =~ /\n/g) == @few }), 'it writes them when the first is back';
    my $done = $client->end($pull, 'INT');
    is join('', sort split /^/, slurp($out)), join('', sort map { "$_\n" } @values), 'each once';
    unlike $done->{err}, qr/going on with/, 'and it has not said that it goes on without the first';
    note $done->{err};
};

finish();
