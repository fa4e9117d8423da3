# Whoever can connect to the server's sockets may send half a record and fall silent, or nothing:
# others are served all the same.

use v5.36;
use FindBin;
use lib "$FindBin::Bin/../support";
use Test::More;
use Time::HiRes qw(time);
use Hashmill;
use Hashmill::FastCGI;

my $mill = Hashmill->start(PROCESSES_PUBLIC => 3);
my $id = $mill->new_item('item', 5);

my $whole = fcgi_begin(REQUEST_METHOD => 'GET', DOCUMENT_URI => '/stats', QUERY_STRING => '');
my %pieces = (
    'nothing' => '', 'half a header' => substr($whole, 0, 4), 'a header' => substr($whole, 0, 8),
    'no end of parameters' => substr($whole, 0, -8), 'half a parameter' => substr($whole, 0, 30),
    'no body' => fcgi_begin(REQUEST_METHOD => 'PUT', DOCUMENT_URI => '/enqueue',
        QUERY_STRING => 'iterations=1', CONTENT_LENGTH => 10),
);

sub silent ($socket, $bytes) {
    my $peer = fcgi_connect("$mill->{settings}{RUN_DIR}/$socket");
    $peer->syswrite($bytes);
    return $peer;
}

for my $name (sort keys %pieces) {
    subtest $name => sub {
        my @peers = map { silent('public.sock', $pieces{$name}) } 1 .. 2;
        my $begin = time;
        is $mill->enqueue('body', 1)->status, 201, 'fewer silent peers than processes';
        push @peers, map { silent('public.sock', $pieces{$name}) } 1 .. 4;
        is $mill->enqueue('body', 1)->status, 201, 'more of them';
        cmp_ok time - $begin, '<', 15, 'a request gets through between them';

        my $look = background(sub { $mill->item($id, wait => 30)->json->{state} });
        my $worker = background(sub { $mill->lease(wait => 25)->json->{items}[0]{id} });
        ok $mill->wait_parked(1), 'a look is parked, the lease got the item';
        is $worker->result, $id, 'indeed';
        push @peers, map { silent($_, $pieces{$name}) } ('public-wait.sock') x 3, ('worker-wait.sock') x 3;
        $worker = background(sub { $mill->lease(wait => 25)->json->{items}[0]{id} });
        ok $mill->wait_parked(2), 'a lease is parked beside silent peers';
        my $other = $mill->new_item('another', 5);
        is $worker->result, $other, 'and gets an item';
        $mill->call('DELETE', "/items/$_") for $id, $other;
        is $look->result, 'cancelled', 'the look is answered';
        $id = $mill->new_item('item', 5);
    };
}

subtest 'records that are wrong' => sub {
    my %wrong = ('noise' => "\xff" x 64, 'another version' => "\x09" . substr($whole, 1),
        'a huge parameter' => pack('CCnnCCnCx5', 1, 1, 1, 8, 0, 0, 1, 0)
            . pack('CCnnCC', 1, 4, 1, 8, 0, 0) . "\xff" x 8,
        'a body of another length' => $pieces{'no body'} . fcgi_body('x') . fcgi_body(''));
    for my $name (sort keys %wrong) {
        for my $socket (qw(public.sock worker.sock public-wait.sock worker-wait.sock)) {
            my $peer = silent($socket, $wrong{$name});
            $peer->shutdown(1);
            my ($status) = fcgi_reply($peer);
            ok $status == 0 || $status >= 400, "$socket: $name is refused";
        }
    }
    is $mill->enqueue('body', 1)->status, 201, 'others are served';
    is $mill->lease->status, 200, 'workers too';
};

finish();
