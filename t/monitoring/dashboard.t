# grafana/hashmill.json, and what alerts there are, with a real pair of nodes and a real Prometheus: each query of the
# dashboard has data; no alert fires while all is well; and those that a test can cause fire for what was done.

use v5.36;
use File::Temp qw(tempdir);
use FindBin;
use lib "$FindBin::Bin/../support";
use JSON::PP qw(decode_json);
use Test::More;
use Hashmill;
use Hashmill::Authority;
use Hashmill::Fleet;
use Hashmill::Keys;
use Hashmill::Prometheus;

plan skip_all => Hashmill::Prometheus::missing() if Hashmill::Prometheus::missing();

my $root = "$FindBin::Bin/../..";
my $dashboard = decode_json(slurp("$root/grafana/hashmill.json"));
my @panels = grep { $_->{type} ne 'row' } $dashboard->{panels}->@*;
my $rules = slurp("$root/prometheus/hashmill.rules.yml");

# Whether two panels cover the same place.
sub overlap ($one, $other) {
    my ($p, $q) = map { $_->{gridPos} } $one, $other;
    return $p->{x} < $q->{x} + $q->{w} && $q->{x} < $p->{x} + $p->{w} && $p->{y} < $q->{y} + $q->{h} && $q->{y} < $p->{y} + $p->{h};
}

# All data sources that a part of the dashboard names.
sub sources ($part) {
    return map { sources($_) } @$part if ref $part eq 'ARRAY';
    return if ref $part ne 'HASH';
    return map { $_ eq 'datasource' ? $part->{$_}{uid} : sources($part->{$_}) } keys %$part;
}

subtest 'the file' => sub {
    my %ids = map { $_->{id} => 1 } $dashboard->{panels}->@*;
    is scalar keys %ids, scalar $dashboard->{panels}->@*, 'each panel has an id of its own';
    is_deeply [map { $_->{title} } grep { $_->{gridPos}{x} + $_->{gridPos}{w} > 24 } $dashboard->{panels}->@*], [], 'is 24 columns wide';
    my @all = $dashboard->{panels}->@*;
    my @pairs = map { my $i = $_; map { "$all[$i]{title}, $all[$_]{title}" } grep { overlap(@all[$i, $_]) } $i + 1 .. $#all } 0 .. $#all;
    is_deeply \@pairs, [], 'no two panels are in one place';
    my %sources = map { $_ => 1 } sources($dashboard);
    is_deeply [keys %sources], ['${datasource}'], 'the data source is a variable, everywhere';
    my %titles = map { $_->{title} => 1 } @panels;
    is scalar keys %titles, scalar @panels, 'titles differ';
    for my $panel (@panels) {
        my $defaults = $panel->{fieldConfig}{defaults};
        ok $panel->{title} && $panel->{description} =~ /\.$/ && $defaults->{unit}, "$panel->{title}: has a description and a unit";
        my @without = grep { !/instance=~"\$instance"/ } map { $_->{expr} =~ /\b(?:hashmill_\w+|up)(?:\{[^}]*\})?/g } $panel->{targets}->@*;
        is_deeply \@without, [], 'is of the nodes that were chosen';
        my @unknown = grep { $rules !~ /- alert: $_\n/ } $panel->{description} =~ /\bHashmill\w+/g;
        is_deeply \@unknown, [], 'names alerts that there are';
    }
};

# --- Two nodes ------------------------------------------------------------------------------------

my $dir = tempdir('hm-dashboard-XXXXXX', TMPDIR => 1, CLEANUP => 1);
my %key = key_file("$dir/keys", 'client ann', 'operator olga');
my $authority = Hashmill::Authority->new;
my $place = $authority->node;
my $port = free_port_pair(2);

# A node of the pair: 0 launches a worker, both know the keys and have certificates to look at.
sub start_node ($number, %settings) {
    my $peer = 1 - $number;
    my $class = $number == 0 ? 'Hashmill::Fleet' : 'Hashmill';
    return $class->start(NODE => $number, port => $port + 2 * $number, PEERS => "$peer=http://127.0.0.1:" . ($port + 2 * $peer + 1),
        PEER_TOKEN => 'p' x 32, COPY => 'sync', KEYS => "$dir/keys", key => $key{olga}, METRICS_CLIENTS => 'yes', PROCESSES_PUBLIC => 2,
        TLS_CA => "$place/ca.pem", TLS_CERT => "$place/peer.pem", TLS_KEY => "$place/peer.key", %settings);
}

my ($here, $there) = (start_node(0, WORKERS_MIN => 1), start_node(1));
my ($metrics_here, $metrics_there) = map { "127.0.0.1:$_->{metrics_port}" } $here, $there;
my $prometheus = Hashmill::Prometheus->start(targets => [$metrics_here, $metrics_there], rules => Hashmill::Prometheus::eager_rules());

