# What GET /items/ID and GET /stats/running say of items that are not done: rate, forecast, what is ahead, why nothing
# moves. The forecast itself: t/unit/stats/eta.c; how good it is: scripts/bench.sh --only eta.

use v5.36;
use FindBin;
use lib "$FindBin::Bin/../support";
use File::Temp qw(tempdir);
use Test::More;
use JSON::PP ();
use Hashmill;
use Hashmill::Keys;

my @forecast = qw(eta_seconds eta_seconds_high eta_seconds_low expected_at expected_at_high expected_at_low);
my @progress = (@forecast, qw(ahead ahead_more expected_start_at rate why worker));
my $time = qr/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

# Those of these members that an item has.
sub has ($item, @names) { return [grep { exists $item->{$_} } sort @names] }

# A forecast whose parts fit each other.
sub is_forecast ($item, $name) {
    is_deeply has($item, @forecast), \@forecast, "$name: a forecast";
    cmp_ok $item->{eta_seconds_low}, '<=', $item->{eta_seconds}, 'low to';
    cmp_ok $item->{eta_seconds}, '<=', $item->{eta_seconds_high}, 'high';
    like $item->{$_}, $time, $_ for grep { /_at/ } @forecast;
    return cmp_ok $item->{expected_at_low}, 'le', $item->{expected_at_high}, 'in order';
}

# Moves both clocks on.
sub later ($mill, $seconds) {
    state $passed = 0;
    $passed += $seconds * 1000;
    return $mill->move_clock(wall_ms => $passed, steady_ms => $passed);
}

my $mill = Hashmill->start;

# Reports progress, or nothing new; the chain is not looked at.
sub report ($mill, $grant, $remaining) {
    my ($item) = $grant->{items}->@*;
    my $chain = sprintf '%0128x', $remaining;
    return $mill->report({ id => $item->{id}, lease => $grant->{lease}, chain => $chain, remaining => $remaining });
}

subtest 'no worker' => sub {
    my $item = $mill->item($mill->new_item('alone', 100_001))->json;
    like $item->{why}, qr/^No worker is there and this node launches none/, 'the item says why it waits';
    is_deeply has($item, @progress), [qw(ahead ahead_more why)], 'and makes no forecast';
    is_deeply [$item->{ahead}, $item->{ahead_more}], [0, JSON::PP::false], 'nothing is ahead';
    ok !exists $mill->stats->{eta_seconds}, 'neither does the node';
    is_deeply $mill->get('/stats/running?')->json, { items => [], more => JSON::PP::false }, 'nothing is leased';
};

subtest 'a leased item' => sub {
    my $grant = $mill->lease->json;
    my $id = $grant->{items}[0]{id};
    my $item = $mill->item($id)->json;
    is $item->{worker}, 'test', 'the worker has a name';
    ok !exists $item->{rate}, 'no rate before a report';
    is_forecast($item, 'by the rate of the worker');
    ok !exists $item->{ahead}, 'nothing is ahead of a leased one';

    later($mill, 20);
    report($mill, $grant, 80_000);
    $item = $mill->item($id)->json;
    cmp_ok abs($item->{rate} - 1000), '<', 50, 'its rate is measured';
    is_forecast($item, 'by that rate');
    cmp_ok abs($item->{eta_seconds} - 80), '<', 5, 'it is its rest over its rate';

    later($mill, 20);
    cmp_ok abs($mill->item($id)->json->{eta_seconds} - 60), '<', 5, 'which gets less between reports';
    report($mill, $grant, 40_000);
    $item = $mill->item($id)->json;
    cmp_ok $item->{rate}, '>', 1500, 'the last stretch counts more than the one before';
    cmp_ok $item->{rate}, '<', 2000, 'but not alone';

    my $running = $mill->get('/stats/running?')->json;
    is_deeply [map { $_->{id} } $running->{items}->@*], [$id], 'it is listed';
    is_deeply has($running->{items}[0], @progress), [sort @forecast, qw(rate worker)], 'with its progress';
    is $running->{items}[0]{client}, '', 'and its client';
    is_forecast($mill->stats, 'of the node');

    later($mill, 40);
    like $mill->item($id)->json->{why}, qr/^Its worker is silent; unless it calls, the item waits again in \d+ s\.$/,
        'a silent worker is told';
    report($mill, $grant, 0);
    is_deeply has($mill->item($id)->json, @progress), [], 'a done one has none of these';
    ok !exists $mill->stats->{eta_seconds}, 'nothing is left';
};

