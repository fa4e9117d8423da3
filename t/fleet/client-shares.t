# Clients share real workers by their weights while both wait, whoever has the longer backlog; alone each gets everything.

use v5.36;
use FindBin;
use lib "$FindBin::Bin/../support";
use File::Temp qw(tempdir);
use Test::More;
use Hashmill;
use Hashmill::Keys;

use constant { LONG => 6000, SHORT => 60, ITERATIONS => 2000 };

my $dir = tempdir('hm-keys-XXXXXX', TMPDIR => 1, CLEANUP => 1);
my %key = key_file("$dir/keys", 'client one', 'client same', 'client triple weight=3', 'operator olga');
my $mill = Hashmill->start(KEYS => "$dir/keys", key => $key{olga}, PROCESSES_PUBLIC => 8);

sub put ($name, $items) {
    $mill->enqueue("$name $_", ITERATIONS, Authorization => "Bearer $key{$name}")->status == 201 or die for 1 .. $items;
    return;
}

for my $case (['one', 'same', 1], ['one', 'triple', 3]) {
    my ($first, $second, $weight) = @$case;
    for my $long ($first, $second) {
        my $short = $long eq $first ? $second : $first;
        put($long, LONG);
        put($short, SHORT);
        my $worker = $mill->start_worker(WORKER_TOKEN => $mill->{token});
        $mill->wait_computed;
        $mill->stop_workers;
        # In the order in which they were leased: as long as the short backlog lasts, both wait.
        my @order = map { $_->[0] } $mill->sql('SELECT client.name FROM item JOIN client ON client.seq = client WHERE state = 2 ORDER BY granted_at, rank, item.seq');
        my $last = (grep { $order[$_] eq $short } 0 .. $#order)[-1];
        my $share = SHORT / ($last + 1);
        my $wanted = ($short eq 'triple' ? 3 : 1) / (1 + $weight);
        cmp_ok abs($share - $wanted), '<=', 0.05 * $wanted, "$first and $second, $long has more: $short gets $share of $wanted";
        for my $name ($first, $second) { 1 while $mill->pull(1000, client => $name)->json->@* }
    }
}

finish();
