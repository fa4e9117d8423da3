# More than there is room for: limits on items and on work, on one client's requests and connections,
# and clients that are idle, slow or wait. Whatever they do, others are served.

use v5.36;
use FindBin;
use lib "$FindBin::Bin/../support";
use Test::More;
use JSON::PP ();
use Socket qw(SOL_SOCKET SO_RCVBUF);
use Time::HiRes qw(time sleep);
use Hashmill;

use constant {
    IDLE => 10_000,
    SLOW => 200,
    READERS => 60, # whose replies of 300 KB have to be made
    SPARE => 300, # descriptors that are needed besides
};

my $bound = sanitized() ? 5 : 1; # seconds for a request beside others

# The longest time that one of $count enqueues took, and how many were answered 201.
sub enqueues ($mill, $count) {
    my ($longest, $good) = (0, 0);
    for my $number (1 .. $count) {
        my $start = time;
        $good += $mill->enqueue("beside others $number", 10)->status == 201;
        $longest = time - $start if time - $start > $longest;
    }
    return ($longest, $good);
}

# Asserts that short requests are served as ever.
sub serves ($mill, $name) {
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my ($longest, $good) = enqueues($mill, 50);
    is $good, 50, "$name: 50 enqueues are answered 201";
    cmp_ok $longest, '<', $bound, sprintf 'and the longest took %.3f s', $longest;
    is $mill->get('/healthz')->status, 200, 'the node is healthy';
    return;
}

subtest 'too many items, too much work' => sub {
    my $mill = Hashmill->start(ITEMS_MAX => 5, REMAINING_MAX => 10_000);
    $mill->new_item("work $_", 5000) for 1, 2;
    my $refused = $mill->enqueue('work 3', 5000);
    is_problem($refused, 503, 'beyond REMAINING_MAX');
    is $refused->json->{type}, 'urn:hashmill:problem:queue-full', 'its type says so';
    is $refused->header('retry-after'), 60, 'as nothing is computed, the time to try again is the longest';
    is $mill->enqueue('little', 2)->status, 201, 'an item that fits is taken';
    is $mill->work_all, 3, 'the work is done';
    $mill->new_item("more $_", 3) for 1, 2;
    is_problem($mill->enqueue('a sixth', 3), 503, 'beyond ITEMS_MAX');
    is scalar $mill->pull(1)->json->@*, 1, 'one is pulled';
    is $mill->enqueue('a sixth', 3)->status, 201, 'and there is room for one';
    # Ten seconds later one was pulled within ten seconds.
    ok wait_until(30, sub { my $after = $mill->enqueue('a seventh', 3)->header('retry-after'); $after && $after < 60 }),
        'the time to try again comes from how fast items go';
    $mill->close_instance;
};

subtest 'one client asks too often' => sub {
    my $mill = Hashmill->start(nginx_change => sub ($text) {
        return nginx_whole($text) =~ s/rate=\w+\/s/rate=5r\/s/gr =~ s/burst=\d+/burst=10/gr =~ s/127\.0\.0\.0\/8 1;//r;
    });
    my %count;
    my $refused;
    for (1 .. 40) {
        my $reply = $mill->get('/healthz?probe=live');
        $count{ $reply->status }++;
        $refused = $reply if $reply->status != 200;
    }
    is join(' ', sort keys %count), '200 429', 'some requests are answered, the rest 429';
    cmp_ok $count{200}, '>', 10, 'as many as it may have at once';
    is_problem($refused, 429, 'too many requests');
    is $refused->header('retry-after'), 1, 'and when to try again';
    ok wait_until(10, sub { $mill->get('/healthz')->status == 200 }), 'soon it is served again';
    $mill->close_instance;
};

subtest 'one client has too many connections' => sub {
    my $mill = Hashmill->start(nginx_change => sub ($text) {
        return nginx_whole($text) =~ s/(limit_conn hashmill_open) \d+/$1 4/gr =~ s/127\.0\.0\.0\/8 1;//r;
    });
    my $id = $mill->new_item('waited for', 10);
    my @waits = map { my $socket = $mill->connection;
        print {$socket} "GET /items/$id?wait=30 HTTP/1.1\r\nHost: localhost\r\n\r\n"; $socket->flush; $socket } 1 .. 3;
    ok $mill->wait_parked(3), 'three waits are held';
    push @waits, $mill->connection;
    print { $waits[3] } "GET /items/$id?wait=30 HTTP/1.1\r\nHost: localhost\r\n\r\n";
    $waits[3]->flush;
    my $reply;
    ok wait_until(10, sub { ($reply = $mill->get('/healthz'))->status == 429 }), 'with a fourth a fifth request is answered 429';
    is_problem($reply, 429, 'too many connections');
    @waits = ();
    ok wait_until(10, sub { $mill->get('/healthz')->status == 200 }), 'without them it is served';
    $mill->close_instance;
};

