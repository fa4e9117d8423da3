# Two clients do 10,000 random things at one node, at once, and neither sees anything of the other.

use v5.36;
use FindBin;
use lib "$FindBin::Bin/../support";
use File::Temp qw(tempdir);
use Test::More;
use Hashmill;
use Hashmill::Keys;
use Hashmill::TwoClients;

my $dir = tempdir('hm-keys-XXXXXX', TMPDIR => 1, CLEANUP => 1);
my %key = key_file("$dir/keys", 'client ann', 'client ben');
my $mill = Hashmill->start(KEYS => "$dir/keys");
my @wrong = two_clients(nodes => [$mill], key => \%key, seed => 1);
is_deeply [@wrong[0 .. ($#wrong < 9 ? $#wrong : 9)]], [], 'each is answered by what it did itself';
finish();
