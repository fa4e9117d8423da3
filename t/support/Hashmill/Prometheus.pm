package Hashmill::Prometheus;

# A real Prometheus for a test: Debian's, on a port of its own of loopback, with its data in a directory that is removed.
# It scrapes often, so that rates are there after a second.
#
#     plan skip_all => Hashmill::Prometheus::missing() if Hashmill::Prometheus::missing();
#     my $prometheus = Hashmill::Prometheus->start(targets => ['127.0.0.1:9080'], rules => $text);
#     $prometheus->wait_scraped or die $prometheus->log;
#     for ($prometheus->query('sum by (state) (hashmill_items)')) { ... }    # each { metric => {...}, value => [...] }
#     for ($prometheus->firing) { ... }                 # each { labels => {...}, annotations => {...} }
#     $prometheus->stop;

use v5.36;
use File::Temp qw(tempdir);
use FindBin    ();
use JSON::PP   qw(decode_json);
use List::Util qw(all first);

use Hashmill::Process;
use Hashmill::Reply;
use Hashmill::Util;

my $root = "$FindBin::Bin/../..";

sub program ($name) {
    return first { -x } map { "$_/$name" } split(/:/, $ENV{PATH}), '/usr/bin';
}

# Why there can be no Prometheus here; empty when there can. With HASHMILL_ROOT=1, where all is installed, that is a
# failure.
sub missing {
    my $why = join ', ', map { "no $_" } grep { !program($_) } qw(prometheus promtool);
    die "$why\n" if $why && $ENV{HASHMILL_ROOT};
    return $why && "$why here (Debian: prometheus)";
}

# The text of our rules, with which alerts fire as soon as their expression holds.
sub eager_rules { return slurp("$root/prometheus/hashmill.rules.yml") =~ s/^ +for: \w+\n//gmr }

# Runs promtool; its exit code and what it says.
sub promtool (@arguments) {
    open my $pipe, '-|', 'sh', '-c', 'exec "$@" 2>&1', 'sh', program('promtool'), @arguments or die "promtool: $!\n";
    my $said = join '', <$pipe>;
    close $pipe;
    return ($? >> 8, $said);
}

# Starts it. targets => [host:port of each node], metrics_path if it is another than /metrics, rules => their text.
sub start ($class, %options) {
    my $dir = tempdir('hm-prometheus-XXXXXX', TMPDIR => 1, CLEANUP => 1);
    my $self = bless { dir => $dir, port => free_port_pair(), http => Hashmill::Reply::client(), owner => $$,
        targets => scalar $options{targets}->@* }, $class;
    my $path = $options{metrics_path} // '/metrics';
    my $targets = join ', ', map { "'$_'" } $options{targets}->@*;
    spew("$dir/rules.yml", $options{rules} // "groups: []\n");
    spew("$dir/prometheus.yml", <<~"END");
        global: { scrape_interval: 500ms, scrape_timeout: 500ms, evaluation_interval: 250ms }
        rule_files: ['$dir/rules.yml']
        scrape_configs:
          - job_name: hashmill
            metrics_path: $path
            static_configs: [{ targets: [$targets] }]
        END
    my ($code, $said) = promtool('check', 'config', "$dir/prometheus.yml");
    die "promtool: $said\n" if $code != 0;
    $self->{process} = Hashmill::Process->start(log => "$dir/log", cwd => $dir, command => [program('prometheus'),
        "--config.file=$dir/prometheus.yml", "--storage.tsdb.path=$dir/data", "--web.listen-address=127.0.0.1:$self->{port}",
        '--web.max-connections=16', '--storage.tsdb.min-block-duration=2h']);
    wait_until(60, sub { !$self->{process}->alive || $self->get('/-/ready')->status == 200 });
    die 'prometheus has ended: ' . $self->log if !$self->{process}->alive;
    return $self;
}

sub log ($self) { return $self->{process}->log }

sub get ($self, $path) {
    return Hashmill::Reply->new($self->{http}->request('GET', "http://127.0.0.1:$self->{port}$path", {}), 'prometheus');
}

# What a call of its API answers.
sub api ($self, $path) {
    my $answer = decode_json($self->get("/api/v1/$path")->content);
    die "prometheus: $path: $answer->{error}\n" if $answer->{status} ne 'success';
    return $answer->{data};
}

# The samples of an expression now.
sub query ($self, $expression) {
    my $encoded = $expression =~ s/([^A-Za-z0-9_.~-])/sprintf '%%%02X', ord $1/ger;
    return $self->api("query?query=$encoded")->{result}->@*;
}

# Waits until an expression has samples; returns them.
sub wait_samples ($self, $expression, $seconds = 30) {
    my @samples;
    wait_until($seconds, sub { @samples = $self->query($expression) });
    return @samples;
}

# Waits until every target was scraped twice.
sub wait_scraped ($self) {
    return wait_until(30, sub {
        my @counts = $self->query('count_over_time(up{job="hashmill"}[1h])');
        return @counts == $self->{targets} && all { $_->{value}[1] >= 2 } @counts;
    });
}

# The alerts that fire.
sub firing ($self) { return grep { $_->{state} eq 'firing' } $self->api('alerts')->{alerts}->@* }

# Waits until an alert fires, at a target if that is given; returns it.
sub wait_firing ($self, $name, $instance = undef) {
    return wait_until(60, sub {
        return first { $_->{labels}{alertname} eq $name && (!defined $instance || $_->{labels}{instance} eq $instance) } $self->firing;
    });
}

sub stop ($self) {
    return if $$ != $self->{owner} || !$self->{process};
    my $process = delete $self->{process};
    $process->kill('TERM');
    $process->kill('KILL') if !defined $process->wait_exit(30);
    $process->wait_exit(20);
    return;
}

sub DESTROY ($self) {
    local ($?, $@);
    $self->stop;
    return;
}

1;
