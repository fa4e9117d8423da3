# Rows that the schema allows but no program makes: clients and leases that are missing, clients and times that cannot be. The
# server gives nobody another's items for them, and does not run on them; --check finds them, --recover ends them.

use v5.36;
use FindBin;
use lib "$FindBin::Bin/../support";
use File::Temp qw(tempdir);
use Test::More;
use Hashmill;
use Hashmill::Keys;
use Hashmill::Recovery;

my $dir = tempdir('hm-senseless-XXXXXX', TMPDIR => 1, CLEANUP => 1);
my %key = key_file("$dir/keys", 'client alice', 'client bob', 'operator op');

sub by ($who) { return (Authorization => "Bearer $key{$who}") }

# A stopped server with an item of alice, whose database is changed then.
sub spoilt ($sql) {
    my $mill = Hashmill->start(KEYS => "$dir/keys", key => $key{op});
    my $id = $mill->enqueue('of alice', 1, by('alice'))->json->{id};
    $mill->enqueue('waits', 1000, by('alice'));
    $mill->stop_server;
    is system('sqlite3', "$mill->{dir}/hashmill.db", $sql), 0, $sql;
    return ($mill, $id);
}

sub checked ($mill) { return ($mill->command('--check', "$mill->{dir}/hashmill.db"))[0] }

# Has --recover put a whole database in place, and starts it.
sub recovered ($mill) {
    my ($code, $text) = recover($mill, "$mill->{dir}/new.db");
    is $code, 0, '--recover makes one' or diag $text;
    put_in_place($text);
    is +($mill->init)[0], 0, 'which --init has served';
    is checked($mill), 0, 'it is whole';
    $mill->restart;
    return;
}

subtest 'the row of a client is lost' => sub {
    my ($mill, $id) = spoilt("DELETE FROM client WHERE name = 'alice'");
    isnt checked($mill), 0, '--check finds it';
    $mill->expect_log(qr/the table client lacks the last rows|cannot be right/);
    $mill->start_server;
    is $mill->enqueue('of bob', 1, by('bob'))->status, 201, 'a new client comes';
    is $mill->call('GET', "/items/$id", headers => { by('bob') })->status, 404, 'it does not see the item,';
    is scalar $mill->call('POST', '/pullCompleted?top=10', headers => { by('bob') })->json->@*, 1, 'nor gets it';
    $mill->kill_everything;
    recovered($mill);
    is_deeply [map { $_->{id} } $mill->call('POST', '/pullCompleted?top=10&client=')->json->@*], [$id], "it is nobody's then";
};

for my $change ('DELETE FROM lease', "UPDATE lease SET items = '[]'", 'UPDATE lease SET held = 0', 'UPDATE item SET lease = NULL') {
    subtest "$change: a leased item is listed by none" => sub {
        my $mill = Hashmill->start(KEYS => "$dir/keys", key => $key{op}, LEASE_SECONDS => 10);
        $mill->enqueue('leased', 1000, by('alice'));
        is scalar $mill->lease->json->{items}->@*, 1, 'an item is leased';
        $mill->stop_server;
        is checked($mill), 0, 'the database is whole';
        is system('sqlite3', "$mill->{dir}/hashmill.db", $change), 0, 'and then not';
        isnt checked($mill), 0, '--check finds it';
        $mill->kill_everything;
        recovered($mill);
    };
}

for my $change ("UPDATE client SET seq = 2000000 WHERE name = 'alice'; UPDATE item SET client = 2000000",
    "UPDATE client SET seq = -1 WHERE name = 'alice'; UPDATE item SET client = -1", "UPDATE client SET name = printf('%065d', 1) WHERE name = 'alice'",
    'UPDATE item SET since = 9223372036854775807', 'UPDATE item SET since = -9223372036854775807 - 1',
    'UPDATE tally SET clock = 9223372036854775807', 'UPDATE item SET closed = 9223372036854775806, state = 4 WHERE state = 0') {
    subtest $change => sub {
        my ($mill) = spoilt($change);
        isnt checked($mill), 0, '--check finds it';
        $mill->expect_log(qr/damaged|disk|cannot be right/);
        ok !eval { $mill->start_server; 1 }, 'it is not served';
        $mill->kill_everything;
        recovered($mill);
        is $mill->enqueue('more', 1, by('alice'))->status, 201, 'and takes items';
    };
}

finish();
