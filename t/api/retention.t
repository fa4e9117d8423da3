# Items leave some days after they were pulled or cancelled; what clients see of that.

use v5.36;
use FindBin;
use lib "$FindBin::Bin/../support";
use Test::More;
use Hashmill;

plan skip_all => 'clocks can be moved in a test build only' if !sanitized();

use constant DAY => 24 * 3_600_000;

my $mill = Hashmill->start(PULLED_DAYS => 2, CANCELLED_DAYS => 1);
my %key = ('Idempotency-Key' => 'a-key');

my $pulled = $mill->enqueue('pulled', 1, %key)->json->{id};
is $mill->pull(5, headers => \%key)->json->[0]{id}, $pulled, 'an item is pulled';
my $cancelled = $mill->new_item('cancelled', 5);
is $mill->call('DELETE', "/items/$cancelled")->status, 204, 'another one is cancelled';
my $done = $mill->new_item('done', 1);
my $waiting = $mill->new_item('waiting', 5);

# Nobody calls meanwhile: the server sees to it by itself.
sub gone ($id) { return wait_until(20, sub { $mill->item($id)->status == 404 }) }

$mill->move_clock(steady_ms => 0.9 * DAY);
is $mill->state_of($cancelled), 'cancelled', 'before its time it can be looked at';
is $mill->enqueue('pulled', 1, %key)->json->{id}, $pulled, 'a key is known';
is $mill->pull(5, headers => \%key)->json->[0]{id}, $pulled, 'that of a pull, too';

$mill->move_clock(steady_ms => 1.1 * DAY);
ok gone($cancelled), 'then it is unknown';
is $mill->state_of($pulled), 'pulled', 'the pulled one has more time';

$mill->move_clock(steady_ms => 2.1 * DAY);
ok gone($pulled), 'and is unknown when that is over';
is_problem($mill->item($pulled), 404, 'a look');
is $mill->state_of($done), 'done', 'what was not pulled stays';
is $mill->state_of($waiting), 'waiting', 'and so does what waits';
is_deeply $mill->stats->{items}, { waiting => 1, leased => 0, done => 1, pulled => 0, cancelled => 0 },
    'the counts know';

my $again = $mill->enqueue('pulled', 1, %key);
is $again->status, 201, 'the key of a removed item is free';
isnt $again->json->{id}, $pulled, 'and makes a new one';
is scalar $mill->pull(5, headers => \%key)->json->@*, 2, 'a pull with an old key hands out what there is now';

finish();