subtest 'idle connections' => sub {
    my $files = raise_files(IDLE + SPARE);
    my $count = $files - SPARE < IDLE ? $files - SPARE : IDLE;
    diag "only $count idle connections: this user may open $files files" if $count < IDLE;
    my $mill = Hashmill->start;
    my @idle;
    for (1 .. $count) {
        my $socket = IO::Socket::INET->new(PeerAddr => $mill->{address}, PeerPort => $mill->{port}, Timeout => 10)
            or last;
        push @idle, $socket;
    }
    is scalar @idle, $count, "$count connections are made";
    serves($mill, 'beside them');
    my $id = $mill->new_item('waited for', 10);
    my $wait = background(sub { $mill->item($id, wait => 20)->json->{state} });
    ok $mill->wait_parked(1), 'a long poll is held beside them';
    1 while $mill->work_all;
    is $wait->result, 'done', 'and answered';
    @idle = ();
    $mill->close_instance;
};

subtest 'slow bodies and slow readers' => sub {
    my $mill = Hashmill->start(PROCESSES_PUBLIC => 2);
    $mill->new_item("item $_", 2) for 1 .. 1000;
    1 while $mill->work_all;
    my $slow = background(sub {
        my @sockets;
        for my $number (1 .. SLOW) {
            my $socket = $mill->connection;
            print {$socket} "PUT /enqueue?iterations=5 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n";
            $socket->flush;
            push @sockets, $socket;
        }
        for my $number (1 .. READERS) { # nothing of the reply is read
            my $socket = $mill->connection;
            setsockopt $socket, SOL_SOCKET, SO_RCVBUF, pack 'l', 4096;
            print {$socket} "POST /pullCompleted?top=1000 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n"
                . "Idempotency-Key: slow\r\n\r\n";
            $socket->flush;
            push @sockets, $socket;
        }
        until (stopping()) {
            for my $socket (@sockets[0 .. SLOW - 1]) { print {$socket} 'x'; $socket->flush }
            sleep 0.5;
        }
        return scalar @sockets;
    });
    ok wait_until(60, sub { $mill->stats->{items}{pulled} == 1000 }), 'the slow readers have their batch';
    serves($mill, 'beside ' . SLOW . ' slow bodies and ' . READERS . ' slow readers');
    is(($slow->stop->result)[0], SLOW + READERS, 'which were there all the time');
    $mill->close_instance;
};

subtest 'long polls' => sub {
    # One token has half of the places for leases.
    my $mill = Hashmill->start(PROCESSES_PUBLIC => 2, WAIT_SLOTS_PUBLIC => 50, WAIT_SLOTS_WORKER => 40);
    my $id = $mill->new_item('waited for', 10);
    my $grant = $mill->lease->json;
    my $ask = sub ($port, $request) {
        my $socket = $mill->connection($port);
        print {$socket} $request;
        $socket->flush;
        return $socket;
    };
    my @waits = map { $ask->($mill->{port}, "GET /items/$id?wait=30 HTTP/1.1\r\nHost: localhost\r\n\r\n") } 1 .. 50;
    ok $mill->wait_parked(50), 'as many waits as there are places are held';
    is_problem($mill->item($id, wait => 30), 503, 'one more');
    push @waits, map { my $body = JSON::PP::encode_json({ protocol => 1, request => uuid(), items => 1, wait => 25,
            iterations => 1, worker => $mill->worker_fields });
        $ask->($mill->{port} + 1, "POST /lease HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer $mill->{token}\r\n"
            . "Content-Length: " . length($body) . "\r\n\r\n$body") } 1 .. 20;
    ok $mill->wait_parked(70), 'and as many leases';
    is_problem($mill->lease(wait => 25), 503, 'one more');
    # These escape nginx's look at the parameter and come to the processes for short requests.
    my $start = time;
    my @escaped = map { $mill->get("/items/$id?%77ait=30")->json->{state} } 1 .. 4;
    is "@escaped", 'leased leased leased leased', 'a wait that gets among the short requests is answered';
    cmp_ok time - $start, '<', 4 * $bound, 'at once';
    is $mill->stats->{parked}, 70, 'all others are still held';
    for my $item ($grant->{items}->@*) {
        $mill->report({ id => $item->{id}, lease => $grant->{lease}, remaining => 0,
            chain => advance($item->{chain}, $item->{remaining}) });
    }
    ok $mill->wait_parked(20), 'the item is done: its waits are answered';
    my ($longest, $good) = enqueues($mill, 50);
    is $good, 50, 'enqueues are answered 201';
    cmp_ok $longest, '<', $bound, sprintf 'the longest took %.3f s', $longest;
    $mill->close_instance;
};

finish();
