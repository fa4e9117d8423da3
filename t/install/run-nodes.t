# scripts/run.sh --nodes 2: two nodes on one machine that help each other. With the normal build, in a
# directory and on ports of its own.

use v5.36;
use FindBin;
use lib "$FindBin::Bin/../support";
use File::Path qw(remove_tree);
use File::Temp qw(tempdir);
use Test::More;
use Time::HiRes qw(sleep);
use Hashmill;
use Hashmill::FakePeer;

my $root = "$FindBin::Bin/../..";
my $build = $ENV{HASHMILL_BUILD_NORMAL} // "$root/build";
plan skip_all => "no programs in $build" if !has_build($build);

my $var = tempdir('hm-XXXXXX', TMPDIR => 1);
my ($first, $metrics_port) = (free_port_pair(2), free_port_pair());
my $second = $first + 2;
my $http = Hashmill::Reply::client();

my %more; # settings of the next run

sub run_script (@arguments) {
    state $number = 0;
    return Hashmill::Process->start(log => "$var/run-" . ++$number . '.txt', cwd => '/',
        env => { VAR => $var, PORT => $first, METRICS_PORT => $metrics_port, BUILD => $build, HASHMILL_TEST_INSTANCE => $var,
            WORKERS_MIN => 1, LIST_SECONDS => 1, %more },
        command => ["$root/scripts/run.sh", @arguments]);
}

sub start_run (@arguments) {
    my $run = run_script(@arguments);
    wait_until(120, sub { !$run->alive || $run->log =~ m{/pullCompleted} });
    ok $run->alive, 'it is up' or die $run->log;
    return $run;
}

sub call ($port, $method, $path, $content = '') {
    return Hashmill::Reply->new($http->request($method, "http://127.0.0.1:$port$path", { content => $content }));
}

