# The server killed before the system calls of an enqueue, a lease, a report and a pull, one after the
# other: all of it, or only the writer, or only the process that serves the request. Each time it comes
# up again, the client asks again, and nothing is lost, twice or another's.
#
# HASHMILL_CRASH_STEP=N kills it before one call in N, 1 (make crash-sweep) before every call. A process that serves
# clients, killed alone, is always killed before every call, as a reply waits for it before only one of them.

use v5.36;
use FindBin;
use lib "$FindBin::Bin/../support";
use IPC::Open2 qw(open2);
use Test::More;
use Hashmill;

use constant { STEP => $ENV{HASHMILL_CRASH_STEP} // 5, CALLS_MAX => 1000 };

my $kill_at = Hashmill::build_directory() . '/crash/kill_at';
$ENV{HASHMILL_TEST_ONE_INTAKE} = 1;
my $mill = Hashmill->start(PROCESSES_PUBLIC => 1, PROCESSES_WORKER => 1, LEASE_SECONDS => 600);
$mill->expect_log(qr/./); # whatever a process says when its neighbours die
my %rows;                 # id => the state in which the item must be at the end

# --- killing --------------------------------------------------------------------------------------

# A tracer that kills the process, and all others unless alone, before its call number count.
sub start_killer ($process, $alone, $count) {
    my @others = $alone ? () : grep { $_ != $process } $mill->server_pids;
    my $pid = open2(my $out, undef, $kill_at, $count, $process, @others);
    my $line = readline $out;
    return { pid => $pid, out => $out, ready => ($line // '') eq "ready\n" };
}

# What came of it: whether it has killed, and which call.
sub end_killer ($killer) {
    kill 'TERM', $killer->{pid};
    my ($what, $number) = (readline($killer->{out}) // '') =~ /^(killed|finished) (\d+)/;
    waitpid $killer->{pid}, 0;
    return (($what // '') eq 'killed', $number);
}

sub restart {
    $mill->kill_everything($mill->nginx_pids);
    $mill->{server}->wait_exit(10);
    return $mill->start_server;
}

# Asks until the answer has one of these statuses; undef when it never has.
sub persist ($ask, @good) {
    my $reply;
    my $done = wait_until(20, sub {
        $reply = $ask->();
        return grep { $reply->status == $_ } @good;
    });
    return $done ? $reply : undef;
}

# --- what is killed in the middle -----------------------------------------------------------------

my $number = 0;

sub keyed ($what) { return ('Idempotency-Key' => "$what-$number") }

# The value of the item of this point.
sub value ($n) { return value_of("body $number", $n) }

sub new_here ($n) {
    my $reply = persist(sub { $mill->enqueue("body $number", $n, keyed('new')) }, 201) // die "no item\n";
    return $reply->json->{id};
}

sub pull_here { return $mill->pull(10, headers => { keyed('pull') }) }

# What is wrong with an item that must be in a state, with that value if it is done.
sub wrong_with ($id, $state, $n) {
    my $reply = persist(sub { $mill->item($id) }, 200, 404);
    return "$id is not known" if !$reply || $reply->status == 404;
    my $item = $reply->json;
    $rows{$id} = $state;
    return (
        ($item->{state} eq $state ? () : "$id is $item->{state}, not $state"),
        ($item->{iterations} == $n ? () : "$id has $item->{iterations} iterations"),
        ($state !~ /done|pulled/ || $item->{value} eq value($n) ? () : "$id has a wrong value"),
    );
}

# Whether a reply, if it is good, has the ids that it should have.
sub wrong_ids ($reply, $what, $read, @ids) {
    return "$what: never answered" if !$reply;
    return if $reply->status !~ /^20/; # the client knows nothing
    my @got = $read->($reply->json);
    return "@got" eq "@ids" ? () : "$what: has @got, not @ids";
}

sub ids_of_lease ($grant)    { return map { $_->{id} } $grant->{items}->@* }
sub ids_of_report ($verdict) { return $verdict->{taken}->@* }
sub ids_of_pull ($batch)     { return map { $_->{id} } @$batch }

# Reports the value of a leased item and pulls it: whatever happened, it goes its way to the end.
sub finish_item ($id, $lease, $n) {
    my $result = { id => $id, lease => $lease, chain => value($n), remaining => 0 };
    return (wrong_ids(persist(sub { $mill->report($result) }, 200), 'report', \&ids_of_report, $id),
        wrong_ids(persist(\&pull_here, 200), 'pull', \&ids_of_pull, $id));
}

# For each: who serves it; prepare: what must have happened before; ask: the request, the same each
# time; check: what is wrong, by the reply to the first and to a later one.
my %kinds = (
    enqueue => {
        role => 'intake',
        prepare => sub { return {} },
        ask => sub ($point) { return $mill->enqueue("body $number", 3, keyed('enqueue')) },
        good => [201],
        check => sub ($point, $first, $again) {
            my $id = $again->json->{id};
            my $acknowledged = $first->status == 201 ? $first->json->{id} : $id;
            my @wrong = wrong_with($id, 'waiting', 3);
            push @wrong, "acknowledged as $acknowledged, later $id" if $acknowledged ne $id;
            persist(sub { $mill->call('DELETE', "/items/$id") }, 204) or push @wrong, "$id cannot be cancelled";
            return (@wrong, wrong_with($id, 'cancelled', 3));
        },
    },
    lease => {
        role => 'worker-wait',
        prepare => sub { return { id => new_here(3), request => uuid() } },
        ask => sub ($point) { return $mill->lease(request => $point->{request}) },
        good => [200],
        check => sub ($point, $first, $again) {
            my @wrong = map { wrong_ids($_, 'lease', \&ids_of_lease, $point->{id}) } $first, $again;
            push @wrong, 'leased twice under one request' if $first->status == 200
                && $first->json->{lease} ne $again->json->{lease};
            return (@wrong, wrong_with($point->{id}, 'leased', 3),
                finish_item($point->{id}, $again->json->{lease}, 3), wrong_with($point->{id}, 'pulled', 3));
        },
    },
    report => {
        role => 'worker',
        prepare => sub {
            my $id = new_here(3);
            my $grant = $mill->lease->json;
            return { id => $id, lease => $grant->{lease} };
        },
        ask => sub ($point) {
            return $mill->report({ $point->%{qw(id lease)}, chain => value(3), remaining => 0 });
        },
        good => [200],
        check => sub ($point, $first, $again) {
            my @wrong = map { wrong_ids($_, 'report', \&ids_of_report, $point->{id}) } $first, $again;
            return (@wrong, wrong_with($point->{id}, 'done', 3),
                wrong_ids(persist(\&pull_here, 200), 'pull', \&ids_of_pull, $point->{id}),
                wrong_with($point->{id}, 'pulled', 3));
        },
    },
    pull => {
        role => 'public',
        prepare => sub { return { id => new_here(1) } },
        ask => sub ($point) { return pull_here() },
        good => [200],
        check => sub ($point, $first, $again) {
            my @wrong = map { wrong_ids($_, 'pull', \&ids_of_pull, $point->{id}) } $first, $again;
            my $other = persist(sub { $mill->pull(10) }, 200);
            return (@wrong, wrong_ids($other, 'another pull', \&ids_of_pull), wrong_with($point->{id}, 'pulled', 1));
        },
    },
);

# Something else, of the process that serves these requests: the answer must be its own, not one
# that was meant for the process that was killed.
sub probe ($role) {
    return () if $role eq 'worker-wait'; # it would lease the item of this point
    if ($role eq 'worker') {
        my $id = uuid();
        my $reply = persist(sub { $mill->report({ id => $id, lease => uuid(), chain => '0' x 128, remaining => 0 }) }, 200);
        return !$reply ? 'no probe is answered'
            : "@{$reply->json->{lost}}" eq $id && !$reply->json->{taken}->@* ? () : "another's answer: " . $reply->content;
    }
    my $reply = persist(sub { $mill->enqueue("probe $number", 77) }, 201) // return 'no probe is answered';
    my $id = $reply->json->{id};
    my $item = persist(sub { $mill->item($id) }, 200, 404)->json;
    persist(sub { $mill->call('DELETE', "/items/$id") }, 204, 404, 409);
    $rows{$id} = 'cancelled';
    return ($item->{iterations} // 0) == 77 ? () : "another's answer: $id";
}

# --- the sweep ------------------------------------------------------------------------------------

# One point: whether the process was killed, and what is wrong after it.
sub point ($kind, $process, $alone, $count) {
    $number++;
    my $point = $kind->{prepare}->();
    my ($target) = $mill->children($process eq 'writer' ? 'writer' : $kind->{role});
    my $killer = start_killer($target, $alone, $count);
    die "the process cannot be traced\n" if !$killer->{ready};
    my $first = $kind->{ask}->($point);
    my ($killed, $call) = end_killer($killer);
    restart() if !$alone && $killed;
    my @wrong = $alone && $killed ? probe($kind->{role}) : ();
    push @wrong, 'answered ' . $first->status if !$killed && !grep { $_ == $first->status } $kind->{good}->@*;
    my $again = persist(sub { $kind->{ask}->($point) }, $kind->{good}->@*);
    push @wrong, $again ? $kind->{check}->($point, $first, $again) : 'never answered';
    restart() if $alone && $killed; # a process that dies again and again is started more slowly
    return ($killed, $call, map { "before call $count ($call): $_" } @wrong);
}

# All points of a request, from the first on in steps; how many there were.
sub sweep ($name, $process, $alone, $from) {
    my ($points, @wrong) = (0);
    my $finished = 0;
    my $step = $alone && $process ne 'writer' && $kinds{$name}{role} =~ /public|intake/ ? 1 : STEP;
    for (my $count = 1 + $from % $step; $count < CALLS_MAX; $count += $step) {
        my ($killed, $call, @here) = point($kinds{$name}, $process, $alone, $count);
        push @wrong, @here;
        $finished = !$killed;
        last if $finished;
        $points++;
    }
    my $what = "$name, the $process killed" . ($alone ? ' alone' : ' with everything');
    cmp_ok $points, '>=', int(7 / STEP), "$what at $points points";
    ok $finished, 'up to the end of the request';
    is_deeply \@wrong, [], 'nothing was lost';
    return $points;
}

SKIP: {
    my ($writer) = $mill->children('writer');
    my $killer = start_killer($writer, 1, CALLS_MAX);
    end_killer($killer);
    skip 'no process can be traced here', 1 if !$killer->{ready};
    my ($points, $from) = (0, 0);
    for my $name (sort keys %kinds) {
        for my $process ('writer', 'process') {
            $points += sweep($name, $process, $_, $from++) for 0, 1;
        }
    }
    my %found = map { @$_ } $mill->sql('SELECT id, state FROM items');
    is scalar(grep { ($found{$_} // 'gone') ne $rows{$_} } keys %rows), 0, "$points points: all " . keys(%rows) . ' items are there';
    is scalar(keys %found), scalar(keys %rows), 'and no others';
    is_deeply [$mill->sql('PRAGMA integrity_check')], [['ok']], 'the database is whole';
    my %counted = map { @$_ } $mill->sql('SELECT state, count(*) FROM items GROUP BY state');
    my $stats = $mill->stats->{items};
    is_deeply { map { ($_, $stats->{$_}) } grep { $stats->{$_} } keys %$stats }, \%counted, 'the counts are those of the rows';
}

finish();
