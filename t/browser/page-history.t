# The charts of the page: they show what GET /stats/history has told, as a picture and as a table; where the library that draws
# them is missing the table is there.

use v5.36;
use utf8;
use FindBin;
use lib "$FindBin::Bin/../support";
use List::Util qw(first);
use Test::More;
use Hashmill;
use Hashmill::Browser;

plan skip_all => Hashmill::Browser::missing() if Hashmill::Browser::missing();
plan skip_all => 'libjs-dygraphs is not installed' if !-e '/usr/share/javascript/dygraphs/dygraph.min.js';

# A node with half an hour of history, but for five minutes in which it was down, and a minute before. By its
# clock a minute has just begun: none ends while the page is looked at.
sub start_node (%options) {
    my $mill = Hashmill->start(%options);
    ok $mill->stop_server, 'the server stops';
    my $minute = int(time / 60) * 60;
    $mill->move_clock(wall_ms => 1000 * ($minute + 5 - time));
    my @rows = map { sprintf '(%d, 60, 60, %d, %d, %d, %d, 0, 3, 18000, 2, 1)', $minute - 60 * $_, 120 + 60 * $_, 60, 30, 6e9 } 1 .. 10, 16 .. 30, 95; # the last in an hour that is over
    system('sqlite3', $mill->{settings}{DATABASE}, 'INSERT INTO history (at, width, seconds, enqueued, done, pulled, iterations, refused,
        waiting, oldest_wait, workers, machines) VALUES ' . join ', ', @rows) == 0 or die;
    $mill->start_server;
    return $mill;
}

# The rows of the nth table of a page, as its reader sees them: the newest first.
sub table ($browser, $n) {
    return $browser->run(q{return [...document.querySelectorAll('figure')[arguments[0]].querySelectorAll('tbody tr')]
        .map(row => [...row.cells].map(cell => cell.textContent))}, $n);
}

my $browser = Hashmill::Browser->start;
my $mill = start_node();

subtest 'pictures and tables' => sub {
    $browser->open($mill->url . '/ui/');
    ok $browser->sees('return document.querySelectorAll("figure canvas").length >= 4'), 'four charts are drawn';
    ok $browser->run(q{const c = document.querySelector('figure canvas:last-of-type');
        return [...document.querySelectorAll('figure')].every(figure => [...figure.querySelectorAll('canvas')].some(canvas =>
            canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data.some(byte => byte)))}), 'with something in each';
    is_deeply $browser->run(q{return [...document.querySelectorAll('figure .legend b')].map(b => b.textContent)}),
        ['3', '1', '0.5', "100\x{a0}M", "18\x{a0}s", '2', '1'], 'the newest values stand beside them';
    is scalar(table($browser, 0)->@*), 0, 'a table is made when it is wanted';
    $browser->click('figure summary');
    ok $browser->sees('return document.querySelectorAll("figure tbody tr").length === 60'), 'an hour of minutes';
    my $rows = table($browser, 0);
    my $oldest = first { $rows->[$_][1] eq '12' } keys @$rows;
    is_deeply [$rows->[$oldest - 9]->@[1 .. 3]], ['3', '1', '0.5'], 'a minute with what was done, per second';
    is_deeply [$rows->[$oldest + 1]->@[1 .. 3]], ['–', '–', '–'], 'a minute that is not known';
};

subtest 'spans' => sub {
    for my $span (['24h', 144], ['30d', 720], ['1h', 60]) {
        my ($name, $steps) = @$span;
        $browser->click("input[value='$name']");
        ok $browser->sees("return document.querySelectorAll('figure tbody')[0].rows.length === $steps"), "$name: $steps steps";
    }
};
is_deeply [$browser->console], [], 'the browser complains of nothing';

subtest 'without the library' => sub {
    my $bare = start_node(nginx_change => sub ($text) { $text =~ s{default /usr/share/javascript/dygraphs;}{default /nonexistent;}r });
    $browser->open($bare->url . '/ui/');
    ok $browser->sees('return [...document.querySelectorAll("figure")].filter(figure => figure.querySelector("details").open && figure.querySelectorAll("tbody tr").length === 60).length === 4'),
        'four tables';
    is $browser->run('return document.querySelectorAll("canvas").length'), 0, 'no chart';
};

$browser->stop;
finish();
