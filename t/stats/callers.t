# An operator and two clients ask for /stats in turn, 10,000 times in all and four at once: each sees its own.

use v5.36;
use FindBin;
use lib "$FindBin::Bin/../support";
use File::Temp qw(tempdir);
use List::Util qw(sum0);
use Test::More;
use Hashmill;
use Hashmill::Job;
use Hashmill::Keys;

my $dir = tempdir('hm-keys-XXXXXX', TMPDIR => 1, CLEANUP => 1);
my %key = key_file("$dir/keys", 'client ann', 'client ben', 'operator olga');
my $mill = Hashmill->start(KEYS => "$dir/keys");
my %items = (ann => 3, ben => 5);
for my $who (keys %items) {
    is $mill->enqueue("$who $_", 100, Authorization => "Bearer $key{$who}")->status, 201, "$who enqueues" for 1 .. $items{$who};
}

# Whose an answer is.
my %own = (
    map({ my $who = $_; ($who => sub ($stats) { $stats->{client} eq $who && $stats->{role} eq 'client' && $stats->{items}{waiting} == $items{$who} && !$stats->{fleet} }) } keys %items),
    olga => sub ($stats) { !exists $stats->{client} && $stats->{role} eq 'operator' && $stats->{items}{waiting} == 8 && exists $stats->{warnings} },
);
my @people = sort keys %own;
my @good = parallel(4, sub ($job) {
    my $good = 0;
    for my $turn ($job .. $job + 2499) {
        my $who = $people[$turn % @people];
        my $reply = $mill->get('/stats', Authorization => "Bearer $key{$who}");
        $good += $reply->status == 200 && $own{$who}->($reply->json) && $reply->header('cache-control') eq 'private, no-store';
    }
    return $good;
});
is sum0(map { @$_ } @good), 10_000, 'of 10,000 answers each is that of who asked';
finish();
