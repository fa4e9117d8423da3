package Hashmill::FakePeer;

# Another node that a test plays to a real one: a process that answers POST /peer/... as the test has
# told it, keeps nothing, and notes what it was asked.
#
#     my $peer = Hashmill::FakePeer->start(node => 1);
#     my $mill = Hashmill->start(PEERS => '1=' . $peer->url, PEER_TOKEN => $peer->token);
#     $peer->answer(look => { status => 200, json => { node => 1, item => {...} } });
#     $peer->answer(look => { silent => 1 });   # it takes the request and says nothing
#     $peer->answer(look => { cut => 1 });      # the connection ends without an answer
#     $peer->answer(look => undef);             # as at the start, see usual()
#     $_->{id} for $peer->asked('look');        # the bodies of the requests so far
#
# It ends with the test, even with one that is killed.

use v5.36;
use Errno qw(EAGAIN);
use File::Temp ();
use IO::Select ();
use IO::Socket::INET ();
use JSON::PP qw(decode_json encode_json);
use POSIX ();

use Hashmill::Util;

sub start ($class, %options) {
    my $listener = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => 0, Listen => 64,
        Blocking => 0) // die "listen: $!";
    my $self = bless { node => $options{node}, owner => $$, token => 'p' x 32, plan => {}, nonce => 5,
        plan_file => File::Temp->new, notes_file => File::Temp->new,
        url => 'http://127.0.0.1:' . $listener->sockport }, $class;
    $self->save_plan;
    my $test = $$;
    $self->{pid} = fork // die "fork: $!";
    if ($self->{pid} == 0) {
        $SIG{$_} = 'DEFAULT' for qw(INT TERM);
        $SIG{PIPE} = 'IGNORE';
        eval { $self->serve($test, $listener); POSIX::_exit(0) };
        print {*STDERR} $@;
        POSIX::_exit(1);
    }
    return $self;
}

sub url ($self)   { return $self->{url} }
sub token ($self) { return $self->{token} }

# From now on this is the answer to /peer/NAME: status and json (none: no body), silent or cut; with
# undef the usual one again.
sub answer ($self, $name, $answer) {
    $self->{plan}{$name} = $answer;
    $self->save_plan;
    return;
}

# By rename, so that the server never reads half of it.
sub save_plan ($self) {
    spew("$self->{plan_file}.new", encode_json($self->{plan}));
    rename "$self->{plan_file}.new", "$self->{plan_file}" or die "$self->{plan_file}: $!";
    return;
}

# The bodies of all requests of /peer/NAME so far. Each has the token as sent besides, as TOKEN.
sub asked ($self, $name) {
    my @notes = map { decode_json($_) } split /\n/, slurp("$self->{notes_file}") // '';
    return map { { $_->{body}->%*, TOKEN => $_->{token} } } grep { $_->{name} eq $name } @notes;
}

# --- the process ----------------------------------------------------------------------------------

# Serves until the test, a process id, is gone.
sub serve ($self, $test, $listener) {
    my $select = IO::Select->new($listener);
    my %text; # read so far, by connection
    while (getppid == $test) {
        for my $socket ($select->can_read(1)) {
            if ($socket == $listener) {
                my $connection = $socket->accept // next;
                $connection->blocking(0);
                $select->add($connection);
                $text{$connection} = '';
                next;
            }
            my $length = sysread $socket, $text{$socket}, 262_144, length $text{$socket};
            next if !defined $length && $! == EAGAIN;
            if (!$length || !$self->take($socket, \$text{$socket})) {
                $select->remove($socket);
                delete $text{$socket};
                close $socket;
            }
        }
    }
    return;
}

# Answers the request that is there, once it is whole. False when the connection is to end.
sub take ($self, $socket, $text) {
    my $head = index $$text, "\r\n\r\n";
    return 1 if $head < 0;
    my ($length) = substr($$text, 0, $head) =~ /^Content-Length: (\d+)/mi;
    return 1 if length $$text < $head + 4 + $length;
    my ($name)  = $$text =~ m{^POST /peer/(\w+) };
    my ($token) = $$text =~ m{^Authorization: (.*?)\r\n}m;
    my $body = decode_json(substr $$text, $head + 4, $length);
    $$text = '';
    open my $notes, '>>:raw', "$self->{notes_file}" or die "notes: $!";
    print {$notes} encode_json({ name => $name, token => $token, body => $body }) . "\n";
    close $notes or die "notes: $!";
    my $answer = decode_json(slurp("$self->{plan_file}"))->{$name} // $self->usual($name, $body);
    return 0 if $answer->{cut};
    reply($socket, $answer) if !$answer->{silent};
    return 1;
}

# The rest of the answer to a hello.
sub heard ($self, $body) {
    my $counts = $body->{nonce} == $self->{nonce};
    my @loans = $counts ? map { { loan => $_, ttl => 60 } } $body->{loans}->@* : ();
    $self->{nonce}++ if $counts;
    return (counts => $counts ? JSON::PP::true : JSON::PP::false, nonce => $self->{nonce}, loans => \@loans);
}

# What a peer says that has nothing, wants nothing, and lends whatever is asked for.
sub usual ($self, $name, $body) {
    my %nothing = (node => $self->{node}, done => 0);
    return { status => 200, json => { %nothing, $self->heard($body) } } if $name eq 'hello';
    return { status => 200, json => \%nothing } if $name eq 'done';
    return { status => 200, json => { %nothing, items => [] } } if $name eq 'transfer';
    return { status => 204 } if $name eq 'copies';
    return { status => 404, json => { type => 'urn:hashmill:problem:not-found', title => 'Not found',
        status => 404, detail => 'No such item.' } };
}

sub reply ($socket, $answer) {
    my $json = $answer->{json} ? encode_json($answer->{json}) : '';
    my $size = $answer->{status} == 204 ? '' : 'Content-Length: ' . length($json) . "\r\n";
    $socket->blocking(1);
    print {$socket} "HTTP/1.1 $answer->{status} X\r\n$size\r\n$json";
    $socket->flush;
    $socket->blocking(0);
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
