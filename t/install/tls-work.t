# Two nodes and a worker that talk over TLS: items are computed and copied, connections are used again,
# and keys, certificates and the authority itself are replaced under way. Then those whom they do not
# trust.

use v5.36;
use FindBin;
use lib "$FindBin::Bin/../support";
use Digest::SHA qw(sha512_hex);
use Test::More;
use Hashmill;
use Hashmill::Authority;
use Hashmill::TlsNode;

my $authority = Hashmill::Authority->new;
my @port = map { free_port_pair() } 0, 1;
my %tokens = map { $_ => sha512_hex(random_body(32)) } qw(WORKER_TOKEN PEER_TOKEN);
my @nodes = map { Hashmill::TlsNode->start(authority => $authority, port => $port[$_], NODE => $_, COPY => 'async', LEASE_SECONDS => 12,
    PROCESSES_PUBLIC => 2, %tokens, PEERS => (1 - $_) . '=https://127.0.0.1:' . ($port[1 - $_] + 1)) } 0, 1;
my ($node, $other) = @nodes;
my @all = map { $_->worker_url } @nodes;

my %calls; # of this test to each node's public listener, each on a connection of its own

# Waits until each hears the other and has told it everything.
sub wait_told {
    return !grep {
        my $one = $_;
        !wait_until(60, sub { my $peer = $one->stats->{peers}[0]; !$peer->{away} && $peer->{replica} eq 'following' && $peer->{behind}{batches} == 0 });
    } @nodes;
}

# Enqueues on both nodes what keeps a worker busy for a moment.
sub new_items ($name, $iterations = 100) {
    my @items;
    for my $body (map { ("$name $_") x 2 } 1 .. 3) {
        my $at = $nodes[@items % 2];
        push @items, [$at, $at->new_item($body, $iterations), $body, $iterations];
        $calls{$at}++;
    }
    return @items;
}

