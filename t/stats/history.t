# GET /stats/history: columns, spans, what is not known; over stops, kills and a writer that is away.

use v5.36;
use FindBin;
use lib "$FindBin::Bin/../support";
use List::Util qw(max sum0);
use Test::More;
use Hashmill;

plan skip_all => 'clocks can be moved in a test build only' if !sanitized();

use constant MINUTE => 60;

my @numbers = qw(done enqueued iterations machines oldest_wait_seconds pulled refused seconds waiting workers);
my $moved = 0; # seconds
my $mill = Hashmill->start(OPERATION_SECONDS => 1);

# Both clocks go on.
sub go_on ($seconds) {
    $moved += $seconds;
    $mill->move_clock(wall_ms => $moved * 1000, steady_ms => $moved * 1000);
    return;
}

sub now { return time + $moved }

# The seconds that are saved of the minute that begins then.
sub saved ($at) { return ($mill->sql("SELECT coalesce(sum(seconds), 0) FROM history WHERE at = $at"))[0][0] }

# Goes on and waits until the minute under way is saved. Returns when that began.
sub end_with ($seconds) {
    my $at = now() - now() % MINUTE;
    my $before = saved($at);
    go_on($seconds);
    ok wait_until(20, sub { saved($at) > $before }), 'a minute is saved';
    return $at;
}

# Goes to some seconds after the start of the next minute.
sub end_minute { return end_with(MINUTE + 5 - now() % MINUTE) }

# Of the server itself, by the last "&": nginx has nothing of that.
sub history ($span) {
    my $reply = $mill->get('/stats/history' . ($span || '?') . '&');
    is $reply->status, 200, "the history$span" or diag $reply->content;
    return $reply->json;
}

# What a column has of the step that begins then.
sub at ($history, $column, $at) {
    my ($step) = grep { $history->{columns}{at}[$_] == $at } 0 .. $history->{columns}{at}->$#*;
    return defined $step ? $history->{columns}{$column}[$step] : 'no such step';
}

