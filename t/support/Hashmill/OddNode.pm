package Hashmill::OddNode;

# A node that a test plays to the client program, to answer what no node would:
#
#     my $node = Hashmill::OddNode->start(sub ($request) { (200, '[]', 'Retry-After: 5') }); # status, body, more header lines
#     my $node = Hashmill::OddNode->start(sub ($request) { "HTTP/1.1 200 OK\r\n..." });      # or the reply byte by byte
#     Hashmill::Client->new(undef, url => $node->url);
#     $node->requests; # of each so far: { line => 'GET /items HTTP/1.1', head => '...', body => '...' }
#
# The code runs in a process of its own, which keeps its variables from request to request. One connection after the
# other, a request each. It ends with the test.

use v5.36;
use File::Temp ();
use IO::Socket::INET ();
use JSON::PP ();
use POSIX ();

use Hashmill::Util;

sub start ($class, $answer) {
    my $listener = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => 0, Listen => 64) // die "listen: $!";
    my $log = File::Temp->new;
    my $test = $$;
    my $pid = fork // die "fork: $!";
    if ($pid == 0) {
        $SIG{$_} = 'DEFAULT' for qw(INT TERM);
        $SIG{PIPE} = 'IGNORE';
        eval { serve($listener, "$log", $answer) while getppid == $test };
        print {*STDERR} $@ if $@;
        POSIX::_exit(0);
    }
    return bless { pid => $pid, owner => $$, log => $log, url => 'http://127.0.0.1:' . $listener->sockport }, $class;
}

sub url ($self) { return $self->{url} }

sub requests ($self) { return map { JSON::PP::decode_json($_) } split /\n/, slurp("$self->{log}") // '' }

# Takes a connection if there is one within a second.
sub serve ($listener, $log, $answer) {
    my $bits = '';
    vec($bits, fileno $listener, 1) = 1;
    return if select($bits, undef, undef, 1) <= 0;
    my $socket = $listener->accept // return;
    my %request = (line => '', head => '', body => '');
    while (defined(my $line = readline $socket)) { $request{head} .= $line; last if $line eq "\r\n" }
    return if $request{head} eq '';
    read $socket, $request{body}, $1 if $request{head} =~ /^Content-Length: (\d+)/mi;
    ($request{line}) = $request{head} =~ /\A(.*?)\r\n/;
    open my $out, '>>', $log or die "$log: $!";
    print {$out} JSON::PP->new->latin1->encode(\%request), "\n";
    close $out;
    my ($status, $body, @headers) = $answer->({ %request, socket => $socket });
    my $reply = defined $body ? join("\r\n", "HTTP/1.1 $status X", 'Connection: close', 'Content-Length: ' . length $body, @headers, '', $body)
        : $status;
    print {$socket} $reply;
    close $socket;
    return;
}

sub stop ($self) {
    kill 'KILL', $self->{pid};
    waitpid $self->{pid}, 0;
    $self->{stopped} = 1;
    return;
}

sub DESTROY ($self) {
    return if $self->{stopped} || $self->{owner} != $$;
    local ($?, $!);
    $self->stop;
    return;
}

1;