# Whether they are computed soon, and rightly.
sub all_right (@items) {
    my $good = 0;
    for my $item (@items) {
        my ($at, $id, $body, $iterations) = @$item;
        my $seen;
        wait_until(60, sub { $calls{$at}++; $seen = $at->item($id, wait => 5)->json; $seen->{state} eq 'done' });
        $good += ($seen->{value} // '') eq value_of($body, $iterations);
    }
    return $good == @items;
}

my $worker = $node->start_worker(NODES => join ',', @all);

subtest 'items are computed, and known on both nodes' => sub {
    ok all_right(new_items('first')), 'values over mutual TLS';
    ok wait_told(), 'each has told the other everything';
    my $id = $node->new_item('looked at', 10);
    wait_until(20, sub { $node->state_of($id) eq 'done' });
    is $other->item($id)->json->{value}, value_of('looked at', 10), 'a look at the other node\'s item';
    ok wait_until(20, sub {
        $other->pull(100);
        return $node->state_of($id) eq 'pulled' || $node->stats->{items}{done} == 0;
    }), 'a pull brings them';
};

subtest 'connections are used again' => sub {
    my $before = $node->accepted - ($calls{$node} // 0);
    ok all_right(new_items("again $_", 10)), "round $_" for 1 .. 20;
    # One of them is for the second count; a few may be new, since libcurl opens one for each
    # request that is under way at the same time as others.
    my $new = $node->accepted - $calls{$node} - $before;
    cmp_ok $new, '<', 12, "far fewer than requests: $new";
};

# Has nginx of both nodes read its files again.
sub reload_nginx {
    for my $one (@nodes) {
        $one->expect_log(qr/worker process \d+ exited on signal 9/); # an old one, at the end of the test
        $one->{nginx}->kill('HUP');
    }
    return;
}

# Replaces a file at once: nginx may be reading its files after the last reload.
sub replace_file ($path, $text) {
    spew("$path.new", $text);
    rename "$path.new", $path or die "$path: $!\n";
    return;
}

# Waits until nginx of both nodes gives the wanted answer to a client with this certificate that trusts this authority.
sub wait_answer ($wanted, $cert, $ca) {
    return !grep {
        my $one = $_;
        !wait_until(30, sub { $one->tls_call('POST', '/lease', cert => $cert, ca => $ca, content => '{}')->status == $wanted });
    } @nodes;
}

subtest 'new certificates, then a new authority' => sub {
    my $new = Hashmill::Authority->new;
    my @places = ((map { $_->place } @nodes), $node->{worker_place});
    my $pid = $worker->pid;
    my $old_client = $authority->worker . '/worker';
    my $new_client = $new->worker . '/worker';
    my $endless = $node->new_item('endless', 9_000_000_000_000); # is under way all the time
    ok wait_until(30, sub { $node->state_of($endless) eq 'leased' }), 'an item is under way';

    $authority->node($_) for map { $_->place } @nodes;
    $authority->worker($node->{worker_place});
    reload_nginx();
    ok all_right(new_items('new certificates')), 'new certificates of the same authority';

    # Both authorities are trusted before anybody shows what the new one has signed.
    spew($new->ca, slurp($new->ca) . slurp($authority->ca));
    replace_file("$_/ca.pem", slurp($new->ca)) for @places;
    reload_nginx();
    ok wait_answer(401, $new_client, $new->ca), 'both authorities are trusted';
    ok all_right(new_items('two authorities')), 'by everybody';

    $new->node($_) for map { $_->place } @nodes;
    $new->worker($node->{worker_place});
    reload_nginx();
    Hashmill::Authority::openssl('x509', '-in', $new->ca, '-out', $new->ca . '.one');
    ok wait_answer(401, $new_client, $new->ca . '.one'), 'nginx shows certificates of the new one';
    ok all_right(new_items('new authority')), 'everybody has one';

    replace_file("$_/ca.pem", slurp($new->ca . '.one')) for @places;
    reload_nginx();
    ok wait_answer(403, $old_client, $new->ca . '.one'), 'the old one is not trusted any more';
    ok all_right(new_items('one authority')), 'the work goes on';
    my $left = $node->item($endless)->json->{remaining};
    ok wait_until(60, sub { $node->item($endless)->json->{remaining} < $left }), 'the item under way still moves on';
    is $node->item($endless)->json->{strikes}, 0, 'and its lease has never lapsed';
    is $node->call('DELETE', "/items/$endless")->status, 204, 'it has done its part';
    ok wait_told(), 'the nodes tell each other';
    ok $worker->alive && $worker->pid == $pid, 'by the same worker';
    unlike $worker->log, qr/ error: /, 'which has complained of nothing that needs anybody';
    $authority = $_->{authority} = $new for @nodes;
    spew($new->ca, slurp($new->ca . '.one'));
};

# Starts a worker that must fail, and stops it. What it has logged as an error.
sub complaint_of (%settings) {
    my $failing = $node->start_worker(IDLE_SECONDS => 0, %settings);
    $node->expect_log(qr/error: \S+ lease refused: /);
    my $said = '';
    wait_until(30, sub { ($said) = $failing->log =~ / error: (.*)/ });
    $failing->kill('TERM');
    is $failing->wait_exit(20), 0, 'a worker that was let in nowhere stops as told';
    return $said // '';
}

subtest 'whom a worker does not trust' => sub {
    my $stranger = Hashmill::Authority->new;
    my $url = $node->worker_url;
    my $trace = "$node->{dir}/opened";
    {
        # As its own child strace leaves the worker's process id and signals alone.
        local $node->{worker_inside} = [qw(strace -D -f -e trace=%file -o), $trace];
        like complaint_of(TLS_CA => $stranger->ca, env => { ASAN_OPTIONS => 'detect_leaks=0' }),
            qr/\Q$url\E: lease refused: SSL certificate problem: .*; its certificate must be valid/,
            'a node of another authority';
    }
    ok wait_until(10, sub { slurp($trace) =~ /exited with 0/ }), 'it was watched to its end';
    like slurp($trace), qr{openat\(\S+ "\Q${\$stranger->ca}\E"}, 'it has read its authority';
    unlike slurp($trace), qr{"/etc/ssl/certs}, 'and none of those that the system trusts';
    like complaint_of(NODES => $url =~ s/127\.0\.0\.1/localhost/r), qr/lease refused: .*localhost.*; its certificate must be valid, for the host/,
        'a node under another name';
};

subtest 'who is not trusted by the node' => sub {
    my $stranger = Hashmill::Authority->new->worker;
    my $expired = $authority->client('/OU=worker', -1);
    like complaint_of(TLS_CERT => "$stranger/worker.pem", TLS_KEY => "$stranger/worker.key"),
        qr/lease refused: status 403 The client certificate is not accepted here \(FAILED:[^)]+\); have/, 'of another authority';
    like complaint_of(TLS_CERT => "$expired.pem", TLS_KEY => "$expired.key"),
        qr/lease refused: status 403 .*certificate has expired/, 'expired';
    like complaint_of(TLS_CERT => '', TLS_KEY => ''), qr/lease refused: status 403 .*client certificate/, 'none';
    my $peer = $node->place;
    like complaint_of(TLS_CERT => "$peer/peer.pem", TLS_KEY => "$peer/peer.key"), qr/status 403 .*OU=worker.*role peer/, 'a node\'s';
    like complaint_of(NODES => $node->worker_url =~ s/^https/http/r), qr/status 403 .*https/, 'no TLS';
};

subtest 'a certificate that becomes bad and good again' => sub {
    my $place = $authority->worker;
    $worker->kill('TERM');
    is $worker->wait_exit(20), 0, 'the first worker has stopped';
    my $mended = $node->start_worker(TLS_CA => "$place/ca.pem", TLS_CERT => "$place/worker.pem",
        TLS_KEY => "$place/worker.key");
    ok wait_until(30, sub { grep { $_->{name} =~ /-${\$mended->pid}-/ } $node->stats->{fleet}{workers}->@* }), 'it works';
    rename "$place/worker.key", "$place/kept.key" or die;
    spew("$place/worker.key", 'nonsense');
    reload_nginx(); # connections end with what is under way
    my $id = $node->new_item('in hand', 100);
    $node->expect_log(qr/error: \S+ (?:lease|report) refused: .*TLS_CERT and TLS_KEY/);
    ok wait_until(60, sub { $mended->log =~ /error: \S+ (?:lease|report) refused: .*TLS_CERT and TLS_KEY/ }), 'it says which files';
    rename "$place/kept.key", "$place/worker.key" or die;
    ok wait_until(60, sub { $mended->log =~ /info: \S+ (?:lease|report) works again/ }), 'and goes on by itself';
    ok wait_until(60, sub { $node->state_of($id) eq 'done' }), 'with all items';
};

finish();
