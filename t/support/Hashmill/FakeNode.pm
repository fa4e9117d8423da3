package Hashmill::FakeNode;

# A node that a test plays to a real worker: one process that listens on some ports, answers every
# lease and every report by the test's code, and keeps nothing, so that hundreds of thousands of them
# take minutes. Requests come as the worker sends them: POST, with a Content-Length.
#
#     my $fake = Hashmill::FakeNode->start(ports => 2,
#         lease   => sub ($request) { ($status, $body) },      # the request's JSON as text, not parsed:
#         results => sub ($request) { ($status, $body) });     # that would take longest of all
#     my $worker = $fake->start_worker($build);
#     $fake->counts->{results}; # calls answered so far; also leases, and what was in reports that were
#                               # answered: items, and of these values and releases
#
# It ends with the test, even with one that is killed.

use v5.36;
use Errno qw(EAGAIN);
use File::Temp ();
use IO::Select ();
use IO::Socket::INET ();
use POSIX ();

use Hashmill::Process;
use Hashmill::Util;

my @counted = qw(leases results items values releases);

sub start ($class, %options) {
    my @listeners = map { IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => 0, Listen => 64,
        Blocking => 0) // die "listen: $!" } 1 .. $options{ports} // 1;
    my $counts = File::Temp->new;
    my $test = $$;
    my $pid = fork // die "fork: $!";
    if ($pid == 0) {
        $SIG{$_} = 'DEFAULT' for qw(INT TERM);
        $SIG{PIPE} = 'IGNORE';
        # A handle of its own: one from before the fork would share its position with the parent's.
        eval {
            open my $file, '+<:raw', "$counts" or die "$counts: $!";
            serve(\%options, $test, $file, @listeners);
            POSIX::_exit(0);
        };
        print {*STDERR} $@;
        POSIX::_exit(1);
    }
    return bless { pid => $pid, owner => $$, counts => $counts,
        urls => [map { 'http://127.0.0.1:' . $_->sockport } @listeners] }, $class;
}

# How many calls were answered and what they reported.
sub counts ($self) {
    my $bytes = slurp("$self->{counts}");
    my %counts = map { $_ => 0 } @counted;
    @counts{@counted} = unpack 'q*', $bytes if length $bytes == 8 * @counted;
    return \%counts;
}

# Serves until the test, a process id, is gone.
sub serve ($options, $test, $counts_file, @listeners) {
    my $select = IO::Select->new(@listeners);
    my %is_listener = map { $_ => 1 } @listeners;
    my %text; # read so far, by connection
    my %counts = map { $_ => 0 } @counted;
    while (getppid == $test) {
        for my $socket ($select->can_read(1)) {
            if ($is_listener{$socket}) {
                my $connection = $socket->accept // next;
                $connection->blocking(0);
                $select->add($connection);
                $text{$connection} = '';
                next;
            }
            my $length = sysread $socket, $text{$socket}, 262_144, length $text{$socket};
            next if !defined $length && $! == EAGAIN;
            if (!$length || !answer($socket, \$text{$socket}, $options, \%counts, $counts_file)) {
                $select->remove($socket);
                delete $text{$socket};
                close $socket;
            }
        }
    }
}

# Answers the request that has come, once it is whole. False when the connection must end: the test's code returned
# status 0.
sub answer ($socket, $text, $options, $counts, $counts_file) {
    my $head = index $$text, "\r\n\r\n";
    return 1 if $head < 0;
    my ($length) = substr($$text, 0, $head) =~ /^Content-Length: (\d+)/mi;
    return 1 if length $$text < $head + 4 + $length;
    my ($path) = $$text =~ m{^POST /(\w+) };
    my $request = substr $$text, $head + 4, $length;
    $$text = '';
    my ($status, $body) = $options->{$path}->($request);
    count($counts, $path, $request);
    note($counts, $counts_file);
    return 0 if !$status;
    my $reply = "HTTP/1.1 $status X\r\n"
        . ($status == 204 ? "\r\n" : 'Content-Length: ' . length($body) . "\r\n\r\n$body");
    $socket->blocking(1);
    print {$socket} $reply;
    $socket->flush;
    $socket->blocking(0);
    return 1;
}

sub count ($counts, $path, $request) {
    $counts->{leases}++ if $path eq 'lease';
    $counts->{results}++ if $path eq 'results';
    $counts->{items}    += () = $request =~ /"remaining"/g;
    $counts->{values}   += () = $request =~ /"remaining":0\b/g;
    $counts->{releases} += () = $request =~ /"release":true/g;
    return;
}

sub note ($counts, $file) {
    sysseek $file, 0, 0;
    syswrite $file, pack 'q*', $counts->@{@counted};
    return;
}

# A real worker of that build that works for this node and ends with it. Returns its Hashmill::Process.
sub start_worker ($self, $build, %settings) {
    my %all = (NODES => join(',', $self->{urls}->@*), WORKER_TOKEN => 'x' x 32, THREADS => 2, IDLE_SECONDS => 0,
        %settings);
    $self->{log} = File::Temp->new;
    return $self->{worker} = Hashmill::Process->start(log => "$self->{log}", env => \%all,
        command => ["$build/hashmill-worker"]);
}

sub stop ($self) {
    $self->{worker}->kill('KILL') if $self->{worker};
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