subtest 'what is ahead' => sub {
    my @ids = map { $mill->new_item("queue $_", 1000) } 1 .. 3;
    is_deeply [map { $mill->item($_)->json->{ahead} } @ids], [0, 1, 2], 'is counted';
    $mill->call('POST', '/items', headers => { 'Content-Type' => 'application/x-ndjson' }, content => join '', map { sprintf qq({"digest":"%0128x","iterations":1000}\n), $_ } @$_)
        for [1 .. 500], [501 .. 997];
    my @last = map { $mill->item($mill->new_item("last $_", 1000))->json } 1 .. 2;
    is_deeply [map { @$_{qw(ahead ahead_more)} } @last], [1000, JSON::PP::false, 1000, JSON::PP::true],
        'exactly up to 1,000';
};

subtest 'the parameter limit' => sub {
    my $grant = $mill->lease(items => 30)->json;
    is scalar $grant->{items}->@*, 30, '30 are leased';
    my $all = $mill->get('/stats/running?')->json;
    is scalar $all->{items}->@*, 20, '20 are listed';
    ok $all->{more}, 'there are others';
    later($mill, 1);
    my ($item) = ($grant->{items}->@*)[29];
    $mill->report({ id => $item->{id}, lease => $grant->{lease}, chain => $item->{chain} =~ s/^./0/r, remaining => 5 });
    my $one = $mill->get('/stats/running?limit=1&')->json;
    is_deeply [map { $_->{id} } $one->{items}->@*], [$item->{id}], 'that first which moves';
    is scalar $mill->get('/stats/running?limit=100&')->json->{items}->@*, 30, 'all, with a limit that is high enough';
    is_problem($mill->get("/stats/running?$_"), 400, $_) for 'limit=0', 'limit=101', 'limit=x', 'top=1';
};

subtest 'paused' => sub {
    my $id = $mill->new_item('paused', 1000);
    is $mill->call('POST', '/admin/pause?what=leasing')->status, 200, 'leasing is paused';
    like $mill->item($id)->json->{why}, qr/^An operator has paused leasing/, 'the item says so';
    is_deeply has($mill->item($id)->json, @forecast), [], 'and makes no forecast';
    $mill->call('POST', '/admin/resume?what=leasing');
    unlike $mill->item($id)->json->{why} // '', qr/paused/, 'not any more';
};

subtest 'without the writer' => sub {
    my $id = $mill->get('/stats/running?limit=1&')->json->{items}[0]{id};
    my ($writer) = $mill->children('writer');
    kill 'STOP', $writer;
    my $item = $mill->item($id)->json;
    is $item->{worker}, 'test', 'an item has its progress';
    is scalar $mill->get('/stats/running?limit=5&')->json->{items}->@*, 5, 'and items are listed';
    kill 'CONT', $writer;
};

subtest 'keys' => sub {
    my $dir = tempdir('hm-keys-XXXXXX', TMPDIR => 1, CLEANUP => 1);
    my %key = key_file("$dir/keys", 'client ann', 'client ben', 'viewer eve');
    my $kept = Hashmill->start(KEYS => "$dir/keys", key => $key{ann});
    my %of = map { my $who = $_; $who => sub ($path) {
        $kept->call('GET', $path, headers => { Authorization => "Bearer $key{$who}" })->json } } keys %key;
    my $id = $kept->new_item('of ann', 5000);
    $kept->enqueue('of ben', 5000, Authorization => "Bearer $key{ben}");
    is scalar $kept->lease(items => 2)->json->{items}->@*, 2, 'both are leased';
    is_forecast($of{ann}("/items/$id"), 'a client sees when its item is done');
    ok !exists $of{ann}("/items/$id")->{worker}, 'not who has it';
    is $of{eve}("/items/$id")->{worker}, 'test', 'a viewer does';
    my ($own) = map { $_->{items} } $of{ann}('/stats/running?');
    is_deeply [map { $_->{id} } @$own], [$id], 'a client lists its own';
    is_deeply has($own->[0], qw(client worker)), [], 'without names';
    is_deeply [sort map { $_->{client} } $of{eve}('/stats/running?')->{items}->@*], [qw(ann ben)], 'a viewer all';
};

finish();
