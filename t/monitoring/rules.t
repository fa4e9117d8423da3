# prometheus/hashmill.rules.yml: promtool takes it; each alert fires at what it says and not before (hashmill_test.yml);
# and in a real Prometheus that scrapes a node which has everything wrong, all of them fire, with words that can be read.

use v5.36;
use File::Temp qw(tempdir);
use FindBin;
use lib "$FindBin::Bin/../support";
use Test::More;
use Hashmill::Process;
use Hashmill::Prometheus;
use Hashmill::Util;

plan skip_all => Hashmill::Prometheus::missing() if Hashmill::Prometheus::missing();

my $root = "$FindBin::Bin/../..";
my $rules = "$root/prometheus/hashmill.rules.yml";
my $cases = "$FindBin::Bin/hashmill_test.yml";
my @alerts = sort(slurp($rules) =~ /- alert: (\w+)/g);

subtest 'promtool' => sub {
    cmp_ok scalar @alerts, '>=', 9, 'there are alerts';
    my ($code, $said) = Hashmill::Prometheus::promtool(qw(check rules --lint=all --lint-fatal), $rules);
    is $code, 0, 'the rules are good' or diag $said;
    ($code, $said) = Hashmill::Prometheus::promtool(qw(test rules), $cases);
    is $code, 0, 'each alert fires when it should, and is silent otherwise' or diag $said;
    my %tested = map { $_ => 1 } slurp($cases) =~ /alertname="(\w+)"/g;
    is_deeply [sort keys %tested], \@alerts, 'no alert is without a case';
};

# What a node would say that has everything wrong. Counters and times of a start move on with $step.
sub sick ($step) {
    my $wall = time;
    return <<~"END" =~ s/^(?=.)/hashmill_/gmr;
        oldest_wait_seconds 4711
        paused{part="intake"} 1
        peer_up{peer="1"} 0
        replica_incomplete{peer="1"} 1
        replica_behind_batches{peer="1"} 1000
        commit_duration_seconds_count 1
        requests_total{route="/enqueue",method="PUT",code="503"} ${\(100 * $step)}
        requests_total{route="/stats",method="GET",code="200"} ${\(100 * $step)}
        faults_total $step
        disk_free_bytes 1000000
        wal_bytes 1000000000
        last_backup_timestamp_seconds ${\($wall - 3 * 86_400)}
        start_time_seconds ${\($wall - 3 * 86_400 + $step)}
        certificate_expiry_timestamp_seconds{file="ca"} ${\($wall + 86_400)}
        certificate_expiry_timestamp_seconds{file="listener"} ${\($wall - 86_400)}
        quarantined_identities 1
        keys_refused_total ${\(100 * $step)}
        END
}

subtest 'all at once' => sub {
    my $dir = tempdir('hm-sick-XXXXXX', TMPDIR => 1, CLEANUP => 1);
    my $step = 0;
    my $tell = sub {
        spew("$dir/metrics.new", sick($step++));
        rename "$dir/metrics.new", "$dir/metrics" or die;
    };
    $tell->();
    my $port = free_port_pair();
    my $node = Hashmill::Process->start(log => "$dir/log",
        command => [qw(/usr/bin/python3 -m http.server --bind 127.0.0.1 --directory), $dir, $port]);
    my ($sick, $gone) = map { "127.0.0.1:$_" } $port, $port + 1; # nobody has the second one
    my $prometheus = Hashmill::Prometheus->start(targets => [$sick, $gone], rules => Hashmill::Prometheus::eager_rules());
    my %firing;
    wait_until(60, sub {
        $tell->();
        %firing = map { $_->{labels}{alertname} => $_ } $prometheus->firing;
        return keys %firing == @alerts;
    });
    is_deeply [sort keys %firing], \@alerts, 'they fire' or diag $prometheus->log;
    is $firing{HashmillDown}{labels}{instance}, $gone, 'HashmillDown at the node that does not answer';
    for my $name (sort keys %firing) {
        my %words = $firing{$name}{annotations}->%*;
        is_deeply [sort keys %words], [qw(description runbook summary)], "$name has its annotations";
        my $instance = $name eq 'HashmillDown' ? $gone : $sick;
        like $words{summary}, qr/\Q$instance\E/, 'the summary names the node';
        unlike "$words{summary} $words{description}", qr/<error|<no value>|\{\{|  |\n/, 'and all can be read';
        cmp_ok length $words{summary}, '<=', 110, 'in a line';
        like $firing{$name}{labels}{severity}, qr/^(?:critical|warning)$/, 'it says how bad it is';
    }
    my %summary = map { $_ => $firing{$_}{annotations}{summary} } keys %firing;
    like $summary{HashmillOldestWait}, qr/waited for 1h 18m 31s$/, 'times are in hours and minutes';
    like $summary{HashmillErrors}, qr/answers (?:49|5\d)(?:\.\d+)?% of/, 'shares are in percent';
    like $summary{HashmillDiskLow}, qr/has 976\.6kiB left$/, 'sizes are in bytes';
    like $summary{HashmillPaused}, qr/^the intake of /, 'labels are in it';
    my @certificates = map { $_->{annotations}{summary} } grep { $_->{labels}{alertname} eq 'HashmillCertificate' } $prometheus->firing;
    like "@{[sort @certificates]}", qr/"ca" of \S+ at \S+ expires in 23h .* "listener" .* has expired$/, 'certificates by their file';
    $prometheus->stop;
    $node->kill('KILL');
    $node->wait_exit(20);
};

done_testing();
