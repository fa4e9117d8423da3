package Hashmill::Soak::World;

# The world of a soak: two nodes, two workers for both, and the links among them, where there can be hosts.

use v5.36;
use Digest::SHA qw(sha512_hex);
use Time::HiRes qw(sleep time);

use Hashmill ();
use Hashmill::Process;
use Hashmill::Reply;
use Hashmill::Soak::Node;
use Hashmill::Soak::Switch;
use Hashmill::Util;

# A lease lapses soon.
use constant { LEASE_SECONDS => 4, WAIT => 5, WORKERS => 2, PATIENCE => 10, PATIENCE_JOBS => 300 };

# Starts it all. hosts: whether the test is among hosts of its own; disk: bytes of each node's; copy: COPY.
sub start ($class, $history, %options) {
    my $self = bless { history => $history->writer('world'), workers => [] }, $class;
    if ($options{hosts}) {
        $self->{switch} = Hashmill::Soak::Switch->start(here => ['10.77.0.1/24'], workers => ['10.77.0.20/24'],
            map { ("node$_" => [Hashmill::Soak::Node::address($_) . '/24', Hashmill::Soak::Node::peer_address($_) . '/24']) } 0, 1);
    }
    my $first = $options{hosts} ? 0 : free_port_pair(2);
    my ($worker_token, $peer_token) = map { sha512_hex(random_body(32)) } 1, 2;
    $self->{nodes} = [map { Hashmill::Soak::Node->start(
        NODE => $_, WORKER_TOKEN => $worker_token, PEER_TOKEN => $peer_token, COPY => $options{copy}, PROCESSES_PUBLIC => 2,
        LEASE_SECONDS => LEASE_SECONDS, PEER_MS => 500, WORKERS_MAX => 1,
        WAIT_LAUNCH_SECONDS => 5, ports => [$first, $first + 2], %options{qw(hosts shim disk)}) } 0, 1];
    $_->{http} = Hashmill::Reply::client(PATIENCE) for $self->nodes;
    $self->start_worker($_) for 0 .. WORKERS - 1;
    return $self;
}

sub nodes ($self) { return $self->{nodes}->@* }

sub node ($self, $number) { return $self->{nodes}[$number] }

sub worker ($self, $number) { return $self->{workers}[$number] }

# A worker that belongs to neither node.
sub start_worker ($self, $number) {
    $self->{workers}[$number] = $self->node($number)->start_worker(THREADS => 1, env => { HASHMILL_TEST_INSTANCE => 'workers' });
    return;
}

# What a link does from now on; see Hashmill::Soak::Switch.
sub set_link ($self, $link, %does) {
    my @ends = map { $_ eq 'clients' ? 'here' : $_ } @$link;
    $self->{switch}->set(@ends, %does);
    return;
}

# Starts what has ended, and notes why it ended.
sub tend ($self) {
    for my $node ($self->nodes) {
        $self->{history}->note(op => 'stopped', what => 'node ' . $node->number, why => $_) for $node->tend;
    }
    if (!grep { $_->waits_seconds < WAIT } $self->nodes) {
        my ($node) = grep { !$_->{lost} } $self->nodes;
        $node->go_alone;
        $self->{history}->note(op => 'alone', node => $node->number);
    }
    for my $number (0 .. WORKERS - 1) {
        my $worker = $self->worker($number);
        next if $worker->alive;
        $self->{history}->note(op => 'stopped', what => "worker $number", why => Hashmill::Soak::Node::ended($worker));
        $self->start_worker($number);
    }
    return;
}

# Waits until the code returns something true; that, or false. Starts again what ends meanwhile.
sub wait_for ($self, $seconds, $code) {
    my $end = time + $seconds;
    while (time < $end) {
        $self->tend;
        my $answer = eval { $code->() };
        return $answer if $answer;
        sleep 0.1;
    }
    return 0;
}

# Waits until the nodes hear each other, have each other's batches, and have settled their pulls.
sub wait_told ($self, $seconds) {
    return $self->wait_for($seconds, sub { !grep {
        my $stats = $_->stats;
        my $peer = $stats->{peers}[0];
        $peer->{away} || $peer->{replica} ne 'following' || $peer->{behind}{batches} || $stats->{set_aside} } $self->nodes });
}

# Waits until the replica of each node's database is equal to it; returns the nodes without such a replica, or ''.
sub wait_equal ($self, $seconds) {
    my $which;
    $self->wait_for($seconds, sub {
        $which = join ', ', map { 'node ' . $_->number } grep {
            $_->dump_database ne $self->node(1 - $_->number)->dump_database('-replica') } $self->nodes;
        return $which eq '';
    });
    return $which;
}

sub wait_computed ($self, $seconds) {
    return $self->wait_for($seconds, sub { !grep {
        my $stats = $_->stats;
        $stats->{items}{waiting} || $stats->{items}{leased} } $self->nodes });
}

# Waits for jobs. Starts again what ends meanwhile.
sub wait_jobs ($self, @jobs) {
    $self->wait_for(PATIENCE_JOBS, sub { !grep { !$_->ended } @jobs });
    $_->result for @jobs;
    return;
}

# Lines in the logs that must not be there, of all that was started here.
sub complaints ($self) { return map { my $node = $_; map { 'node ' . $node->number . ": $_" } $node->complaints } $self->nodes }

# Ends everything in order; returns what went wrong.
sub end ($self) {
    my @wrong;
    for my $worker ($self->{workers}->@*) {
        $worker->kill('TERM');
        push @wrong, 'a worker does not drain: ' . ($worker->{status} // 'it runs') if ($worker->wait_exit(20) // 1) != 0;
        $worker->kill('KILL');
    }
    push @wrong, map { $_->end } $self->nodes;
    $self->{carried} = $self->{switch}->stop if $self->{switch};
    return @wrong;
}

1;
