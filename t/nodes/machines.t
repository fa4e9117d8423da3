# A machine of one node works for the other, too, by its token: as long as its own node says that it exists.

use v5.36;
use FindBin;
use lib "$FindBin::Bin/../support";
use File::Temp qw(tempdir);
use Test::More;
use Hashmill::Pair;
use Hashmill;

plan skip_all => 'clocks can be moved in a test build only' if !sanitized();

my $dir = tempdir('hm-machine-XXXXXX', TMPDIR => 1, CLEANUP => 1);
spew("$dir/empty", "#!/bin/sh\nexec sleep 600\n"); # a machine without a worker: the test makes its calls
chmod 0755, "$dir/empty" or die;

my $pair = Hashmill::Pair->start(fleet => 1, fleet_program => "$dir/empty", WORKERS_MIN => 1, BOOT_SECONDS_MAX => 3600);
my ($here, $there) = $pair->nodes;
ok wait_until(60, sub { 1 == grep { $_->{id} ne '' } $here->machines }), 'a node has launched a machine';
my ($name) = map { $_->{name} } $here->machines;
my $token = $here->machine_token($name);

# A lease at a node with a machine's token; iterations and items as for any.
sub status_at ($node, $with = $token) {
    return $node->worker_call('/lease', { protocol => 1, request => uuid(), items => 1, iterations => 1e9, wait => 0,
        worker => Hashmill::worker_fields() }, Authorization => "Bearer $with")->status;
}

is status_at($here), 204, 'its own node lets it in';
is status_at($there), 204, 'and so does the other';
ok wait_until(30, sub { status_at($there, $here->machine_token('hashmill-0-0123456789ab')) == 401 }),
    'but none that was not named';
is status_at($there, $here->machine_token('hashmill-1-0123456789ab')), 401, 'nor one of its own that it has not';

subtest 'a machine that is gone' => sub {
    my ($id) = map { $_->{id} } grep { $_->{name} eq $name } $here->machines;
    my ($pid) = $id =~ /^local:(\d+):/;
    kill 'KILL', $pid;
    ok wait_until(60, sub { !grep { $_->{name} eq $name } $here->machines }), 'is gone for its node';
    is status_at($here), 401, 'which lets it in no more';
    ok wait_until(30, sub { status_at($there) == 401 }), 'nor does the other after the next hello';
};

subtest 'while the other node is away' => sub {
    my ($next) = map { $_->{name} } $here->machines;
    ok wait_until(60, sub { ($next) = map { $_->{name} } grep { $_->{id} ne '' } $here->machines }), 'there is another machine';
    $pair->cut;
    ok $there->wait_away, 'its node cannot be asked';
    is status_at($there, $here->machine_token($next)), 204, 'its token alone is enough';
    is status_at($there, $here->machine_token('hashmill-1-0123456789ab')), 401, 'not for a machine of this node';
    is status_at($there, $here->machine_token($next, 'x' x 32)), 401, 'nor one of another secret';
    $pair->heal;
    ok $there->wait_away(0), 'it is back';
};

finish();
