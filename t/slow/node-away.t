# hashmill run with two nodes, one of which is killed on the way and comes back a minute later; or takes requests and is
# silent. Slow: only with HASHMILL_SLOW=1.

use v5.36;
use FindBin;
use lib "$FindBin::Bin/../support";
use Test::More;

BEGIN { plan skip_all => 'slow; set HASHMILL_SLOW=1' if !$ENV{HASHMILL_SLOW} }
use Hashmill::Pair;
use Hashmill;
use Hashmill::Away;

my $away = Hashmill::Away->new;
subtest 'a node that is killed'       => sub { $away->run_over_kill(60) };
subtest 'a node that answers nothing' => sub { $away->run_over_stop };
finish();
