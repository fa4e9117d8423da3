# A power cut: a server works off many requests while its writer is killed now and then, and what it
# does to its files is recorded, with the moments at which clients had their answers. Then, for every
# sync, the files are made as a power cut would have left them just before it, and the real store
# opens them: everything acknowledged by then is there. See t/support/crash/power_cut.c and t/support/shim/record.c.
#
# POWER_CUT_OPERATIONS: how many requests (make power-cut: 1000); POWER_CUT_VARIANTS: how many
# random remains at each sync; POWER_CUT_STEP: 1 for every sync.

use v5.36;
use FindBin;
use lib "$FindBin::Bin/../support";
use Digest::SHA qw(sha512_hex);
use File::Temp qw(tempdir);
use Test::More;
use Time::HiRes qw(sleep);
use Hashmill;

use constant {
    OPERATIONS => $ENV{POWER_CUT_OPERATIONS} // 240,
    VARIANTS => $ENV{POWER_CUT_VARIANTS} // 1,
    STEP => $ENV{POWER_CUT_STEP} // 1,
    SEED => $ENV{POWER_CUT_SEED} // 1,
    SYNC_US => 3000, # so that an answer that does not wait for it comes clearly before
};

my $build = Hashmill::build_directory();
my $dir = tempdir('hm-cut-XXXXXX', TMPDIR => 1, CLEANUP => 1);
my ($database, $log, $facts) = map { "$dir/$_" } qw(db log facts);

# What the server finds: a database and, as --init looks at it before each start, an empty WAL. The log begins
# with these, made and synced.
sub begin_log {
    my $init = Hashmill::Process->start(log => "$dir/init.log", env => { DATABASE => $database, RUN_DIR => "$dir/run" },
        command => ["$build/hashmill-fcgi", '--init']);
    $init->wait_exit(30);
    my ($create, $write, $sync) = (0, 2, 4); # see t/support/shim/record.h
    my $bytes = slurp($database);
    spew($log, join '', map { pack 'L L Q Q a*', @$_ } [$create, 0, 0, 0, ''], [$write, 0, 0, length $bytes, $bytes],
        [$create, 1, 0, 0, ''], [$sync, 0, 0, 0, ''], [$sync, 3, 0, 0, '']);
    return;
}

begin_log();

# Runs the server with the recording library. It goes in before that of the sanitizers, which must be
# allowed and does no harm.
my $record = 'ASAN_OPTIONS="$ASAN_OPTIONS:verify_asan_link_order=0" exec env LD_PRELOAD="$0" "$@"';
my $mill = Hashmill->start(LEASE_SECONDS => 3600, DATABASE => $database,
    wrap => ['sh', '-c', $record, "$build/shim/record.so", "RECORD_LOG=$log", "RECORD_DATABASE=$database",
        'RECORD_SYNC_US=' . SYNC_US]);

# How long the log is: what was acknowledged by now must be in it, before that.
sub position { return -s $log }

# Asks until the answer is good, then notes facts, which the code makes of the reply.
sub acknowledged ($ask, $make) {
    my $reply;
    wait_until(30, sub { ($reply = $ask->())->status =~ /^2/ }) or die 'no answer: ' . $reply->status . "\n";
    my $position = position();
    return map { [$position, @$_] } $make->($reply);
}

# The facts of an item that was just stored.
sub new_item ($body, $n, $key) {
    return acknowledged(sub { $mill->enqueue($body, $n, 'Idempotency-Key' => $key) }, sub ($reply) {
        my $id = $reply->json->{id};
        return (['exists', $id, sha512_hex($body), $n], $n == 1 ? ['done', $id] : ());
    });
}

# Stores items, and cancels one now and then.
sub client ($name, $operations) {
    my @facts;
    for my $number (1 .. $operations) {
        if ($number % 9 == 0) {
            my $id = $facts[-1][2];
            push @facts, [position(), 'cancelled', $id] if $mill->call('DELETE', "/items/$id")->status == 204;
        } else {
            push @facts, new_item("$name $number " . random_body(int rand 300), 1 + int rand 6, "$name-$number");
        }
    }
    return @facts;
}

# What the reports of one call come to.
sub facts_of_report ($reply, %reported) {
    return map {
        my $remaining = $reported{$_}{remaining};
        $remaining > 0 ? ['left', $_, $remaining] : ['done', $_];
    } $reply->json->{taken}->@*;
}

