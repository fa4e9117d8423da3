package Hashmill::Soak::Faults;

# Plays the faults of a schedule on a world: each fault has a beginning and, if it lasts, an end.
#
#     my $faults = Hashmill::Soak::Faults->new($world, $shared, [schedule($seed, $seconds)]);
#     $faults->play;     # takes as long as the schedule
#     $faults->done;     # how many there were of each kind

use v5.36;
use List::Util qw(max);
use Time::HiRes qw(sleep time);

use Hashmill::Job;
use Hashmill::Soak::Disk;
use Hashmill::Soak::Liar;
use Hashmill::Soak::Memory;
use Hashmill::Soak::Rude;
use Hashmill::Util;

use constant { TICK => 0.05, TRIES => 10, TRY_SECONDS => 0.5, HOUR_MS => 3_600_000 };

# By the first word or all of a kind: code that begins it and returns the code that ends it, or true; false
# when there was nothing to hit, as when it is just being started again: then it is tried again a little later.
my %begin = (
    kill => \&begin_kill, stop => \&begin_stop, 'node killed' => \&begin_fall, 'node lost' => \&begin_loss, link => \&begin_link,
    clock => \&begin_clock, reset => \&begin_reset, lie => \&begin_lie,
    'disk full' => sub ($self, $event) { return Hashmill::Soak::Disk::fill($self->node_of($event)) },
    'disk errors' => sub ($self, $event) { return $self->fail_disk($event, 'read write') },
    'fsync fails' => sub ($self, $event) { return $self->fail_disk($event, 'fsync') },
    'fsync slow' => sub ($self, $event) { return Hashmill::Soak::Disk::slow($self->node_of($event), $event->{dice}) },
    'memory limit' => sub ($self, $event) { return Hashmill::Soak::Memory::limit($self->victim($event)) },
    'out of memory' => sub ($self, $event) { return Hashmill::Soak::Memory::exhaust($self->victim($event)) },
);

sub new ($class, $world, $shared, $events) {
    return bless { world => $world, shared => $shared, history => $shared->writer('faults'), events => $events,
        undo => [], later => [], jobs => [], done => {}, missed => {} }, $class;
}

sub node_of ($self, $event) { return $self->{world}->node($event->{node}) }

# Begins and ends every fault in its time, and tends the world.
sub play ($self) {
    my $began = time;
    my @events = $self->{events}->@*;
    while (@events || $self->{undo}->@* || $self->{later}->@*) {
        my $now = time - $began;
        $self->undo_until($now);
        @events = sort { $a->{at} <=> $b->{at} } @events, splice $self->{later}->@*;
        $self->begin(shift @events, $now) while @events && $events[0]{at} <= $now;
        $self->{world}->tend;
        sleep TICK;
    }
    return;
}

