# Who may call what: each call of the route table, by each role, as the table in docs/api.md says. A call without a row
# there is a failure.

use v5.36;
use FindBin;
use lib "$FindBin::Bin/../support";
use File::Temp qw(tempdir);
use Test::More;
use Hashmill;
use Hashmill::Keys;

my $root = "$FindBin::Bin/../..";

# The table: the first column, then a cell for each role.
my ($head, @rows) = map { [map { s/^\s+|\s+$//gr } (split /\|/)[1 .. 7]] }
    grep { /^\|/ && !/^\|-/ } (slurp("$root/docs/api.md") =~ /^## Who may call what\n(.*?)^## /ms)[0] =~ /^(.*)$/mg;
is_deeply $head, ['call', 'no key', 'client', 'operator', 'viewer', 'worker, machine', 'node'], 'the table has these columns';
my %row = map { $_->[0] => $_ } @rows;

# Every call that is served: method, path, and whose it is.
my @calls = map { [/\{(CALLER_\w+),\s*"(\w+)",\s*"([^"]+)"/g] }
    map { slurp("$root/fcgi/api/$_.c") =~ /(\{CALLER_\w+,\s*"\w+",\s*"[^"]+")/g } qw(routes replica);
cmp_ok scalar @calls, '>=', 15, 'the route table is read';

my $dir = tempdir('hm-keys-XXXXXX', TMPDIR => 1, CLEANUP => 1);
my %key = key_file("$dir/keys", (map { "$_ $_" } qw(client operator viewer worker)), 'client other');
my $peer_token = 'p' x 40;
my $mill = Hashmill->start(KEYS => "$dir/keys", key => $key{operator}, PEERS => '1=http://127.0.0.1:9', PEER_TOKEN => $peer_token, COPY => 'none');
my $id = $mill->enqueue('of another', 1000, Authorization => "Bearer $key{other}")->json->{id};
my $machine = 'hashmill-0-0123456789ab';
my @who = (
    ['no key', undef], ['client', $key{client}], ['operator', $key{operator}], ['viewer', $key{viewer}],
    ['worker, machine', $key{worker}], ['worker, machine', $mill->{token}], ['node', $peer_token],
);

# What a call is answered. It is one that does nothing: a body, a parameter or an item that is wrong.
sub answer_of ($caller, $method, $path, $credential) {
    my @headers = defined $credential ? (Authorization => "Bearer $credential") : (Authorization => '');
    $path =~ s{/items/$}{/items/$id};
    return $mill->call($method, $path, headers => {@headers}) if $caller eq 'CALLER_CLIENT';
    return $mill->worker_call($path, '{}', @headers);
}

for my $call (@calls) {
    my ($caller, $method, $path) = @$call;
    my $name = "$method " . ($path =~ m{^/peer/} ? '/peer/...' : $path =~ s{/$}{/ID}r);
    ok my $row = $row{$name}, "$name has a row in docs/api.md" or next;
    for my $who (@who) {
        my ($role, $credential) = @$who;
        my ($column) = grep { $head->[$_] eq $role } 1 .. 6;
        my $cell = $row->[$column];
        my $status = answer_of($caller, $method, $path, $credential)->status;
        my $good = $cell =~ /^\d/                   ? $status == $cell
                 : $cell eq 'own' && $path =~ /ID$|items\/$/ ? $status == 404
                 :                                    $status != 401 && $status != 403;
        ok $good, "$method $path, $role: $cell" or diag "it is $status";
    }
}
is $mill->item($id)->json->{state}, 'cancelled', 'the operator has cancelled it, as it may';

finish();