# Leases items and reports on them: some values, some checkpoints, some given back.
sub worker ($operations) {
    my @facts;
    while ($operations > 0) {
        my $request = uuid();
        my ($grant, @held) = ({ items => [] });
        @held = acknowledged(sub { $mill->lease(request => $request, items => 5) }, sub ($reply) {
            $grant = $reply->json if $reply->status == 200;
            return map { ['held', $_->{id}, $grant->{lease}] } $grant->{items}->@*;
        });
        push @facts, @held;
        $operations--;
        sleep 0.02 if !@held;
        my @left = map { { $_->%*, lease => $grant->{lease} } } $grant->{items}->@*;
        while (@left) {
            my %reported;
            for my $item (@left) {
                my $steps = 1 + int rand $item->{remaining};
                $item->@{qw(chain remaining)} = (advance($item->{chain}, $steps), $item->{remaining} - $steps);
                $item->{release} = JSON::PP::true() if $item->{remaining} > 0 && rand() < 0.2;
                $reported{ $item->{id} } = $item;
                push @facts, [position(), 'freed', $item->{id}] if $item->{release};
            }
            push @facts, acknowledged(sub { $mill->report(values %reported) },
                sub ($reply) { return facts_of_report($reply, %reported) });
            $operations--;
            @left = grep { $_->{remaining} > 0 && !$_->{release} } @left;
        }
    }
    return @facts;
}

sub puller ($operations) {
    my @facts;
    for my $number (1 .. $operations) {
        my @pulled = acknowledged(
            sub { $mill->pull(3, headers => { 'Idempotency-Key' => "pull-$number" }) },
            sub ($reply) { return map { ['pulled', $_->{id}] } $reply->json->@* });
        push @facts, @pulled;
        sleep 0.05 if !@pulled;
    }
    return @facts;
}

# Kills the writer when it has written and not synced; the client asks again. The facts, and whether it
# was killed in time.
sub killed_in_the_middle ($number) {
    my $ask = sub { $mill->enqueue("killed $number", 4, 'Idempotency-Key' => "killed-$number") };
    my ($writer) = $mill->children('writer');
    my $first = background(sub { $ask->()->status });
    my ($length, $before) = (position(), 0);
    for my $look (1 .. 10000) {
        last if $before > $length && position() == $before; # it has grown, and grows no more
        $before = position();
        sleep 0.0005;
    }
    kill 'KILL', $writer;
    return ([new_item("killed $number", 4, "killed-$number")], $first->result != 201);
}

# First, as later a new writer finds a WAL so large that it copies it into the database at once.
my @facts;
my $in_time = 0;
for my $number (1 .. 30) {
    my ($more, $was_in_time) = killed_in_the_middle($number);
    push @facts, @$more;
    last if ($in_time += $was_in_time) == 4;
    sleep 0.3; # or it is started more and more slowly
}
is $in_time, 4, 'the writer was killed between a write and its sync, too';

my @jobs = (
    map({ my $name = "client-$_"; background(sub { client($name, int 0.2 * OPERATIONS) }) } 1, 2),
    background(sub { worker(int 0.4 * OPERATIONS) }),
    background(sub { puller(int 0.2 * OPERATIONS) }));
for (1 .. 1 + OPERATIONS / 250) {
    sleep 0.5;
    kill 'KILL', $mill->children('writer');
}
push @facts, map { $_->result } @jobs;
@facts = sort { $a->[0] <=> $b->[0] } @facts; # which keeps the order of each process's
spew($facts, join '', map { "@$_\n" } @facts);
my %count;
$count{ $_->[1] }++ for @facts;
cmp_ok $count{$_} // 0, '>', 0, "$_: $count{$_}" for qw(exists held left freed done pulled cancelled);
ok $mill->stop_server, 'the server stops';
$mill->{server_may_be_gone} = 1;

my $output = qx{$build/crash/power_cut $log $facts @{[VARIANTS]} @{[STEP]} @{[SEED]} 2>&1};
is $?, 0, 'everything acknowledged is there after each cut';
note $output;
diag $output if $output =~ /^not ok/m || $? != 0;
my ($syncs, $checkpoints, $cuts) = $output =~ /(\d+) syncs, (\d+) of them of the database, (\d+) cuts/;
cmp_ok $syncs // 0, '>', OPERATIONS / 4, 'there were enough syncs';
cmp_ok $checkpoints // 0, '>', 2, 'some of checkpoints'; # one is of the start, one of the end
cmp_ok $cuts // 0, '>=', int(($syncs // 0) / STEP) * (2 + VARIANTS), 'and cuts';

finish();
