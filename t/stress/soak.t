# A minute of the soak with a fixed seed: two nodes, workers and clients under faults of every kind. Where there
# can be no hosts, also without what needs them.

use v5.36;
use FindBin;
use lib "$FindBin::Bin/../support";
use Test::More;
use Hashmill;

use constant { SECONDS => $ENV{SOAK_SECONDS} // 60, SEED => 8 };

plan skip_all => 'clocks can be moved in a test build only' if !sanitized();

my $build = Hashmill::build_directory();
local $ENV{HASHMILL_BUILD} = $build;
my $said = qx{$^X $FindBin::Bin/../../t/tools/soak SECONDS=@{[SECONDS]} SEED=@{[SEED]} 2>&1 </dev/null};
is $?, 0, 'it ends clean';
like $said, qr/^clean$/m, 'and says so';
my ($completed, $checked) = $said =~ /(\d+) completed and handed out, (\d+) operations checked/;
cmp_ok $completed // 0, '>', 2 * SECONDS, 'items were completed';
cmp_ok $checked // 0, '>', 5 * SECONDS, 'operations were checked';
my ($faults) = $said =~ /^ +(\d+)  in all$/m;
cmp_ok $faults // 0, '>=', SECONDS / 4, 'there were faults';
for my $line (split /\n/, $said) { Test::More->builder->is_passing ? note $line : diag $line }

done_testing();
