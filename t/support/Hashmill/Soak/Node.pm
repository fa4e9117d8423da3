package Hashmill::Soak::Node;

# One of the two nodes of a soak: an instance that is killed, stopped and starved, and the operator who starts it again.
# On a host of its own where there are hosts, else on this machine beside the other.

use v5.36;
use parent 'Hashmill::Fleet';
use File::Copy qw(copy);

use Hashmill::Faults;
use Hashmill::Process;
use Hashmill::Util;

use constant { PORT => 8080 };

sub address ($number)      { return '10.77.0.' . (10 + $number) }
sub peer_address ($number) { return '10.77.1.' . (10 + $number) }

# Starts it. Settings of the server in capitals, NODE among them; hosts => whether there are hosts; ports => the
# first ports of both nodes, where there are none; disk => size of a small disk of its own, in bytes; shim => whether
# its disk may fail.
sub start ($class, %options) {
    my ($hosts, $ports, $disk) = delete @options{qw(hosts ports disk)};
    my $shim = delete $options{shim} ? Hashmill::Faults->new : undef;
    my $number = $options{NODE};
    my $peer = 1 - $number;
    my @ports = $hosts ? (PORT, PORT) : @$ports;
    my @addresses = $hosts ? map { address($_) } 0, 1 : ('127.0.0.1') x 2;
    my $told = $hosts ? peer_address($peer) : '127.0.0.1';
    my $self = $class->SUPER::start(
        address => $addresses[$number], listen => $hosts ? '0.0.0.0' : '127.0.0.1', port => $ports[$number],
        inside => [$hosts ? Hashmill::Namespaces::inside("node$number") : ()],
        worker_inside => [$hosts ? Hashmill::Namespaces::inside('workers') : ()],
        PEERS => "$peer=http://$told:" . ($ports[$peer] + 1),
        wrap => $shim ? $shim->wrap : [], own => { disk => $disk, shim => $shim, nodes => [map { "http://$addresses[$_]:" . ($ports[$_] + 1) } $number, $peer] },
        %options);
    # What nginx says of a server that is not there, of its own processes' deaths, and when it is not really root.
    $self->expect_log(qr/connect\(\) to unix:|exited on signal 9|initgroups\(root, 0\) failed/);
    $self->expect_log(qr/worker liar .* reports another chain than is stored/);
    return $self;
}

sub prepare ($self) {
    if ($self->{disk}) {
        mkdir $self->disk_dir or die;
        system('mount', '-t', 'tmpfs', '-o', "size=$self->{disk}", 'soak', $self->disk_dir) == 0 or die "no small disk\n";
        $self->{settings}{DATABASE} = $self->disk_dir . '/hashmill.db';
    }
    return $self->SUPER::prepare;
}

sub disk_dir ($self) { return "$self->{dir}/disk" }

sub number ($self) { return $self->{settings}{NODE} }

sub worker_nodes ($self) { return join ',', $self->{nodes}->@* }

# The shim is preloaded before the sanitizers' library, if there is one.
sub environment ($self) {
    my $all = $self->SUPER::environment;
    $all->{ASAN_OPTIONS} .= ':verify_asan_link_order=0';
    return $all;
}

# The program of its machines, on the workers' host.
sub fleet_worker ($self) {
    my $file = "$self->{dir}/machine";
    if (!-e $file) {
        spew($file, "#!/bin/sh\nexec @{[$self->{worker_inside}->@*, $self->program('hashmill-worker')]} \"\$@\"\n");
        chmod 0755, $file;
    }
    return $file;
}

# The processes of a role; a fault may hit any of them.
sub victims ($self, $role) {
    return $self->{server}->alive ? $self->{server}->pid : () if $role eq 'master';
    return $self->scaler_pid if $role eq 'scaler';
    my $nginx = $self->{nginx}->pid;
    return $self->{nginx}->alive ? $nginx : () if $role eq 'nginx';
    return grep { $_ != $nginx } $self->nginx_pids if $role eq 'nginx-worker';
    return $self->children($role);
}

# --- the operator ---------------------------------------------------------------------------------

# Kills all of it at once except its machines, which are elsewhere. It stays down until rise.
sub fall ($self) {
    $self->{down} = 1;
    delete @{$self}{qw(init init_began)};
    $self->kill_everything($self->fleet_pids);
    return;
}

# The same, and its disk is lost. It will get everything from the other node.
sub lose ($self) {
    $self->fall;
    unlink glob "$self->{settings}{DATABASE}*";
    $self->{lost} = 1;
    return;
}

