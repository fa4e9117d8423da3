# A node at its limit borrows a worker from the other, which may then start one less itself and gets it back
# when it needs it. And the link between them is cut in the middle of every step of a loan.

use v5.36;
use FindBin;
use lib "$FindBin::Bin/../support";
use List::Util qw(max);
use Test::More;
use Hashmill::Loans;
use Hashmill;

plan skip_all => 'clocks can be moved in a test build only' if !sanitized();

my $loans = Hashmill::Loans->start;
my ($borrower, $lender) = $loans->@{qw(borrower lender)};

subtest 'the fourth worker' => sub {
    ok $loans->calm, 'nobody needs anything' or return;
    $loans->press;
    ok $loans->wait_machines($borrower, LIMIT + 1), 'is borrowed' or return $loans->tell;
    is_deeply [map { [$_->loans] } $borrower, $lender], [['taken held'], ['given held']], 'both sides have noted it';
    is_deeply [map { $_->stats->{loans}->@{qw(taken given)} } $borrower, $lender], [1, 0, 0, 1], 'and show it';
    my @said = grep { /^asking node 1 for a machine|^node 1 lends a machine/ } reverse $borrower->decisions;
    is_deeply [map { /^(\w+)/ } @said[-2, -1]], [qw(asking node)], 'the decisions tell of it' or diag explain \@said;
    $borrower->provider_mode('terminate fail'); # the borrowed one has to go by itself, which takes seconds
    $loans->set_items($lender, LIMIT + 1);
    my $most = 0;
    my $back = wait_until(30, sub {
        $loans->watch;
        my ($machines, $lent) = $lender->counted_and_lent;
        $most = max($most, $machines + $lent);
        return $machines == LIMIT;
    });
    ok $back, 'the lender starts its own' or $loans->tell;
    is $most, LIMIT, 'the last when the one that it has lent is returned, not before';
    ok +(grep { /^wanting a machine back from node 0/ } $lender->decisions), 'which it wanted back';
    $borrower->provider_mode('');
    ok $loans->wait_machines($borrower, LIMIT), 'the borrower has ended one';
};

$loans->run('the link is cut', sub { $loans->{pair}->cut }, [$borrower, $lender], sub { $loans->{pair}->heal });
cmp_ok $loans->{most}, '<=', 2 * LIMIT, 'never were there more workers than both may have';
finish();
