# scripts/run.sh as a newcomer starts it, by the real clock: no worker at first; one comes for an item that
# has waited for 15 s.

use v5.36;
use FindBin;
use lib "$FindBin::Bin/../support";
use File::Path qw(remove_tree);
use File::Temp qw(tempdir);
use Test::More;
use Time::HiRes qw(sleep);
use Hashmill;

my $root = "$FindBin::Bin/../..";
my $build = $ENV{HASHMILL_BUILD_NORMAL} // "$root/build";
plan skip_all => "no programs in $build" if !has_build($build);

my $var = tempdir('hm-XXXXXX', TMPDIR => 1);
my $port = free_port_pair();
my $http = Hashmill::Reply::client();
my $run = Hashmill::Process->start(log => "$var/run.txt", cwd => '/', command => ["$root/scripts/run.sh"],
    env => { VAR => $var, PORT => $port, BUILD => $build, HASHMILL_TEST_INSTANCE => $var, WORKERS_MIN => 0 });

sub call ($method, $path, $content = '') {
    return Hashmill::Reply->new($http->request($method, "http://127.0.0.1:$port$path", { content => $content }));
}

sub stats { return call('GET', '/stats?')->json }

# The processes of that name that this run started.
sub processes ($name) {
    return grep { (slurp("/proc/$_/comm") // '') eq "$name\n" && process_state($_) ne 'Z'
            && belongs_to($_, $var) } process_ids();
}

END {
    if (defined $var) {
        local $?;
        kill 'KILL', $run->pid, map { processes($_) } qw(hashmill-fcgi nginx hashmill-worker);
        remove_tree($var);
    }
}

ok wait_until(120, sub { !$run->alive || $run->log =~ m{/pullCompleted} }) && $run->alive, 'it is up' or die $run->log;
is scalar processes('hashmill-worker'), 0, 'there is no worker';
my $id = call('PUT', '/enqueue?iterations=1000', 'body')->json->{id};
my $waited = 0; # the longest that the item was seen waiting, before there was a machine
wait_until(60, sub {
    my $stats = stats();
    return 1 if $stats->{fleet}{machines}->@*;
    $waited = $stats->{oldest_wait_seconds};
    sleep 0.1;
    return 0;
});
cmp_ok $waited, '>', 10, 'none comes as long as the item has not waited for long';
ok wait_until(60, sub { call('GET', "/items/$id")->json->{state} eq 'done' }), 'then one does';
is call('GET', "/items/$id")->json->{value}, value_of('body', 1000), 'and computes the value';
is scalar processes('hashmill-worker'), 1, 'one';
my ($why) = grep { /^launching/ } map { $_->{why} } stats()->{fleet}{decisions}->@*;
like $why, qr/an item has waited 1[5-9] s|an item has waited [2-9]\d s/, 'for the reason that it says';
$run->kill('TERM');
is $run->wait_exit(60), 0, 'it ends well';
is scalar(map { processes($_) } qw(hashmill-fcgi nginx hashmill-worker)), 0, 'with its worker';
done_testing();