# A backup of a node.
sub back_up ($mill) {
    my $backup = Hashmill::Process->start(log => "$dir/backup", env => { $mill->environment->%*, BUILD => $mill->{build} },
        command => ["$root/scripts/backup.sh", '-c', $mill->settings_file, "$dir/backup.db"]);
    $backup->wait_exit(60);
    is $backup->exit_code, 0, 'a backup is made' or diag $backup->log;
    return;
}

# Something for each panel to show: items enqueued, done, pulled and cancelled; a call that is refused because of the
# node, and one because of its key.
sub be_busy ($mill) {
    my $own = { headers => { Authorization => "Bearer $key{ann}" } };
    my @ids = map { $mill->call('PUT', '/enqueue?iterations=100', content => "body $_", %$own)->json->{id} } 1 .. 3;
    $mill->call('DELETE', "/items/$ids[0]", %$own);
    $mill->item($ids[2], wait => 20);
    $mill->call('POST', '/pullCompleted?top=1', %$own);
    $mill->call('GET', '/stats', headers => { Authorization => 'Bearer nobody' });
    $mill->call('POST', '/admin/pause?what=intake');
    die "an enqueue is not refused\n" if $mill->enqueue('refused', 100)->status != 503;
    $mill->call('POST', '/admin/resume?what=intake');
    return;
}

# The queries of panels, with the values of variables in their places: "TITLE: EXPRESSION".
sub queries {
    return map {
        my $panel = $_;
        map { "$panel->{title}: " . ($_->{expr} =~ s/\$instance\b/.*/gr =~ s/\$__rate_interval\b/30s/gr) } $panel->{targets}->@*
    } @panels;
}

# Whether a query has a sample that is a number.
sub has_data ($query) {
    return scalar grep { $_->{value}[1] ne 'NaN' } $prometheus->query($query =~ s/^[^:]*: //r);
}

subtest 'all is well' => sub {
    ok $prometheus->wait_scraped, 'both nodes are scraped' or diag $prometheus->log;
    my $own_fault = qr/^HashmillDiskLow$/; # the disk of this machine may be as full as it likes
    my @firing;
    my $calm = sub { !(@firing = grep { !/$own_fault/ } map { $_->{labels}{alertname} } $prometheus->firing) };
    # The replicas are made, and the worker has called.
    ok wait_until(60, sub { $here->stats->{peers}[0]{replica} eq 'following' && $there->stats->{peers}[0]{replica} eq 'following'
        && $here->stats->{workers} > 0 }), 'the nodes have found each other';
    ok wait_until(60, $calm), 'no alert fires' or diag "@firing";
};

subtest 'each query has data' => sub {
    back_up($here);
    my @missing = queries();
    cmp_ok scalar @missing, '>=', 30, 'there are queries';
    my $found = wait_until(60, sub {
        be_busy($here);
        @missing = grep { !has_data($_) } @missing;
        return !@missing;
    });
    ok $found, 'all of them' or diag join "\n", 'no data:', @missing;
    my @metrics = sort keys %{{ map { $_ => 1 } $rules =~ /\bhashmill_[a-z_]+\b/g }};
    is_deeply [grep { !$prometheus->query($_) } @metrics], [], 'and each metric that an alert asks for is there';
};

# Asserts that an alert comes to fire at a node, with these labels.
sub told ($name, $instance, %labels) {
    my $alert = $prometheus->wait_firing($name, $instance);
    ok $alert, "$name fires" or return;
    is $alert->{labels}{$_}, $labels{$_}, "with its $_" for sort keys %labels;
    return;
}

subtest 'what goes wrong is told' => sub {
    $there->new_item('a body', 1_000_000_000_000);
    my $grant = $there->lease->json;
    $there->report({ id => $grant->{items}[0]{id}, lease => $grant->{lease}, remaining => 0, chain => 'ab' x 64 });
    $there->expect_log(qr/is in quarantine/);
    told('HashmillFault', $metrics_there);
    told('HashmillQuarantine', $metrics_there);

    $there->call('POST', '/admin/pause?what=leasing');
    told('HashmillPaused', $metrics_there, part => 'leasing');
    $there->move_clock(steady_ms => 120_000);
    told('HashmillOldestWait', $metrics_there);

    $here->call('GET', '/stats', headers => { Authorization => 'Bearer nobody' }) for 1 .. 30;
    told('HashmillKeysRefused', $metrics_here);

    my $soon = $authority->client('/OU=peer', 10);
    ok $here->reload(TLS_CERT => "$soon.pem", TLS_KEY => "$soon.key"), 'a certificate for ten days';
    told('HashmillCertificate', $metrics_here, file => 'client');

    $there->{server_may_be_gone} = 1;
    $there->expect_log(qr/connect\(\) to unix:\S+ failed/); # nginx goes on without it
    ok $there->stop_server, 'a node is stopped';
    told('HashmillDown', $metrics_there, severity => 'critical');
    told('HashmillPeerAway', $metrics_here, peer => 1);
    $here->new_item('a body', 1);
    told('HashmillReplicaIncomplete', $metrics_here, peer => 1);
};

$prometheus->stop;
finish();
