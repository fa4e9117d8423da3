# The fuzz targets without a fuzzer: each takes its seeds, every beginning of them and what some mistakes make of
# them. What `make fuzz` finds once is among the seeds from then on.

use v5.36;
use FindBin;
use lib "$FindBin::Bin/../support";
use Test::More;
use Hashmill;

my $build = Hashmill::build_directory();
my @targets = map { m{([^/]+)\.c$} } grep { !m{/driver\.c$} } glob "$FindBin::Bin/../fuzz/*.c";
cmp_ok scalar @targets, '>=', 8, 'there are targets';
for my $target (@targets) {
    my @seeds = glob "$FindBin::Bin/../fuzz/seeds/$target/*";
    cmp_ok scalar @seeds, '>=', 5, "$target has seeds";
    my $output = qx($build/fuzz/$target @seeds 2>&1);
    is $?, 0, "$target takes all of them" or diag substr $output, 0, 4000;
    cmp_ok +($output =~ /^inputs: (\d+)$/m)[0] // 0, '>', 300 * @seeds, 'and many more';
}

done_testing;