# Every process of a program whose working directory is in that one.
sub processes ($name, $folder = $var) {
    return grep { (slurp("/proc/$_/comm") // '') eq "$name\n" && process_state($_) ne 'Z'
            && belongs_to($_, $folder) } process_ids();
}

# Everything that this test started, by its environment, which nginx overwrites, and only root sees of hashmill's programs.
sub everything {
    my $mark = "HASHMILL_TEST_INSTANCE=$var\0";
    return processes('nginx'), processes('hashmill-fcgi'), processes('hashmill-worker'), grep { index(slurp("/proc/$_/environ") // '', $mark) >= 0
            && process_state($_) ne 'Z' } process_ids();
}

# Whether an item that is put on one node is pulled from the other.
sub passes ($from, $to) {
    state $number = 0;
    my $body = 'body ' . ++$number;
    my $put = call($from, 'PUT', '/enqueue?iterations=100', $body);
    return 0 if $put->status != 201;
    my $id = $put->json->{id};
    wait_until(20, sub { (call($from, 'GET', "/items/$id?wait=5")->json->{state} // '') eq 'done' }) or return 0;
    return wait_until(20, sub {
        my $pull = call($to, 'POST', '/pullCompleted?top=10');
        return $pull->status == 200
            && grep { $_->{id} eq $id && $_->{value} eq value_of($body, 100) } $pull->json->@*;
    });
}

END {
    if (defined $var) {
        local $?;
        diag map { "$_:\n" . slurp($_) } grep { -s } glob "$var/run-*.txt $var/log/*.log $var/node*/log/*.log"
            if !Test::More->builder->is_passing;
        kill 'KILL', everything();
        remove_tree($var) if !$ENV{HASHMILL_KEEP};
    }
}

my $run;

subtest 'start' => sub {
    $run = start_run('--nodes', 2);
    is call($_, 'GET', '/healthz')->status, 200, "a node serves on port $_" for $first, $second;
    is scalar(processes('hashmill-fcgi', "$var/node$_")) > 0, 1, "node $_ has processes of its own" for 0, 1;
    ok -s "$var/node$_/hashmill.db", "node $_ has a queue of its own" for 0, 1;
    is +(stat "$var/$_")[2] & 0777, 0600, "only its owner reads $_" for qw(peer-token node0/hashmill.env node1/hashmill.env);
    ok wait_until(30, sub { 2 == grep { processes('hashmill-worker', "$var/node$_") } 0, 1 }), 'each has a worker';
    my $own = slurp("$var/node1/worker.env");
    like $own, qr{^NODES=http://127\.0\.0\.1:@{[$second + 1]},http://127\.0\.0\.1:@{[$first + 1]}$}m, 'that works for both';
    like $own, qr{^RETIRE_NODE=http://127\.0\.0\.1:@{[$second + 1]}$}m, 'and asks its own node whether it may go';
    ok passes($first, $second), 'what is put on the first is pulled from the second';
    ok passes($second, $first), 'and the other way round';
};

subtest 'a second start' => sub {
    for my $arguments ([qw(--nodes 2)], []) {
        my $again = run_script(@$arguments);
        is $again->wait_exit(60), 0, "run.sh @$arguments ends by itself";
        for my $node (0, 1) {
            my ($pid) = processes('hashmill-fcgi', "$var/node$node");
            like $again->log, qr/server of node$node: .*\b$pid\b/, "and says what runs of node $node";
        }
        like $again->log, qr{http://127\.0\.0\.1:$second}, 'and where';
    }
    ok passes($first, $second), 'the first one is not disturbed';
};

subtest 'what dies is started again' => sub {
    sleep 1.1; # a program that dies within a second of its start is started more slowly
    for my $name (qw(nginx hashmill-fcgi)) {
        my %before = map { $_ => 1 } processes($name, "$var/node1");
        kill 'KILL', keys %before;
        ok wait_until(20, sub {
            my @now = processes($name, "$var/node1");
            return @now && !(grep { $before{$_} } @now) && call($second, 'GET', '/healthz')->status == 200;
        }), "$name of one node";
    }
    like $run->log, qr/nginx of node1 ended/, 'it is said whose it was';
    ok passes($first, $second), 'and everything works';
};

subtest 'the demonstration beside a run' => sub {
    my $demo = run_script(qw(--nodes 2 --demo));
    is $demo->wait_exit(120), 0, 'ends well';
    like $demo->log, qr/^right: /m, 'with the right value';
    ok passes($second, $first), 'and leaves the run as it was';
};

subtest 'stop' => sub {
    $run->kill('TERM');
    is $run->wait_exit(60), 0, 'ends well';
    is_deeply [everything()], [], 'no process is left';
    unlike join('', map { slurp($_) } glob "$var/node*/log/*.log"), qr/Sanitizer|\berror: /, 'nothing bad in the logs';
};

subtest "a node's disk is lost" => sub {
    $run = start_run('--nodes', 2);
    my $id = call($first, 'PUT', '/enqueue?iterations=1000000000000', 'comes back')->json->{id};
    my $behind = sub { call($first, 'GET', '/stats?')->json->{peers}[0]{behind} // {} };
    ok wait_until(20, sub { ($behind->()->{batches} // 1) == 0 }), 'the other node has all of it';
    $run->kill('TERM');
    is $run->wait_exit(60), 0, 'both end';
    remove_tree("$var/node0");
    $run = start_run('--nodes', 2);
    like $run->log, qr/queue of node0 is not here.*queue of node0: node 1 has given the queue back/s, 'it is had back, which is said';
    is call($first, 'GET', "/items/$id")->status, 200, 'what it had is there';
    ok passes($first, $second), 'and it goes on';
    $run->kill('TERM');
    is $run->wait_exit(60), 0, 'both end';
};

subtest 'both databases are lost' => sub {
    $run = start_run('--nodes', 2);
    my $id = call($first, 'PUT', '/enqueue?iterations=1000000000000', 'comes back')->json->{id};
    ok wait_until(20, sub { (call($first, 'GET', '/stats?')->json->{peers}[0]{behind}{batches} // 1) == 0 }), 'both have replicas';
    $run->kill('TERM');
    is $run->wait_exit(60), 0, 'both end';
    unlink grep { !/replica/ } glob "$var/node?/hashmill.db*";
    $run = run_script('--nodes', 2);
    ok wait_until(30, sub { 2 == (() = $run->log =~ /queue of node[01]: waiting for node [01]/g) }), 'both wait, which is said'
        or diag $run->log;
    is_deeply [grep { -e } map { "$var/node$_/hashmill.db" } 0, 1], [], 'no empty queue is made';
    $run->kill('TERM');
    is $run->wait_exit(60), 0, 'ends well';
    for my $node (0, 1) {
        rename "$var/node$node/hashmill.db-replica$_", "$var/node@{[1 - $node]}/hashmill.db$_" for '', '-wal', '-shm';
    }
    $run = start_run('--nodes', 2);
    is call($first, 'GET', "/items/$id")->status, 200, 'each gets the replica for its database: what it had is there';
    ok passes($first, $second), 'and it goes on';
    $run->kill('TERM');
    is $run->wait_exit(60), 0, 'both end';
};

subtest 'another number of nodes' => sub {
    $run = start_run('--nodes', 2);
    kill 'KILL', $run->pid;
    wait_until(10, sub { !$run->alive });
    $run = start_run(); # the two nodes' processes would hold its ports
    is scalar(processes('hashmill-fcgi', "$var/node$_")), 0, "what was left of node $_ is ended" for 0, 1;
    is call($first, 'GET', '/healthz')->status, 200, 'one node serves';
    my $two = run_script('--nodes', 2);
    isnt $two->wait_exit(60), 0, 'two do not start beside it';
    like $two->log, qr/has one node/, 'and it is said why';
    $run->kill('TERM');
    is $run->wait_exit(60), 0, 'ends well';
    isnt run_script('--nodes', $_)->wait_exit(60), 0, "--nodes $_ is refused" for 0, 3;
    is_deeply [everything()], [], 'no process is left';
};

subtest 'one node that has a peer elsewhere' => sub {
    my $peer = Hashmill::FakePeer->start(node => 1);
    %more = (VAR => "$var/one", PEERS => '1=' . $peer->url, PEER_TOKEN => $peer->token);
    $peer->answer('replica/state' => { status => 200, json => { node => 1, replica => undef,
        known => { id => '01234567-89ab-4cde-8f01-23456789abcd', epoch => 1_700_000_000 } } });
    $run = run_script();
    isnt $run->wait_exit(60), 0, 'a peer that has met its lost queue, and has no replica: it does not start';
    like $run->log, qr/queue is not here.*database cannot be served/s, 'which is said';
    ok !-e "$var/one/hashmill.db", 'and no empty queue is made';
    $peer->answer('replica/state' => undef);
    $run = start_run();
    ok -s "$var/one/hashmill.db", 'a peer that knows of none: it begins';
    $run->kill('TERM');
    is $run->wait_exit(60), 0, 'ends well';
    %more = ();
};

subtest 'the demonstration alone' => sub {
    remove_tree("$var/$_") for qw(node0 node1);
    my $demo = run_script(qw(--nodes 2 --demo));
    is $demo->wait_exit(180), 0, 'ends well';
    like $demo->log, qr{pulled from http://127\.0\.0\.1:$second}, 'the item is pulled from the other node';
    like $demo->log, qr/^right: /m, 'with the right value';
    is_deeply [everything()], [], 'no process is left';
};

done_testing();