# Repairs a failed disk as the operator, in turn in two ways: boots the machine again, which ends all that was left in
# memory; or recovers what can be read into the database's place.
sub repair ($self) {
    $self->{repairs}++;
    my $mark = "$self->{settings}{RUN_DIR}/disk-failed";
    return 'started again' if !-e $mark;
    if ($self->{repairs} % 2) {
        unlink $mark;
        return 'booted again';
    }
    my $database = $self->{settings}{DATABASE};
    my $recovery = Hashmill::Process->start(log => "$self->{dir}/recover.log", env => $self->environment,
        command => [$self->program('hashmill-fcgi'), '-c', $self->settings_file, '--recover', "$database.new"]);
    $recovery->wait_exit(60);
    $self->give_up('the database cannot be recovered') if ($recovery->exit_code // 1) != 0;
    unlink map { "$database$_" } qw(-wal -shm -log -log.old);
    rename "$database.new", $database or die "$database: $!\n";
    return 'recovered';
}

sub rise ($self) {
    delete $self->{down};
    $self->tend;
    return;
}

# Starts what has ended, as systemd would, or the operator where systemd would not. Returns what happened, in words.
sub tend ($self) {
    return if $self->{down};
    my @said;
    if (!$self->{server}->alive && !$self->{failing}) {
        my $how = ended($self->{server});
        $self->clear_server if !$self->{init};
        $how .= ', ' . $self->repair if $self->{disk_failed} && $how =~ /exited with (?:75|76)$/;
        delete $self->{disk_failed};
        push @said, "server $how" if ($self->{told} // 0) != $self->{server}->pid;
        $self->{told} = $self->{server}->pid;
        $self->go_on;
    }
    if (!$self->{nginx}->alive) {
        push @said, 'nginx ' . ended($self->{nginx});
        $self->stop_nginx;
        $self->start_nginx;
    }
    return @said;
}

# Serves the database that is there or comes from the other node. Does not wait for --init, as the other node may be
# down.
sub go_on ($self) {
    my $init = $self->{init} //= $self->start_command('--init', $self->{lost} ? '--from-peer' : $self->{alone} ? '--alone' : ());
    $self->{init_began} //= time;
    return if $init->alive;
    delete $self->{init_began};
    my $code = $init->exit_code // 75; # killed with its machine
    delete $self->{init};
    return if $code == 75;
    $self->give_up("--init exited with $code: " . $init->log) if $code != 0;
    delete @{$self}{qw(lost alone)};
    return $self->launch_server;
}

# How many seconds its --init has been waiting.
sub waits_seconds ($self) { return $self->{init} && !$self->{down} ? time - ($self->{init_began} // time) : 0 }

# Each of the nodes has a backup and waits for the other one: this one goes on alone.
sub go_alone ($self) {
    $self->{init}->kill('KILL');
    $self->{alone} = 1;
    return;
}

# How a process ended, in words.
sub ended ($process) {
    my $code = $process->exit_code;
    return defined $code ? "exited with $code" : 'was ended by signal ' . ($process->{status} & 127);
}

# Kills what the server has left behind, as systemd does before it starts a service again.
sub clear_server ($self) {
    my $gone = kill_until_gone(sub {
        my %spared = map { $_ => 1 } $self->nginx_pids, $self->fleet_pids;
        return grep { !$spared{$_} } $self->pids;
    });
    $self->give_up('the server survives SIGKILL') if !$gone;
    return;
}

# What its /stats says of the peer; undef without an answer.
sub peer_stats ($self) { return eval { $self->stats->{peers}[0] } }

# Whether the other node could give back all that this one has acknowledged: now, and also if it stopped taking batches,
# until this node has saved that (two seconds).
sub is_safe ($self) {
    my $peer = $self->peer_stats or return 0;
    return !$peer->{away} && $peer->{replica} eq 'following' && $peer->{behind}{seconds} < 0.5 && !exists $peer->{incomplete_since};
}

# Everything in its database, as text; or in a file beside it.
sub dump_database ($self, $file = '') { return scalar qx{sqlite3 -readonly '$self->{settings}{DATABASE}$file' .dump 2>&1} }

# Copies its logs and its database to a directory.
sub keep_logs ($self, $dir) {
    my $kept = "$dir/node" . $self->number;
    mkdir $kept;
    for my $file (glob("$self->{dir}/*.log $self->{dir}/sanitizer* $self->{settings}{DATABASE}*")) {
        copy($file, $kept) or warn "$file: $!\n";
    }
    return;
}

sub DESTROY ($self) {
    if (!$self->{gone} && $self->{owner} == $$ && $self->{disk}) {
        local ($@, $?, $!);
        kill 'KILL', $self->pids;
        system 'umount', '-l', $self->disk_dir;
        delete $self->{disk};
    }
    $self->SUPER::DESTROY;
    $self->{gone} = 1 if $self->{owner} == $$;
    return;
}

# Ends it in order; returns what went wrong. Its directory stays.
sub end ($self) {
    my @wrong;
    $self->stop_fleet;
    $self->stop_nginx;
    push @wrong, 'node ' . $self->number . ': the server does not drain' if !$self->stop_server;
    $self->stop_fleet;
    push @wrong, 'node ' . $self->number . ': processes are left running' if !wait_until(10, sub { !$self->pids });
    kill 'KILL', $self->pids;
    return @wrong;
}

1;
