package Hashmill;

# One private hashmill for a test: nginx, the server and as many workers as the test asks for, in a
# directory of its own in TMPDIR, on ports that nobody else has. A test reads like this:
#
#     use Test::More;
#     use Hashmill;
#     my $mill = Hashmill->start(LEASE_SECONDS => 2);    # capitals: settings of hashmill-fcgi
#     my $item = $mill->enqueue('a body', 1000)->json;
#     $mill->start_worker;
#     is $mill->item($item->{id}, wait => 30)->json->{value}, value_of('a body', 1000), 'right';
#     finish();
#
# finish() stops everything and adds the assertions that every test gets for free: the server lived
# to the end and drains, nothing is left running, no log has an error line or a sanitizer's report.
# When a test dies everything is stopped all the same.
#
# Environment: HASHMILL_BUILD, the build to test (build/test, the one with sanitizers);
# HASHMILL_KEEP=1 keeps the directory.

use v5.36;
use parent 'Exporter';
use Digest::SHA  qw(sha512 sha512_hex);
use File::Path   qw(remove_tree);
use File::Temp   qw(tempdir);
use File::Spec::Functions qw(rel2abs);
use FindBin      ();
use HTTP::Tiny   ();
use IO::Socket::INET ();
use JSON::PP     qw(encode_json);
use List::Util   qw(any first shuffle);
use POSIX        ();
use Test::More   ();
use Time::HiRes  qw(time);

use Hashmill::Job;
use Hashmill::Process;
use Hashmill::Reply;
use Hashmill::Util;

our @EXPORT = (@Hashmill::Util::EXPORT, @Hashmill::Job::EXPORT,
    qw(finish has_build is_problem sanitized));

my $root = "$FindBin::Bin/../..";
my ($machine_secret, @instances) = (sha512_hex(random_body(32))); # the secret of all nodes of a test

# Ctrl-C and prove's SIGTERM end a test through END blocks, so that nothing stays behind.
$SIG{INT} = $SIG{TERM} = sub { exit 1 };

# --- life and death of an instance ----------------------------------------------------------------