sub total ($history, $column) { return sum0 map { $_ // 0 } $history->{columns}{$column}->@* }

end_minute(); # the rest takes less than the rest of this one
my $id = $mill->new_item('pulled', 1);
$mill->pull(1);
$mill->new_item("item $_", 11) for 1 .. 3;
go_on(30);
is $mill->lease(items => 1)->status, 200, 'a worker takes one';
is_problem($mill->worker_call('/lease', '{}', Authorization => 'Bearer wrong'), 401, 'a wrong token');
my $first = end_minute();

subtest 'a minute' => sub {
    my $history = history('');
    my %wanted = (enqueued => 4, done => 1, pulled => 1, iterations => 0, refused => 1, waiting => 2, workers => 1, machines => 0);
    is at($history, $_, $first), $wanted{$_}, $_ for sort keys %wanted;
    cmp_ok abs(60 - at($history, 'seconds', $first)), '<=', 6, 'counted nearly whole';
    cmp_ok abs(60 - at($history, 'oldest_wait_seconds', $first)), '<=', 10, 'what waited longest';
    is at($history, 'enqueued', $first - 600), undef, 'before the start nothing is known';
    is $history->{columns}{at}[-1], $first, 'it is the last that is over';
};

subtest 'columns' => sub {
    my %wanted = ('' => ['1h', 60, 60], '?span=1h' => ['1h', 60, 60], '?span=24h' => ['24h', 600, 144], '?span=30d' => ['30d', 3600, 720]);
    for my $span (sort keys %wanted) {
        my $history = history($span);
        my ($name, $step, $count) = $wanted{$span}->@*;
        is_deeply [sort keys %$history], [qw(columns span step_seconds)], 'members';
        is $history->{span}, $name, 'the span';
        is $history->{step_seconds}, $step, 'the length of a step';
        my $columns = $history->{columns};
        is_deeply [sort keys %$columns], [sort 'at', @numbers], 'columns';
        is_deeply [map { scalar $columns->{$_}->@* } @numbers], [($count) x @numbers], 'with a number for each step';
        my $begin = $columns->{at}[0];
        is_deeply $columns->{at}, [map { $begin + $_ * $step } 0 .. $count - 1], 'the oldest first';
        is $begin % $step, 0, 'which begin with the minute or hour';
        is int((now() - 1) / $step) * $step, $columns->{at}[-1] + $step, 'and end with the last that is over';
        my @known = map { my $i = $_; scalar grep { defined $columns->{$_}[$i] } @numbers } 0 .. $count - 1;
        is scalar(grep { $_ != 0 && $_ != @numbers } @known), 0, 'all of a step is known, or nothing';
    }
};

subtest 'other spans' => sub {
    for my $span ('', '2h', '1H', '30', '30d%20', 'x' x 60) {
        my $reply = $mill->get("/stats/history?span=$span");
        is_problem($reply, 400, "span=$span");
        like $reply->json->{detail}, qr/1h, 24h or 30d/, 'says what there is';
    }
    is_problem($mill->get('/stats/history?step=60'), 400, 'another parameter');
    is_problem($mill->call('POST', '/stats/history'), 405, 'POST');
};

subtest 'a stop and a start in one minute' => sub {
    $mill->new_item("before $_", 11) for 1 .. 2;
    $mill->stop_server;
    $mill->restart;
    $mill->new_item('behind', 11);
    my $at = end_minute();
    is at(history(''), 'enqueued', $at), 3, 'it has what was done before and behind';
};

subtest 'all processes are killed' => sub {
    $mill->new_item("lost $_", 11) for 1 .. 5;
    my $killed = now() - now() % MINUTE;
    $mill->kill_everything;
    go_on(5 * MINUTE);
    $mill->restart;
    my $at = end_minute();
    my $history = history('');
    is at($history, 'seconds', $killed), undef, 'the minute is not known';
    is at($history, 'enqueued', $killed + $_ * MINUTE), undef, 'nor those of the time without a node' for 1 .. 4;
    is total($history, 'enqueued'), 4 + 3, 'nothing is put into another minute';
    is $mill->stats->{items}{waiting}, 2 + 3 + 5 + 1, 'and nothing is lost but this';
};

subtest 'only the writer is killed' => sub {
    $mill->expect_log(qr/the writer|killed|signal/i);
    my $before = total(history(''), 'enqueued');
    $mill->new_item("lost $_", 11) for 1 .. 5;
    my ($writer) = $mill->children('writer');
    kill 'KILL', $writer;
    ok wait_until(20, sub { $mill->get('/healthz')->status == 200 }), 'the next one comes';
    $mill->new_item('counted', 11);
    end_minute();
    is total(history(''), 'enqueued'), $before + 1, 'what it counted is missing';
};

subtest 'while the writer is away' => sub {
    my ($writer) = $mill->children('writer');
    kill 'STOP', $writer;
    is $mill->get('/stats?')->status, 503, 'the state of the node is not known';
    is total(history('?span=1h'), 'enqueued'), 4 + 3 + 1, 'its past is';
    kill 'CONT', $writer;
    ok wait_until(20, sub { $mill->get('/healthz')->status == 200 }), 'it goes on';
};

subtest 'long spans' => sub {
    my $enqueued = total(history(''), 'enqueued');
    end_with(3600 + 60);
    ok wait_until(20, sub { total(history('?span=30d'), 'enqueued') >= $enqueued }), 'an hour later it is in the hours';
    is total(history('?span=24h'), 'enqueued'), $enqueued, 'and in the day';
    end_with(60 * 3600);
    end_minute() for 1 .. 3;
    is total(history('?span=24h'), 'enqueued'), 0, 'two days later only';
    is total(history('?span=30d'), 'enqueued'), $enqueued, 'in the month';
    is_deeply [map { $_->[0] } $mill->sql("SELECT DISTINCT width FROM history WHERE at < $first + 2 * 3600")], [3600], 'as rows of hours';
    my ($row) = grep { $_->[2] ne '0 in' } $mill->sql('SELECT * FROM throughput');
    is $row->[2], "$enqueued in", 'people see it, too' if $first % 3600 < 3000;
};

finish();
