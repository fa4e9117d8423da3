package Hashmill::Fleet;

# What tests of the scaler have in common: an instance whose scaler launches real workers by t/tools/provider,
# and a clock that is moved.

use v5.36;
use parent 'Hashmill';
use Digest::SHA qw(hmac_sha256);
use FindBin ();
use MIME::Base64 qw(encode_base64url);

use Hashmill::Util;

my $root = "$FindBin::Bin/../..";

# Starts an instance with a fleet; options as Hashmill's, workers => { settings of the workers }.
sub start ($class, %options) {
    return $class->SUPER::start(workers_settings => delete $options{workers}, PROVIDER => "$root/t/tools/provider",
        LIST_SECONDS => 1, BOOT_SECONDS => 2, PROVIDER_SECONDS => 600, %options);
}

# The settings of the workers name the port that nginx will have if nobody takes it before.
sub prepare ($self) {
    if (!$self->{port}) {
        $self->{port} = free_port_pair();
        $self->{port_is_guess} = 1;
    }
    mkdir $self->fleet_dir or die;
    $self->port_chosen;
    return;
}

sub port_chosen ($self) {
    my %all = (NODES => $self->worker_nodes, RETIRE_NODE => $self->worker_url, WORKER_TOKEN => $self->{token},
        THREADS => 1, $self->{workers_settings}->%*);
    spew("$self->{dir}/worker-fleet.env", join '', map { "$_=$all{$_}\n" } sort keys %all);
    return;
}

sub fleet_dir ($self) { return "$self->{dir}/fleet" }

# The program of its machines.
sub fleet_worker ($self) { return $self->program('hashmill-worker') }

sub environment ($self) {
    return { $self->SUPER::environment->%*,
        FLEET_DIR => $self->fleet_dir, FLEET_WORKER => $self->fleet_worker, FLEET_SECONDS => 1,
        FLEET_SETTINGS => "$self->{dir}/worker-fleet.env", FLEET_LOG => "$self->{dir}/worker-fleet.log" };
}

# The token of a machine, as its node makes it for the launch.
sub machine_token ($self, $name, $secret = $self->{settings}{MACHINE_SECRET}) {
    return "hmm_$name~" . encode_base64url(hmac_sha256("machine-1\0$name", $secret));
}

# Ends every worker that the scaler has launched.
sub stop_fleet ($self) {
    my $provider = "$root/scripts/providers/provider-local";
    for my $dir (grep { -d } $self->fleet_dir, $self->fleet_dir . '/second') {
        local %ENV = (%ENV, $self->environment->%*, FLEET_DIR => $dir);
        my @ids = map { (split)[0] } qx{$provider list} or next;
        system $provider, 'terminate', @ids;
    }
    return;
}

# The processes of the fleet's workers. (A sanitizer that looks for leaks at a worker's end does so in a
# child of it.)
sub fleet_pids ($self) {
    my %own = map { $_->pid => 1 } $self->{workers}->@*;
    my @all = grep { !$own{$_} && (slurp("/proc/$_/comm") // '') eq "hashmill-worker\n" } $self->pids;
    my %workers = map { $_ => 1 } @all;
    return grep { !$workers{ parent_of($_) } } @all;
}

# Moves the steady clock on.
sub pass_seconds ($self, $seconds) {
    $self->{passed_ms} += $seconds * 1000;
    $self->move_clock(steady_ms => $self->{passed_ms});
    return;
}

# Sets the provider's misbehaviour ("launch fail"); '' for none.
sub provider_mode ($self, $mode) {
    my $file = $self->fleet_dir . '/mode';
    if ($mode eq '') { unlink $file }
    else             { spew($file, "$mode\n") }
    return;
}

# The calls of the provider so far, all or those of a verb.
sub provider_calls ($self, $verb = qr/./) {
    return grep { /^$verb/ } split /\n/, slurp($self->fleet_dir . '/calls') // '';
}

sub fleet_stats ($self) { return $self->stats->{fleet} }

# The machines, all or those in a state.
sub machines ($self, $state = qr/./) {
    return grep { $_->{state} =~ /^(?:$state)/ } $self->fleet_stats->{machines}->@*;
}

sub decisions ($self) { return map { $_->{why} } $self->fleet_stats->{decisions}->@* }

# Waits until $count machines are there and run, with as many worker processes.
sub wait_running ($self, $count, $seconds = 60) {
    return wait_until($seconds, sub {
        my @all = $self->machines;
        return @all == $count && $self->machines('running') == $count && $self->fleet_pids == $count;
    });
}

# Waits until every worker that has not retired has called again.
sub wait_heard ($self, $seconds = 60) {
    my %before = map { $_->{name} => $_->{last_seen_at} } $self->fleet_stats->{workers}->@*;
    return wait_until($seconds, sub {
        !grep { ($before{ $_->{name} } // '') eq $_->{last_seen_at} && !$_->{retired} }
            $self->fleet_stats->{workers}->@*;
    });
}

# The scaler's process: the only child of the server that holds none of its listening sockets.
sub scaler_pid ($self) {
    my %others = map { $_ => 1 } map { $self->children($_) } qw(writer public public-wait worker worker-wait peering replica);
    return grep { !$others{$_} && process_state($_) ne 'Z' } $self->children;
}

# Enqueues an item that waits long enough for a machine.
sub long_wait ($self, $body, $iterations) {
    my $id = $self->new_item($body, $iterations);
    $self->pass_seconds(16);
    return $id;
}

1;
