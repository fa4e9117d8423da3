package Hashmill::FakePeer;

# Another node that a test plays to a real one: a process that answers POST /peer/... as the test has
# told it, keeps nothing, and notes what it was asked.
#
#     my $peer = Hashmill::FakePeer->start(node => 1);
#     my $mill = Hashmill->start(PEERS => '1=' . $peer->url, PEER_TOKEN => $peer->token);
#     $peer->answer(look => { status => 200, json => { node => 1, item => {...} } });
#     $peer->answer(look => { silent => 1 });   # it takes the request and says nothing
#     $peer->answer(look => { cut => 1 });      # the connection ends without an answer
#     $peer->answer(look => { after => 2, status => 204 }); # it answers after seconds
#     $peer->answer(look => [{ ... }, { ... }]); # one after the other, the last one again and again
#     $peer->answer(look => undef);             # as at the start, see usual()
#     $peer->answer(hello => { with => { keys => undef } }); # the same with other members, or without some
#     $peer->answer('replica/read' => { status => 200, file => $path }); # bytes of it, as asked for
#     $_->{id} for $peer->asked('look');        # the bodies of the requests so far
#
# With replica => a path it keeps a replica there, as Hashmill::FakeReplica does.
#
# It ends with the test, even with one that is killed.

use v5.36;
use Errno qw(EAGAIN);
use File::Temp ();
use IO::Select ();
use IO::Socket::INET ();
use JSON::PP qw(decode_json encode_json);
use POSIX ();

use Hashmill::FakeReplica;
use Hashmill::Util;

use constant { EPOCH => 1_700_000_000 }; # of its pretended database

