# The node that borrows a worker is killed in the middle of every step of the loan: the other one is back at
# its own limit in time, and so is the one that was killed when it is started again.

use v5.36;
use FindBin;
use lib "$FindBin::Bin/../support";
use Test::More;
use Hashmill::Loans;
use Hashmill;

plan skip_all => 'clocks can be moved in a test build only' if !sanitized();

my $loans = Hashmill::Loans->start;
my ($borrower, $lender) = $loans->@{qw(borrower lender)};
$loans->run('the borrower is killed', sub { $borrower->kill_node }, [$lender], sub { $borrower->restart });
# Nobody ends the workers of a node that is dead.
cmp_ok $loans->{most}, '<=', 2 * LIMIT + 1, 'never were there more workers than both may have and the one borrowed';
finish();
