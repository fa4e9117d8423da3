package Hashmill::Soak::Rude;

# Clients and workers that break off: they reset connections in the middle of a request, or of its answer. Then they
# repeat the request, like a client that came back.

use v5.36;
use parent 'Exporter';
use IO::Select ();
use IO::Socket::INET ();
use JSON::PP qw(encode_json);
use Socket qw(SO_LINGER SOL_SOCKET);
use Time::HiRes qw(sleep);

use Hashmill ();
use Hashmill::Soak::Clients;
use Hashmill::Util;

our @EXPORT = qw(break_off);

use constant { TIMES => 6, LINGER => pack('i i', 1, 0) };

# Resets TIMES connections to a node; where is request or answer.
sub break_off ($shared, $name, $node, $where) {
    my $history = $shared->writer($name);
    for my $number (1 .. TIMES) {
        my $key = "$name-$number";
        my $n = 1 + int rand 500;
        my $body = asked_body($key);
        my %same = ("Host: localhost\r\nIdempotency-Key: $key\r\n" => '');
        my $head = join '', keys %same;
        reset_one($node, $node->{port}, "PUT /enqueue?iterations=$n HTTP/1.1\r\n${head}Content-Length: "
            . length($body) . "\r\n\r\n$body", $where);
        enqueue_until($history, $node, $key, $n);
        reset_one($node, $node->{port}, "POST /pullCompleted?top=3&order=oldest HTTP/1.1\r\n${head}Content-Length: 0\r\n\r\n", $where);
        pull_until($history, $node, $key, 3, 'oldest');
        my $lease = encode_json({ protocol => 1, request => uuid(), worker => { Hashmill::worker_fields()->%*, name => $name },
            items => 2, iterations => 10_000, wait => 0 });
        reset_one($node, $node->{port} + 1, "POST /lease HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer $node->{token}\r\n"
            . "Content-Type: application/json\r\nContent-Length: " . length($lease) . "\r\n\r\n$lease", $where);
    }
    return;
}

# Sends a part of a request, or all of it and reads a part of the answer; then resets the connection.
sub reset_one ($node, $port, $request, $where) {
    my $socket = IO::Socket::INET->new(PeerAddr => $node->{address}, PeerPort => $port, Timeout => 3) or return;
    $socket->sockopt(SO_LINGER, LINGER);
    local $SIG{PIPE} = 'IGNORE';
    if ($where eq 'request') {
        syswrite $socket, substr $request, 0, 1 + int rand length $request;
        sleep rand 0.02;
    }
    else {
        syswrite $socket, $request;
        sysread $socket, my $part, 1 + int rand 60 if IO::Select->new($socket)->can_read(rand 0.05);
    }
    close $socket;
    return;
}

1;