sub start ($class, %options) {
    my $listener = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => 0, Listen => 64,
        Blocking => 0) // die "listen: $!";
    my $self = bless { node => $options{node}, owner => $$, token => 'p' x 32, plan => {}, nonce => 5,
        replica => $options{replica} ? Hashmill::FakeReplica->new(@options{qw(node replica)}) : undef,
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

# Sets the answer to /peer/NAME: status and json (none: no body), silent or cut; undef: the usual one again.
sub answer ($self, $name, $answer) {
    $self->{plan}{$name} = $answer;
    $self->save_plan;
    return;
}

# By rename, so that the server never reads half a plan.
sub save_plan ($self) {
    spew("$self->{plan_file}.new", encode_json($self->{plan}));
    rename "$self->{plan_file}.new", "$self->{plan_file}" or die "$self->{plan_file}: $!";
    return;
}

# The bodies of all requests of /peer/NAME so far. Each has the token as sent in TOKEN. A body that is not JSON is in
# BYTES (except pages), with the query parameters beside it.
sub asked ($self, $name) {
    my @notes = map { decode_json($_) } (slurp("$self->{notes_file}") // '') =~ /(.*)\n/g; # not one that is half written
    my @asked = map { { $_->{body}->%*, TOKEN => $_->{token} } } grep { $_->{name} eq $name } @notes;
    $_->{BYTES} = pack 'H*', $_->{BYTES} for grep { defined $_->{BYTES} } @asked;
    return @asked;
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

# Answers the request that has come, once it is whole. False when the connection must end.
sub take ($self, $socket, $text) {
    my $head = index $$text, "\r\n\r\n";
    return 1 if $head < 0;
    my ($length) = substr($$text, 0, $head) =~ /^Content-Length: (\d+)/mi;
    return 1 if length $$text < $head + 4 + $length;
    my ($name, $query) = $$text =~ m{^POST /peer/([\w/]+)(?:\?(\S*))? };
    my ($token) = $$text =~ m{^Authorization: (.*?)\r\n}m;
    my $bytes = substr $$text, $head + 4, $length;
    my $body = defined $query ? { map({ split /=/, $_, 2 } split /&/, $query), BYTES => unpack 'H*', $bytes } : decode_json($bytes);
    $$text = '';
    open my $notes, '>>:raw', "$self->{notes_file}" or die "notes: $!";
    my %noted = $name eq 'replica/pages' ? (%$body, BYTES => '') : %$body; # pages are many
    print {$notes} encode_json({ name => $name, token => $token, body => \%noted }) . "\n";
    close $notes or die "notes: $!";
    my $answer = $self->planned($name) // $self->usual($name, $body);
    $answer = changed($self->usual($name, $body), $answer->{with}) if $answer->{with};
    return 0 if $answer->{cut};
    select undef, undef, undef, $answer->{after} if $answer->{after}; # serves nobody for these seconds
    $answer->{bytes} = piece($answer->{file}, $body) if defined $answer->{file};
    reply($socket, $answer) if !$answer->{silent};
    return 1;
}

# The answer that the test has set, or undef.
sub planned ($self, $name) {
    my $text = slurp("$self->{plan_file}");
    my $answer = decode_json($text)->{$name};
    return $answer if ref $answer ne 'ARRAY';
    $self->{rows}{$name} = { text => $text, next => 0 } if ($self->{rows}{$name}{text} // '') ne $text;
    my $at = $self->{rows}{$name}{next}++;
    return $answer->[$at < $#$answer ? $at : -1];
}

# An answer with other members; undef: without that one.
sub changed ($answer, $with) {
    my %json = ($answer->{json}->%*, %$with);
    delete @json{ grep { !defined $json{$_} } keys %json };
    return { %$answer, json => \%json };
}

# The rest of the answer to a hello.
sub heard ($self, $body) {
    my $counts = $body->{nonce} == $self->{nonce};
    my @loans = $counts ? map { { loan => $_, ttl => 60 } } $body->{loans}->@* : ();
    $self->{nonce}++ if $counts;
    return (counts => $counts ? JSON::PP::true : JSON::PP::false, nonce => $self->{nonce}, loans => \@loans,
        clients => JSON::PP::true, keys => JSON::PP::true);
}

# The answers of a peer that has nothing, wants nothing, lends whatever is asked for, knows of no pull, has no replica,
# takes no copy, and takes all batches.
sub usual ($self, $name, $body) {
    my %nothing = (node => $self->{node}, done => 0);
    return { status => 200, json => { %nothing, $self->heard($body) } } if $name eq 'hello';
    return { status => 200, json => \%nothing } if $name eq 'done';
    return { status => 200, json => { %nothing, items => [] } } if $name eq 'reserve';
    return { status => 200, json => { node => $self->{node}, epoch => EPOCH,
        pulls => [map { { state => 'unknown', rest => 0 } } $body->{pulls}->@*] } } if $name eq 'pulls';
    return { status => 200, json => $self->{replica}->answer($name, $body) } if $self->{replica} && $name =~ m{^replica/(?:state|pages|batches|compare)$};
    return { status => 200, json => { node => $self->{node}, replica => undef, known => undef } } if $name eq 'replica/state';
    return { status => 200, json => { node => $self->{node}, result => 'ok', batch => last_batch(pack 'H*', $body->{BYTES}) } }
        if $name eq 'replica/batches';
    return problem(404, 'not-found');
}

# The number of the last of some records of batches.
sub last_batch ($records) {
    my $last = 0;
    while ($records ne '') {
        my ($size, $number) = unpack 'x4 V q<', $records;
        $last = $number;
        substr $records, 0, 48 + $size, '';
    }
    return $last;
}

# A problem as an answer.
sub problem ($status, $type) {
    return { status => $status, json => { type => "urn:hashmill:problem:$type", title => 'No', status => $status,
        detail => 'No.' } };
}

# The part of a file that was asked for.
sub piece ($path, $body) {
    open my $file, '<:raw', $path or die "$path: $!";
    seek $file, $body->{at}, 0 or die "$path: $!";
    read($file, my $bytes, $body->{length}) // die "$path: $!";
    return $bytes;
}

sub reply ($socket, $answer) {
    my $text = $answer->{bytes} // ($answer->{json} ? encode_json($answer->{json}) : '');
    my $size = $answer->{status} == 204 ? '' : 'Content-Length: ' . length($text) . "\r\n";
    $socket->blocking(1);
    print {$socket} "HTTP/1.1 $answer->{status} X\r\n$size\r\n$text";
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
