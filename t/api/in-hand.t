# How many items the workers of one credential may have in hand: a number to begin with, and more as they compute.

use v5.36;
use FindBin;
use lib "$FindBin::Bin/../support";
use File::Temp qw(tempdir);
use Test::More;
use Hashmill;

plan skip_all => 'clocks can be moved in a test build only' if !sanitized();

use constant { IN_HAND => 8, LEASE_MS => 10_000 };

my $dir = tempdir('hm-keys-XXXXXX', TMPDIR => 1, CLEANUP => 1);
my $program = Hashmill::build_directory() . '/hashmill-fcgi';
my (undef, $key, undef, $line) = split /\n/, qx{$program --key worker other};
my (undef, $operator, undef, $operator_line) = split /\n/, qx{$program --key operator olga};
spew("$dir/keys", "$line\n$operator_line\n");
chmod 0600, "$dir/keys" or die;
my $mill = Hashmill->start(IN_HAND_START => IN_HAND, LEASE_SECONDS => LEASE_MS / 1000, KEYS => "$dir/keys");
$mill->{key} = $operator;
my $passed_ms = 0;

sub pass_ms ($ms) {
    $passed_ms += $ms;
    $mill->move_clock(steady_ms => $passed_ms);
    return;
}

# A report of an item: of its value, or as it is, with other fields.
sub result ($grant, $item) {
    return { id => $item->{id}, lease => $grant->{lease}, remaining => 0, chain => advance($item->{chain}, $item->{remaining}) };
}

sub renewal ($grant, $item, %fields) {
    return { id => $item->{id}, lease => $grant->{lease}, remaining => $item->{remaining}, chain => $item->{chain}, %fields };
}

# The items of a grant, none of an empty answer.
sub items_of ($reply) { return $reply->status == 200 ? $reply->json->{items}->@* : () }

$mill->new_item("in hand $_", 10) for 1 .. 5 * IN_HAND;

subtest 'who has computed nothing' => sub {
    my $grant = $mill->lease->json;
    my @held = $grant->{items}->@*;
    is scalar @held, IN_HAND, 'gets so many';
    my $none = $mill->lease(wait => 25);
    is $none->status, 204, 'and then no more, at once';
    is $none->header('retry-after'), 1, 'with a time to come back';
    like $mill->server_log, qr/shared has more items in hand than it computes: worker test gets none/, 'which the log says';
    my $other = $mill->worker_call('/lease', { protocol => 1, request => uuid(), items => 3, iterations => 1e12, wait => 0,
        worker => Hashmill::worker_fields() }, Authorization => "Bearer $key");
    is scalar items_of($other), 3, 'another credential gets what it asks for';

    $mill->report(renewal($grant, pop @held, release => JSON::PP::true));
    my @more = items_of($mill->lease);
    is scalar @more, 1, 'one is given for one given back';
    is $mill->call('DELETE', "/items/$more[0]{id}")->status, 204, 'for one that is cancelled';
    is scalar items_of($mill->lease), 1, 'another';
    $mill->report(result($grant, pop @held));
    is scalar items_of($mill->lease), 3, 'two for one that is finished, and one in its place';
    is $mill->lease->status, 204, 'and no more';
};

subtest 'what lapses' => sub {
    pass_ms(4 * LEASE_MS + 1);
    my $former = $mill->lease->json;
    is scalar $former->{items}->@*, IN_HAND, 'does not count, nor what was finished four leases ago';
    pass_ms(LEASE_MS + 1);
    my $grant = $mill->lease->json;
    is scalar $grant->{items}->@*, IN_HAND, 'when these have lapsed it gets as many';
    my %has = map { $_->{id} => 1 } $grant->{items}->@*;
    my ($late) = grep { !$has{ $_->{id} } } $former->{items}->@*;
    SKIP: {
        skip 'it has got the same items again', 2 if !$late;
        is_deeply $mill->report(renewal($former, $late))->json->{lost}, [$late->{id}], 'and cannot have one of the former besides';
        is_deeply $mill->report(result($former, $late))->json->{lost}, [$late->{id}], 'which waits for others';
    }
    for (1 .. 5) {
        pass_ms(LEASE_MS * 7 / 10);
        $mill->lease(request => $grant->{lease});
    }
    pass_ms(LEASE_MS * 7 / 10);
    $mill->new_item('one more', 10); # has the node look at the time
    is_deeply [$mill->sql("SELECT count(*) FROM items WHERE state = 'leased'")], [[0]],
        'asking for the same lease again does not keep what makes no progress';
};

subtest 'who computes' => sub {
    my $done = 0;
    while (my @items = items_of(my $reply = $mill->lease)) {
        $done += $mill->report(map { result($reply->json, $_) } @items)->json->{taken}->@*;
    }
    is $done, 5 * IN_HAND - 1, 'is not held up';
};

finish();
