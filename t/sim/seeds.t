# Two nodes under faults drawn from seeds, in one process and virtual time (t/sim/sim.h): for half a minute, and the
# histories that once broke a promise.

use v5.36;
use FindBin;
use lib "$FindBin::Bin/../support";
use Test::More;
use Hashmill;

use constant { SEED => 1, SECONDS => 30 };

my $program = Hashmill::build_directory() . '/sim/hashmill-sim';
for my $history (glob "$FindBin::Bin/histories/*.txt") {
    my $said = `$program --history $history 2>&1`;
    is $?, 0, $history =~ s{.*/}{}r or diag $said;
}
my $said = `$program --seed @{[SEED]} --seeds 1000000 --seconds @{[SECONDS]} --jobs 2 2>&1`;
is $?, 0, 'no seed breaks a promise';
diag $said if $?;
note $said;
done_testing;