sub begin ($self, $event, $now) {
    my $kind = $event->{kind};
    my ($first) = $kind =~ /^(\w+)/;
    my $code = $begin{$kind} // $begin{$first} // die "nobody knows how to do $kind\n";
    my $begin = $self->{history}->now;
    my $undo = $code->($self, $event);
    if (!$undo && ($event->{tries} // 0) < TRIES) {
        push $self->{later}->@*, { %$event, at => $now + TRY_SECONDS, tries => 1 + ($event->{tries} // 0) };
        return;
    }
    $self->{ $undo ? 'done' : 'missed' }{$kind}++;
    $self->{history}->note(op => 'fault', begin => $begin, fault => $event, $undo ? () : (missed => 1));
    return if ref $undo ne 'CODE';
    push $self->{undo}->@*, [$now + $event->{seconds}, $undo];
    $self->{undo}->@* = sort { $a->[0] <=> $b->[0] } $self->{undo}->@*;
    return;
}

# Ends the faults that are over by then.
sub undo_until ($self, $now) {
    while ($self->{undo}->@* && $self->{undo}[0][0] <= $now) {
        (shift $self->{undo}->@*)->[1]->();
    }
    return;
}

# How many faults of each kind were done; and how many found nothing to hit.
sub done ($self)   { return $self->{done} }
sub missed ($self) { return $self->{missed} }

# What runs beside the soak.
sub jobs ($self) { return $self->{jobs}->@* }

# --- processes ------------------------------------------------------------------------------------

# A process that an event is aimed at, or undef when there is none now.
sub victim ($self, $event) {
    if (defined $event->{number}) {
        my $worker = $self->{world}->worker($event->{number});
        return $worker->alive ? $worker->pid : undef;
    }
    my @all = $self->node_of($event)->victims($event->{role});
    return @all ? $all[int($event->{dice} * @all)] : undef;
}

sub begin_kill ($self, $event) {
    my $pid = $self->victim($event) // return 0;
    return kill 'KILL', $pid;
}

sub begin_stop ($self, $event) {
    my $pid = $self->victim($event) // return 0;
    my $start = start_of($pid);
    kill 'STOP', $pid or return 0;
    return sub { kill 'CONT', $pid if start_of($pid) eq $start };
}

# When a process started, to tell it from another one with its number.
sub start_of ($pid) { return (Hashmill::Util::stat_fields($pid))[19] // '' }

sub begin_fall ($self, $event) {
    my $node = $self->node_of($event);
    return 0 if $node->{down};
    $node->fall;
    # The steady clock of a machine that starts again begins from the start.
    $node->move_clock(steady_ms => -int($event->{dice} * 1000));
    return sub { $node->rise };
}

# Loses a node for good, with its disk, but never while its replica is incomplete or not safe.
sub begin_loss ($self, $event) {
    my $node = $self->node_of($event);
    my $other = $self->{world}->node(1 - $event->{node});
    return 0 if grep { $_->{down} || $_->{lost} || $_->{failing} || $_->{init} || !$_->{server}->alive } $node, $other;
    return 0 if !$node->is_safe;
    $node->lose;
    $self->{history}->note(op => 'lost', node => $event->{node}, copy => $node->{settings}{COPY});
    $node->move_clock(steady_ms => -int($event->{dice} * 1000));
    return sub { $node->rise };
}

# Makes the disk of a node fail, unless it has the only copy of what the other node has lost.
sub fail_disk ($self, $event, $how) {
    return 0 if $self->{world}->node(1 - $event->{node})->{lost};
    return Hashmill::Soak::Disk::fail($self->node_of($event), $how, $event->{dice});
}

# --- links and clocks -----------------------------------------------------------------------------

my %link = (
    cut => sub ($dice) { return (cut => 1) },
    slow => sub ($dice) { return (slow => 0.01 + 0.2 * $dice) },
    lossy => sub ($dice) { return (lossy => 0.02 + 0.3 * $dice) },
    disordered => sub ($dice) { return (disordered => 0.1 + 0.5 * $dice) },
);

sub begin_link ($self, $event) {
    my ($how) = $event->{kind} =~ /(\w+)$/;
    $self->{world}->set_link($event->{link}, $link{$how}->($event->{dice}));
    return sub { $self->{world}->set_link($event->{link}) };
}

sub begin_clock ($self, $event) {
    my $node = $self->node_of($event);
    $node->move_clock(wall_ms => $event->{kind} =~ /back/ ? -HOUR_MS : HOUR_MS);
    return sub { $node->move_clock(wall_ms => 0) };
}

# --- what runs beside -----------------------------------------------------------------------------

sub beside ($self, $event, $code) {
    my $number = $self->{jobs}->@*;
    my $name = "$event->{kind} $number" =~ tr/ /-/r;
    my $node = $self->node_of($event);
    push $self->{jobs}->@*, background(sub { $code->($self->{shared}, $name, $node) });
    return 1;
}

sub begin_reset ($self, $event) {
    my ($where) = $event->{kind} =~ /(\w+)$/;
    return $self->beside($event, sub (@job) { return break_off(@job, $where) });
}

sub begin_lie ($self, $event) {
    my ($kind) = $event->{kind} =~ /(\w+)$/;
    return $self->beside($event, sub (@job) { return lie(@job, $kind) });
}

1;
