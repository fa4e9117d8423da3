# One address has at most a tenth of each pool, and what comes slower than a floor is cut off: whatever one does,
# others are served. The addresses are those of loopback; all but one are treated as strangers here.

use v5.36;
use FindBin;
use lib "$FindBin::Bin/../support";
use Test::More;
use IO::Socket::INET ();
use IO::Select ();
use JSON::PP ();
use Time::HiRes qw(sleep time);
use Hashmill;

use constant { SPARE => 300, BODIES => 4096, ADDRESSES => 5, WAITS => 300, LEASES => 60, FLOOR_SECONDS => 2 };

my $bound = sanitized() ? 5 : 2; # seconds for a request beside others
my $lua = '/usr/lib/nginx/modules/ngx_http_lua_module.so';

sub strangers ($text) { return $text =~ s/127\.0\.0\.0\/8 1;/127.0.0.1 1;/r }

# A connection from an address, on which a request was sent.
sub send_from ($address, $port, $bytes) {
    my $socket = IO::Socket::INET->new(LocalAddr => $address, PeerAddr => '127.0.0.1', PeerPort => $port, Timeout => 10) // return;
    $socket->autoflush(1);
    $socket->print($bytes);
    return $socket;
}

# What has been answered on sockets by now: how many of each status.
sub answered (@sockets) {
    my %count;
    my $select = IO::Select->new(@sockets);
    for my $socket ($select->can_read(0)) {
        sysread $socket, my $text, 4096;
        $count{ $text =~ m{^HTTP/1.1 (\d+)} ? $1 : 'none' }++;
    }
    return \%count;
}

# Asserts that a request of another address is served as ever.
sub serves ($mill, $name) {
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my ($start, $reply) = time;
    ok wait_until(20, sub { $start = time; ($reply = $mill->enqueue("beside $name", 10))->status == 201 }), "$name: another address enqueues"
        or diag $reply->status;
    cmp_ok time - $start, '<', $bound, 'as fast as ever';
    return;
}

my $mill = Hashmill->start(nginx_change => \&strangers);

subtest 'long polls' => sub {
    my $id = $mill->new_item('waited for', 10);
    my @waits = map { send_from('127.0.0.2', $mill->{port}, "GET /items/$id?wait=30 HTTP/1.1\r\nHost: localhost\r\n\r\n") } 1 .. WAITS;
    ok $mill->wait_parked(100), 'a tenth of the places is taken';
    my $refused = 0;
    ok wait_until(20, sub { $refused += answered(@waits)->{429} // 0; $refused == WAITS - 100 }), 'the others are refused';
    my $other = send_from('127.0.0.3', $mill->{port}, "GET /items/$id?wait=30 HTTP/1.1\r\nHost: localhost\r\n\r\n");
    ok $mill->wait_parked(101), 'another address has its place';
    serves($mill, 'long polls');
    @waits = ();
    ok $mill->wait_parked(1), 'those that go leave theirs';
};

subtest 'leases' => sub {
    1 while $mill->work_all;
    my $lease = sub ($address) {
        my $body = JSON::PP::encode_json({ protocol => 1, request => uuid(), items => 1, wait => 25, iterations => 1, worker => $mill->worker_fields });
        return send_from($address, $mill->{port} + 1, "POST /lease HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer $mill->{token}\r\n"
            . 'Content-Length: ' . length($body) . "\r\n\r\n$body");
    };
    my @leases = map { $lease->('127.0.0.2') } 1 .. LEASES;
    ok $mill->wait_parked(25), 'a tenth of the places is taken';
    my $refused = 0;
    ok wait_until(20, sub { $refused += answered(@leases)->{429} // 0; $refused == LEASES - 25 }), 'the others are refused';
    push @leases, $lease->('127.0.0.3');
    ok $mill->wait_parked(26), 'a worker at another address has its place';
    @leases = ();
    ok $mill->wait_parked(0), 'those that go leave theirs';
};

subtest 'bodies that never end' => sub {
    my $count = raise_files(BODIES + SPARE) - SPARE;
    plan skip_all => "this user may open $count files" if $count < BODIES;
    my @sockets = map { send_from('127.0.0.' . (2 + $_ % ADDRESSES), $mill->{port},
        "PUT /enqueue?iterations=5 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\nx") } 1 .. BODIES;
    serves($mill, 'bodies');
    ok wait_until(20, sub { @sockets = grep { !IO::Select->new($_)->can_read(0) } @sockets; @sockets <= 200 * ADDRESSES }),
        'of each address 200 are taken';
    cmp_ok scalar @sockets, '>', 0, 'these are under way';
    serves($mill, 'bodies under way');
};

$mill->close_instance;

subtest 'a body slower than the floor' => sub {
    plan skip_all => 'libnginx-mod-http-lua is not installed' if !-e $lua;
    my $timed = Hashmill->start(nginx_change => sub ($text) {
        my $slow = slurp("$FindBin::Bin/../../nginx/slow-bodies.conf") =~ s/local seconds = 10 /local seconds = @{[FLOOR_SECONDS]} /r;
        return "load_module /usr/lib/nginx/modules/ndk_http_module.so;\nload_module $lua;\n"
            . $text =~ s/127\.0\.0\.0\/8 1;//r =~ s/^( *include "\S+hashmill-(?:public|worker)\.conf";)/$1\n$slow/gmr;
    });
    my $body_of = sub ($header) {
        return send_from('127.0.0.2', $timed->{port}, "PUT /enqueue?iterations=5 HTTP/1.1\r\nHost: localhost\r\n$header\r\n\r\n");
    };
    my $slow = $body_of->('Content-Length: 1000');
    my $start = time;
    my $ended = 0;
    until ($ended || time - $start > 20) { # a byte in half a second: no gap is long
        local $SIG{PIPE} = 'IGNORE';
        $slow->print('x');
        $ended = IO::Select->new($slow)->can_read(0.5);
    }
    my $seconds = time - $start;
    cmp_ok $seconds, '>=', FLOOR_SECONDS - 0.1, sprintf 'one byte in half a second is cut off after %.2f s', $seconds;
    cmp_ok $seconds, '<', FLOOR_SECONDS + $bound, 'and not later';
    is sysread($slow, my $nothing, 100) // 0, 0, 'without an answer';
    my $fine = $body_of->('Content-Length: 8');
    for my $byte (split //, 'in piece') { $fine->print($byte); sleep 0.05 }
    ok IO::Select->new($fine)->can_read(10), 'a body that comes in time';
    sysread $fine, my $head, 100;
    like $head, qr{^HTTP/1.1 201 }, 'is taken';
    is $timed->enqueue('y' x 200_000, 5)->status, 201, 'so is a large one';
    my @pieces = ('piece') x 1000;
    is $timed->call('PUT', '/enqueue?iterations=1', content => sub { shift @pieces })->status, 201, 'and a chunked one';
    is_problem($timed->enqueue('x' x 262_145, 5), 413, 'one that is too large');
    is $timed->get('/healthz')->status, 200, 'a request without a body';
    1 while $timed->work_all;
    is $timed->lease->status, 204, 'a lease';
    $timed->close_instance;
};

finish();