# Starts server and nginx and returns when both serve. Options in capitals are settings of the server;
# build => another build's directory, wrap => [a command to run the server under], nginx => 0,
# nginx_change => sub { what it returns of nginx's configuration is used };
# see Hashmill::PairNode for the rest in small letters.
sub start ($class, %options) {
    my $build = delete $options{build} // build_directory();
    my $self = bless {
        build  => $build,
        wrap   => delete $options{wrap} // [],
        nginx_wanted => delete $options{nginx} // 1,
        nginx_change => delete $options{nginx_change} // sub ($text) { $text },
        workers_settings => delete $options{workers_settings} // {}, # see Hashmill::Fleet
        address => delete $options{address} // '127.0.0.1', # where its clients and workers find it
        listen  => delete $options{listen} // '127.0.0.1',
        port    => delete $options{port},
        inside  => delete $options{inside} // [], # a command that runs another somewhere else
        worker_inside => delete $options{worker_inside} // [],
        fleet_program => delete $options{fleet_program}, key => delete $options{key}, # that calls of clients have
        (delete $options{own} // {})->%*,      # what a derived class keeps besides
        owner  => $$,
        dir    => tempdir('hm-XXXXXX', TMPDIR => 1),
        expected => [],
        workers  => [],
    }, $class;
    die "no $build/hashmill-fcgi: scripts/test.sh builds it\n"
        if !-x $self->program('hashmill-fcgi');
    $self->{token} = $options{WORKER_TOKEN} // sha512_hex(random_body(32));
    $self->{settings} = {
        RUN_DIR => "$self->{dir}/run", DATABASE => "$self->{dir}/hashmill.db",
        WORKER_TOKEN => $self->{token}, MACHINE_SECRET => $machine_secret, PROCESSES_PUBLIC => 4, %options,
    };
    spew("$self->{dir}/clock", pack 'q q', 0, 0);
    mkdir "$self->{dir}/nginx" or die;
    push @instances, $self;
    $self->prepare;
    $self->start_server;
    $self->start_nginx if $self->{nginx_wanted};
    return $self;
}

# The build that is tested.
sub build_directory { return rel2abs($ENV{HASHMILL_BUILD} // "$root/build/test") }

sub program ($self, $name) { return "$self->{build}/$name" }

# Whether a build has both programs; and whether it was made with sanitizers: those take several
# times as long for everything, so bounds in seconds must be wider.
sub has_build ($build) {
    return -x "$build/hashmill-fcgi" && -x "$build/hashmill-worker";
}

sub sanitized ($build = build_directory()) {
    return index(slurp("$build/hashmill-fcgi") // '', '__asan_init') >= 0;
}

# hashmill-fcgi with its settings and these options: its exit code, undef when it does not end, and what it has said.
sub command ($self, @options) {
    my $process = $self->start_command(@options);
    my $code = defined $process->wait_exit(60) ? $process->exit_code : undef;
    $process->kill('KILL');
    return ($code, $process->log);
}

sub init ($self, @options) { return $self->command('--init', @options) }
sub start_command ($self, @options) {
    $self->write_settings;
    my $log = "$self->{dir}/init-" . ++$self->{inits} . '.log';
    return Hashmill::Process->start(log => $log, env => $self->environment,
        command => [$self->{inside}->@*, $self->program('hashmill-fcgi'), '-c', $self->settings_file, @options]);
}

# Options are those of --init; the first start makes an empty database, whatever another node has.
sub start_server ($self, @init) {
    my ($code, $said) = $self->init($self->{server} ? @init : '--new');
    $self->give_up('hashmill-fcgi --init exited with ' . ($code // 'nothing') . ": $said") if ($code // 1) != 0;
    return $self->launch_server;
}

# The server on a database that --init has found good.
sub launch_server ($self) {
    my $pid_file = "$self->{settings}{RUN_DIR}/hashmill-fcgi.pid";
    unlink $pid_file; # a killed server leaves its own
    my $server = $self->{server} = $self->run_server;
    wait_until(60, sub { !$server->alive || -s $pid_file });
    $self->give_up('the server did not come up') if !$server->alive || !-s $pid_file;
    return;
}

# The process of a server, as start_server starts it; some of its settings changed.
sub run_server ($self, %settings) {
    my $more = "$self->{dir}/more.env";
    spew($more, join '', map { "$_=$settings{$_}\n" } sort keys %settings);
    return Hashmill::Process->start(log => "$self->{dir}/server.log", env => $self->environment,
        command => [$self->{inside}->@*, $self->{wrap}->@*, $self->program('hashmill-fcgi'), '-c', $self->settings_file,
            %settings ? ('-c', $more) : ()]);
}

sub start_nginx ($self) {
    my $asked = $self->{port} && !$self->{port_is_guess};
    for my $try (1 .. 20) {
        $self->{port} //= free_port_pair();
        $self->port_chosen;
        spew("$self->{dir}/nginx.conf", $self->nginx_configuration);
        unlink "$self->{dir}/nginx/nginx.pid";
        my $nginx = $self->{nginx} = Hashmill::Process->start(
            log => "$self->{dir}/nginx.log", env => $self->environment, cwd => "$self->{dir}/nginx",
            command => [$self->{inside}->@*, nginx_program(), '-p', "$self->{dir}/nginx",
                '-e', 'stderr', '-c', "$self->{dir}/nginx.conf"]);
        wait_until(30, sub { !$nginx->alive || -s "$self->{dir}/nginx/nginx.pid" });
        if ($nginx->alive && -s "$self->{dir}/nginx/nginx.pid") {
            delete $self->{port_is_guess};
            $self->expect_log(qr/bind\(\) to \S+ failed \(98: |still could not bind\(\)/); # it tried again, and got it
            return;
        }
        # Somebody else took the port between our look at it and nginx's.
        last if $nginx->alive || $nginx->log !~ /Address already in use/;
        delete $self->@{'metrics_port', $asked ? () : 'port'};
    }
    $self->give_up('nginx did not come up');
}

# A real worker; options are its settings, env => { more for its environment }, program => what is run
# in its place. Returns its Hashmill::Process.
sub start_worker ($self, %settings) {
    state $number = 0;
    my %more = (delete $settings{env} // {})->%*;
    my $program = delete $settings{program} // $self->program('hashmill-worker');
    my $file = "$self->{dir}/worker-" . ++$number;
    my %all = (NODES => $self->worker_nodes, WORKER_TOKEN => $self->{token}, THREADS => 2,
        IDLE_SECONDS => 0, %settings);
    spew("$file.env", join '', map { "$_=$all{$_}\n" } sort keys %all);
    chmod 0600, "$file.env";
    my $worker = Hashmill::Process->start(log => "$file.log", env => { $self->environment->%*, %more },
        command => [$self->{worker_inside}->@*, $program, '-c', "$file.env"]);
    push $self->{workers}->@*, $worker;
    return $worker;
}

# Hooks of Hashmill::Fleet: before the server is started, when nginx has its port, at the end.
sub prepare ($self)     { return }
sub port_chosen ($self) { return }
sub stop_fleet ($self)  { return }

# Stops the server by SIGTERM. True when it exits with 0 within a bound.
sub stop_server ($self) {
    $self->{server}->kill('TERM');
    my $status = $self->{server}->wait_exit(30);
    return defined $status && $status == 0;
}

# kill -9 of every process of this instance, in any order, except those given, processes or their ids.
sub kill_everything ($self, @spared) {
    my %spared = map { ref $_ ? $_->pid : $_, 1 } @spared;
    $self->expect_log(qr/(?:worker|cache \w+) process \d+ exited on signal 9/); # nginx's, if its master goes last
    kill_until_gone(sub { shuffle(grep { !$spared{$_} } $self->pids) }) or $self->give_up('processes survive SIGKILL');
    return;
}

# Stops nginx, killed or not; also its workers whose master is gone, which keep the port.
sub stop_nginx ($self) {
    $self->{nginx}->kill('KILL'); # first: it would log the end of a worker
    $self->{nginx}->wait_exit(20);
    kill_until_gone(sub { $self->nginx_pids }) or $self->give_up('nginx survives SIGKILL');
    return;
}

# Every process of this instance: they carry its directory in their environment, or for nginx (which
# overwrites that) as their working directory.
sub pids ($self) {
    my $mark = "HASHMILL_TEST_INSTANCE=$self->{dir}\0";
    my @pids = grep { index(slurp("/proc/$_/environ") // '', $mark) >= 0 } process_ids();
    my %seen;
    # A zombie is dead: reaping it is its parent's business.
    return grep { !$seen{$_}++ && process_state($_) ne 'Z' } @pids, $self->nginx_pids;
}

# The master and its children.
sub server_pids ($self) {
    my $master = $self->{server}->pid;
    return ($master, grep { parent_of($_) == $master } process_ids());
}

sub nginx_pids ($self) {
    return grep { (readlink("/proc/$_/cwd") // '') eq "$self->{dir}/nginx"
            && (slurp("/proc/$_/comm") // '') =~ /^nginx/ && process_state($_) ne 'Z' } process_ids();
}

# Starts it again after kill_everything; options are those of --init.
sub restart ($self, @init) {
    $self->stop_nginx if $self->{nginx};
    $self->start_server(@init);
    $self->start_nginx if $self->{nginx_wanted};
    return;
}

sub give_up ($self, $why) {
    $self->show_logs;
    die "$why\n";
}

sub show_logs ($self) {
    for my $file (sort glob("$self->{dir}/*.log $self->{dir}/sanitizer*")) {
        my @lines = split /\n/, slurp($file) // next;
        Test::More::diag("--- end of $file");
        Test::More::diag($_) for @lines > 40 ? @lines[-40 .. -1] : @lines;
    }
    return;
}

sub DESTROY ($self) {
    return if $self->{gone} || $self->{owner} != $$;
    local ($@, $?, $!);
    kill 'KILL', $self->pids;
    remove_tree($self->{dir}) if !$ENV{HASHMILL_KEEP};
    return;
}

END { $_->DESTROY for @instances; @instances = () }

# --- what every test gets for free ----------------------------------------------------------------

# Says that lines like this in the server's log are part of the test.
sub expect_log ($self, $pattern) { push $self->{expected}->@*, $pattern; return }

# Ends a test: stops everything and asserts that nothing went wrong on the way.
sub finish {
    $_->close_instance for grep { !$_->{gone} } @instances;
    @instances = ();
    Test::More::done_testing();
    return;
}

sub close_instance ($self) {
    $self->stop_workers;
    $self->stop_fleet;
    $self->stop_nginx if $self->{nginx};
    Test::More::ok($self->{server}->alive && $self->stop_server, 'the server lived to the end and drained')
        if !$self->{server_may_be_gone};
    $self->stop_fleet; # what was launched meanwhile
    Test::More::ok(wait_until(10, sub { !$self->pids }), 'nothing is left running');
    Test::More::is(join("\n", $self->complaints), '', 'no log has an error or a report of a sanitizer');
    $self->show_logs if !Test::More->builder->is_passing;
    kill 'KILL', $self->pids;
    remove_tree($self->{dir}) if !$ENV{HASHMILL_KEEP};
    $self->{gone} = 1;
    return;
}

sub stop_workers ($self) {
    my @alive = grep { $_->alive } $self->{workers}->@*;
    $_->kill('TERM') for @alive;
    my $good = 0;
    $good += ($_->wait_exit(20) // -1) == 0 for @alive;
    Test::More::is($good, scalar @alive, 'the workers lived to the end and drained') if @alive;
    return;
}

# Lines in the logs that must not be there. Mistakes of HTTP clients are not among them.
sub complaints ($self) {
    my @bad;
    for my $file (glob "$self->{dir}/server.log $self->{dir}/worker-*.log") {
        for my $line (split /\n/, slurp($file)) {
            push @bad, $line if $line =~ /^\S+ hashmill-\w+\[\d+\] .*? error: |Sanitizer|runtime error:/;
            push @bad, $line if $line =~ /did not finish in time/;
        }
    }
    # A process that is killed while it checks for leaks, at its end, proves nothing.
    push @bad, grep { !/^==\d+==Unable to get registers from thread \d+\.$/ }
        map { split /\n/, slurp($_) } glob "$self->{dir}/sanitizer*";
    push @bad, grep { /\[(?:emerg|alert|crit)\]/ } split /\n/, slurp("$self->{dir}/nginx.log") // '';
    return grep { my $line = $_; !any { $line =~ $_ } $self->{expected}->@* } @bad;
}

# --- settings -------------------------------------------------------------------------------------

sub settings_file ($self) { return "$self->{dir}/hashmill.env" }

# Writes the server's settings file, some of them changed; a SIGHUP makes the server reread it.
sub write_settings ($self, %changes) {
    $self->{settings}->@{ keys %changes } = values %changes;
    my $settings = $self->{settings};
    spew($self->settings_file, join '', map { "$_=$settings->{$_}\n" } sort keys %$settings);
    chmod 0600, $self->settings_file;
    return;
}

# Has the running server read its settings again, some of them changed. True when it serves with them.
sub reload ($self, %changes) {
    my $pid_file = "$self->{settings}{RUN_DIR}/hashmill-fcgi.pid";
    unlink $pid_file;
    $self->write_settings(%changes);
    $self->{server}->kill('HUP');
    return wait_until(30, sub { -s $pid_file });
}

sub environment ($self) {
    return {
        $self->{address} =~ /^127\./ ? () : (HASHMILL_PLAIN_TOKENS => 'yes'), # in namespaces of the test's own
        HASHMILL_TEST_INSTANCE => $self->{dir}, HASHMILL_TEST_CLOCK => "$self->{dir}/clock",
        $> == 0 ? () : (HASHMILL_TEST_DUMPABLE => 1), # else only root could look at its processes
        ASAN_OPTIONS => "detect_leaks=1:verify_asan_link_order=0:log_path=$self->{dir}/sanitizer",
        UBSAN_OPTIONS => "print_stacktrace=1:halt_on_error=1:log_path=$self->{dir}/sanitizer",
    };
}

sub nginx_configuration ($self) {
    my %marker = (
        DIR => "$self->{dir}/nginx", RUN_DIR => $self->{settings}{RUN_DIR}, ADDRESS => $self->{listen},
        PORT => $self->{port}, WORKER_PORT => $self->{port} + 1, METRICS_PORT => $self->{metrics_port} //= free_port_pair(), USER => $> == 0 ? 'user root;' : '',
        NGINX_DIR => "$root/nginx",
    );
    my $text = slurp("$root/nginx/local.conf.in") // die "no nginx/local.conf.in\n";
    $text =~ s/\@([A-Z_]+)\@/$marker{$1} \/\/ die "unknown marker $1"/ge;
    return $self->{nginx_change}->($text);
}

# Moves the instance's clocks against the machine's (a test build only).
sub move_clock ($self, %by) {
    $self->{clock}{$_} = $by{$_} for keys %by;
    # Written in place: the processes have the file mapped.
    open my $file, '+<:raw', "$self->{dir}/clock" or die;
    syswrite $file, pack 'q q', $self->{clock}{wall_ms} // 0, $self->{clock}{steady_ms} // 0;
    close $file;
    return;
}

# --- talking to it --------------------------------------------------------------------------------

sub url ($self)        { return "http://$self->{address}:$self->{port}" }
sub worker_url ($self) { return "http://$self->{address}:" . ($self->{port} + 1) }

# NODES of the workers that work for it.
sub worker_nodes ($self) { return $self->worker_url }

# One request on the public listener. options: content, headers; returns a Hashmill::Reply. Never
# sent twice by itself: no answer is status 599.
sub call ($self, $method, $path, %options) {
    $options{headers} = { Authorization => "Bearer $self->{key}", ($options{headers} // {})->%* } if $self->{key};
    $self->{http} //= Hashmill::Reply::client();
    return Hashmill::Reply->new($self->{http}->request($method, $self->url . $path, \%options));
}

# Sends bytes as they are to the public listener; the answer up to the end of the connection.
sub raw_request ($self, $bytes) {
    my $socket = $self->connection;
    $socket->print($bytes);
    local $/ = undef;
    return readline($socket) // '';
}

sub connection ($self, $port = $self->{port}) {
    return IO::Socket::INET->new(PeerAddr => $self->{address}, PeerPort => $port) // die "port $port: $!";
}

sub get ($self, $path, %headers) { return $self->call('GET', $path, headers => \%headers) }

sub enqueue ($self, $body, $iterations, %headers) {
    return $self->call('PUT', "/enqueue?iterations=$iterations", content => $body, headers => \%headers);
}

sub new_item ($self, $body, $iterations) {
    my $reply = $self->enqueue($body, $iterations);
    return $reply->json->{id} if $reply->status == 201;
    $self->give_up('enqueue: ' . $reply->status . ' ' . $reply->content);
}

sub pull ($self, $top, %options) {
    my $headers = delete $options{headers} // {};
    my $query = join '', map { "&$_=$options{$_}" } sort keys %options;
    return $self->call('POST', "/pullCompleted?top=$top$query", headers => $headers);
}

sub item ($self, $id, %query) {
    my $query = join '&', map { "$_=$query{$_}" } sort keys %query;
    return $self->get("/items/$id" . ($query ? "?$query" : ''));
}

sub state_of ($self, $id) { return $self->item($id)->json->{state} }
sub stats ($self)         { return $self->get('/stats?')->json } # /stats may be a second old

# Waits until that many requests are parked.
sub wait_parked ($self, $count) {
    return wait_until(20, sub { $self->stats->{parked} == $count });
}

# One request on the worker listener: data is encoded, or sent as it is when it is text already.
sub worker_call ($self, $path, $data, %headers) {
    $self->{http} //= Hashmill::Reply::client();
    my %all = ('Content-Type' => 'application/json', Authorization => "Bearer $self->{token}", %headers);
    delete $all{$_} for grep { !defined $all{$_} } keys %all;
    return Hashmill::Reply->new($self->{http}->request('POST', $self->worker_url . $path,
        { headers => \%all, content => ref $data ? encode_json($data) : $data }), 'worker');
}

# How a test's own worker describes itself.
sub worker_fields { return { name => 'test', cores => 1, kernel => 'perl', rate => 1000 } }

sub lease ($self, %fields) {
    return $self->worker_call('/lease', { protocol => 1, request => uuid(), items => 512,
        iterations => 1e12, wait => 0, worker => worker_fields(), %fields });
}

sub report ($self, @items) {
    return $self->worker_call('/results', { protocol => 1, worker => worker_fields(), items => \@items });
}

# Leases everything there is and reports the right values; returns how many. A worker in one line.
sub work_all ($self) {
    my $reply = $self->lease;
    return 0 if $reply->status == 204;
    my $grant = $reply->json;
    my @results = map { { id => $_->{id}, lease => $grant->{lease}, remaining => 0,
        chain => advance($_->{chain}, $_->{remaining}) } } $grant->{items}->@*;
    return scalar $self->report(@results)->json->{taken}->@*;
}

# Waits until every item has its value.
sub wait_computed ($self, $seconds = 120) {
    return wait_until($seconds, sub {
        my $items = $self->stats->{items};
        return $items->{waiting} + $items->{leased} == 0;
    });
}

# --- looking inside -------------------------------------------------------------------------------

sub server_log ($self) { return $self->{server}->log }

# The living children of the master, all or those of one role: writer, public, public-wait, worker,
# worker-wait, peering or replica. A child is known by the one listening socket that it holds.
sub children ($self, $role = undef) {
    my ($master, @children) = $self->server_pids;
    return @children if !defined $role;
    my %private = (writer => 'writer/ops', peering => 'writer/peering');
    my $path = "$self->{settings}{RUN_DIR}/" . ($private{$role} // $role) . '.sock';
    my ($inode) = (slurp("/proc/$master/net/unix") // '') =~ /^\S+ \S+ \S+ 00010000 \S+ \S+ +(\d+) \Q$path\E$/m or return;
    return grep { my $pid = $_; any { (readlink // '') eq "socket:[$inode]" } glob "/proc/$pid/fd/*" } @children;
}

# Rows of a query on the live database, each an array of texts.
sub sql ($self, $statement) {
    open my $pipe, '-|', 'sqlite3', '-readonly', '-separator', "\t",
        $self->{settings}{DATABASE}, $statement or die "sqlite3: $!";
    my @rows = map { chomp; [split /\t/, $_, -1] } <$pipe>;
    close $pipe or die "sqlite3: $statement failed\n";
    return @rows;
}

1;
