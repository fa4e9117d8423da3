# The page, left open: after 2,000 updates of a node where items come and go, its heap and its document are no larger than after
# the first five hundred and the first minute, when the charts are drawn. Slow: only with HASHMILL_SLOW=1.

use v5.36;
use FindBin;
use lib "$FindBin::Bin/../support";
use Test::More;
use Hashmill;
use Hashmill::Browser;

plan skip_all => 'slow; set HASHMILL_SLOW=1' if !$ENV{HASHMILL_SLOW};
plan skip_all => Hashmill::Browser::missing() if Hashmill::Browser::missing();

use constant { UPDATES => 2000, FIRST => 500, ROOM => 300_000 }; # ROOM: bytes

my $mill = Hashmill->start;
my $browser = Hashmill::Browser->start;
my $followed = $mill->new_item('followed', 1e12);
$browser->open($mill->url . "/ui/#$followed");
$browser->reads('item-state', qr/waiting/);

# Every 20 ms; as many answers of /stats as were counted.
$browser->run(q{window.updates = 0;
    new PerformanceObserver(list => updates += list.getEntries().filter(({name}) => name.endsWith('/stats')).length)
        .observe({type: 'resource'});
    const refresh = document.getElementById('refresh');
    refresh.options[0].value = '0.02';
    refresh.value = '0.02';
    refresh.dispatchEvent(new Event('change'))});

# Waits for that many updates, with items that come and go; the size of the heap, and of the document.
sub after ($updates) {
    my $round = 0;
    while ($browser->run('return updates') < $updates) {
        my @items = map { $mill->new_item("item $_ of $updates", 1000) } 1 .. 20;
        $mill->lease(items => 10, worker => { Hashmill::worker_fields()->%*, name => 'worker ' . $round++ % 7 });
        $mill->call('DELETE', "/items/$_") for @items;
        $browser->requests; # which the driver would keep
    }
    $browser->cdp('HeapProfiler.collectGarbage') for 1 .. 3;
    return ($browser->cdp('Runtime.getHeapUsage')->{usedSize}, $browser->cdp('Memory.getDOMCounters')->{nodes});
}

my $first = FIRST;
after($first);
$first += 100, after($first) while $first < UPDATES * 4 && !$browser->run('return document.querySelectorAll("#charts canvas").length');
my ($heap, $nodes) = after($first += 100);
my ($heap_then, $nodes_then) = after($first + UPDATES);
diag "heap: $heap bytes after $first updates, $heap_then after " . UPDATES . " more; nodes: $nodes, $nodes_then";
cmp_ok $heap_then, '<', $heap + ROOM, 'the heap is no larger';
cmp_ok $nodes_then, '<', $nodes + 300, 'nor the document';
$browser->stop;
finish();
