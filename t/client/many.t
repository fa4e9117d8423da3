# Many files: how fast hashmill puts them, beside curl in a loop, and in how much memory. With HASHMILL_SLOW=1 there are
# 100,000, else fewer.

use v5.36;
use FindBin;
use lib "$FindBin::Bin/../support";
use Digest::SHA qw(sha512_hex);
use Test::More;
use Time::HiRes qw(time);
use Hashmill;
use Hashmill::Client;

# What users run is measured: sanitizers take several times the memory.
my $build = $ENV{HASHMILL_BUILD_NORMAL} // "$FindBin::Bin/../../build";
plan skip_all => "no programs in $build" if !has_build($build) || sanitized($build) || !-x "$build/hashmill";

use constant { FILES => $ENV{HASHMILL_SLOW} ? 100_000 : 20_000, CURLS => 20, TIMES => 20, KIB_MAX => 32 * 1024 };

my $mill = Hashmill->start(build => $build);
my $client = Hashmill::Client->new($mill);
my $dir = "$client->{dir}/many";
mkdir $dir or die;

sub path_of ($number) { return sprintf '%s/%03d/%06d', $dir, $number / 1000, $number }

for my $number (1 .. FILES) {
    mkdir sprintf('%s/%03d', $dir, $number / 1000) if $number == 1 || $number % 1000 == 0;
    spew(path_of($number), pack('N', $number) x 256);
}
my $measure = 'import resource, subprocess, sys
code = subprocess.call(sys.argv[2:])
open(sys.argv[1], "w").write(str(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss))
sys.exit(code)';

# Runs it; how long it took, its peak of memory in KiB, and the run.
sub measured (@arguments) {
    my $begun = time;
    my $done = $client->end($client->start({ wrap => ['/usr/bin/python3', '-c', $measure, "$client->{dir}/peak"] }, @arguments), undef, 300);
    return (time - $begun, slurp("$client->{dir}/peak"), $done);
}

my ($seconds, $peak, $done) = measured('put', '-r', $dir, '-n', 1);
is $done->{code}, 0, 'put';
my @ids = $client->lines($done);
is scalar(@ids), FILES, 'an id for each file';
is $mill->item($ids[$_])->json->{value}, sha512_hex(pack('N', $_ + 1) x 256), 'in their order' for 0, FILES / 2, FILES - 1;
cmp_ok $peak, '<=', KIB_MAX, 'in at most 32 MiB';
note sprintf '%d files: %.1f s, %.1f MiB', FILES, $seconds, $peak / 1024;

my $begun = time;
for my $number (1 .. CURLS) {
    system 'curl', '-s', '-o', '/dev/null', '-T', path_of($number), $mill->url . '/enqueue?iterations=1';
}
my $curl = (time - $begun) / CURLS;
cmp_ok $curl / ($seconds / FILES), '>=', TIMES, 'at least 20 times as fast as curl in a loop';
note sprintf 'curl: %.1f ms a file; put: %.3f ms', $curl * 1000, $seconds / FILES * 1000;

(my $again, $peak, $done) = measured('put', '-r', $dir, '-n', 1);
is $done->{out}, join('', map { "$_\n" } @ids), 'the same command again: the same ids';
is $mill->stats->{items}{done}, FILES + CURLS, 'and no item more';
cmp_ok $peak, '<=', KIB_MAX, 'in at most 32 MiB';
note sprintf 'again: %.1f s, %.1f MiB', $again, $peak / 1024;

my (undef, undef, $pulled) = measured('pull', '-q', '--out', "$client->{dir}/values");
is $pulled->{code}, 0, 'pull';
my %values = map { $_ => 1 } split /\n/, slurp("$client->{dir}/values");
is scalar(keys %values), FILES, 'a value for each file'; # what curl has put has the values of the first ones
($seconds, $peak, $done) = measured('run', '-r', $dir, '-n', 1);
is scalar($client->lines($done)), FILES, 'run has them, too';
note sprintf 'run of what is done: %.1f s, %.1f MiB', $seconds, $peak / 1024;

finish();
