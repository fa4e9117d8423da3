package Hashmill::PairNode;

# One of the two nodes of a Hashmill::Pair: an instance on a host of its own, whose workers are on another.

use v5.36;
use parent 'Hashmill::Fleet';

use Hashmill::Namespaces;
use Hashmill::Util;

use constant { PORT => 8080 };

# Its name among hosts and its addresses: where clients and workers find it, and its peer.
sub host_name ($node)    { return "node$node" }
sub address ($node)      { return '10.77.0.' . (10 + $node) }
sub peer_address ($node) { return '10.77.1.' . (10 + $node) }

# Starts it; options as Hashmill::Fleet's. NODE is given; it has no fleet unless fleet => 1.
# fleet_program => what its machines run.
sub start ($class, %options) {
    my $node = $options{NODE};
    my $peer = 1 - $node;
    $options{PROVIDER} = '' if !delete $options{fleet};
    my $self = $class->SUPER::start(
        address => address($node), listen => '0.0.0.0', port => PORT, inside => [inside(host_name($node))],
        worker_inside => [inside('workers')], PROCESSES_PUBLIC => 2,
        PEERS => "$peer=http://" . peer_address($peer) . ':' . (PORT + 1), %options);
    $self->expect_log(qr/initgroups\(root, 0\) failed/); # nginx, if it is not really root; it serves all the same
    return $self;
}

# Both nodes, its own first.
sub worker_nodes ($self) {
    my $node = $self->{settings}{NODE};
    return join ',', map { 'http://' . address($_) . ':' . (PORT + 1) } $node, 1 - $node;
}

# The program of its machines, on the workers' host. What is run instead of the worker goes by its name,
# which is how workers are known.
sub fleet_worker ($self) {
    my $file = "$self->{dir}/machine";
    return $file if -e $file;
    my $program = $self->program('hashmill-worker');
    if ($self->{fleet_program}) {
        $program = "$self->{dir}/hashmill-worker";
        symlink $self->{fleet_program}, $program or die "$program: $!\n";
    }
    spew($file, "#!/bin/sh\nexec @{[inside('workers')]} $program \"\$@\"\n");
    chmod 0755, $file;
    return $file;
}

# What its /stats says of the other.
sub peer_stats ($self) { return $self->stats->{peers}[0] }

# Waits until the other counts as away, or not any more.
sub wait_away ($self, $away = 1) {
    return wait_until(60, sub { !!$self->peer_stats->{away} eq !!$away });
}

# Waits until a look at an item of the other's is forwarded and answered: there is no such item.
sub wait_asked ($self) {
    my $variant = sprintf '%02x%02x', 0x80 | (1 - $self->{settings}{NODE}) >> 2, (1 - $self->{settings}{NODE} & 3) << 6;
    return wait_until(60, sub { $self->item("00000000-0000-7000-$variant-000000000000")->status == 404 });
}

# Waits until the other has all batches of this one's database.
sub wait_told ($self) {
    return wait_until(60, sub {
        my $peer = $self->peer_stats;
        return $peer->{replica} eq 'following' && $peer->{behind}{batches} == 0;
    });
}

# Everything in its database, as text; or in the replica that it keeps of the other's.
sub dump_database ($self, $file = '') {
    return '' if !-e "$self->{settings}{DATABASE}$file";
    open my $pipe, '-|', 'sqlite3', '-readonly', "$self->{settings}{DATABASE}$file", '.dump' or die "sqlite3: $!";
    my @lines = <$pipe>;
    close $pipe or return '';
    return join '', @lines;
}

sub dump_replica ($self) { return $self->dump_database('-replica') }

# Loses its disk: all files of its queue and of the other's replica. It must not run.
sub lose_disk ($self) {
    unlink glob "$self->{settings}{DATABASE}*";
    return;
}

# Kills everything of it but its workers, which are on another machine.
sub kill_node ($self) {
    my @spared = $self->fleet_pids;
    $self->kill_everything(@spared);
    return;
}

# Its machines that count towards its limit, from the database.
sub counted ($self) {
    return ($self->sql('SELECT count(*) FROM machine WHERE state < 3'))[0][0];
}

# The same, and how many it has lent, at one moment.
sub counted_and_lent ($self) {
    my ($row) = $self->sql('SELECT (SELECT count(*) FROM machine WHERE state < 3), (SELECT count(*) FROM loan WHERE side = 1)');
    return @$row;
}

# Its loans, each "taken wanted" and the like.
sub loans ($self) {
    my @side = qw(taken given);
    my @state = qw(wanted held recalled);
    return map { "$side[$_->[0]] $state[$_->[1]]" } $self->sql('SELECT side, state FROM loan ORDER BY side, state');
}

1;
