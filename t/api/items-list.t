# GET /items: whose items are listed, in which order, page by page, and what is refused.

use v5.36;
use FindBin;
use lib "$FindBin::Bin/../support";
use File::Temp qw(tempdir);
use Test::More;
use Hashmill;
use Hashmill::Keys;

my $dir = tempdir('hm-list-XXXXXX', TMPDIR => 1, CLEANUP => 1);

my %key = key_file("$dir/keys", 'client alice', 'client bob', 'client carol', 'operator op', 'viewer eve');
my $mill = Hashmill->start(KEYS => "$dir/keys");

sub as ($who, $method, $path) {
    return $mill->call($method, $path, headers => { Authorization => "Bearer $key{$who}" });
}

sub item_by ($who, $iterations = 5) {
    return $mill->enqueue(uuid(), $iterations, Authorization => "Bearer $key{$who}")->json->{id};
}

# The path of the next page; undef on the last one.
sub next_of ($reply) {
    my $link = $reply->header('link') // return;
    return $link =~ m{^<(/items\?\S+)>; rel="next"$} ? $1 : die "Link: $link\n";
}

# The items of all pages, and how many pages there were.
sub pages ($who, $path) {
    my (@items, $pages);
    for (; $path; $pages++) {
        my $reply = as($who, 'GET', $path);
        is $reply->status, 200, "$who lists $path" or return;
        push @items, $reply->json->@*;
        $path = next_of($reply);
    }
    return (\@items, $pages);
}

sub ids ($items) { return map { $_->{id} } @$items }

sub newest_first (@ids) { return [reverse sort @ids] }

# The last three are done at once. Two ids of one millisecond are in no order of their own.
my (@alice, @bob);
for my $number (1 .. 12) {
    push @alice, item_by('alice', $number > 9 ? 1 : 5);
    push @bob, item_by('bob') if $number % 3 == 0;
}
@alice = sort @alice;
@bob = sort @bob;
as('alice', 'DELETE', "/items/$alice[0]");
as('alice', 'DELETE', "/items/$alice[1]");

subtest 'a client sees its own' => sub {
    my $reply = as('alice', 'GET', '/items');
    is_deeply [ids($reply->json)], newest_first(@alice), 'all of them, the newest first';
    is next_of($reply), undef, 'on one page';
    is_deeply $reply->json->[-1], as('alice', 'GET', "/items/$alice[0]")->json, 'each as GET /items/ID shows it';
    my ($done) = grep { $_->{state} eq 'done' } $reply->json->@*;
    is_deeply $done, as('alice', 'GET', "/items/$done->{id}")->json, 'also what is done';
    is_deeply as('carol', 'GET', '/items')->json, [], 'who has none gets none';
    my ($items, $pages) = pages('alice', '/items?limit=5');
    is_deeply [ids($items)], newest_first(@alice), 'page by page: each once';
    is $pages, 3, 'on three pages';
    ($items, $pages) = pages('alice', '/items?limit=6');
    is_deeply [ids($items), $pages], [newest_first(@alice)->@*, 2], 'a last page that is full has no Link';
    is_deeply [ids(as('alice', 'GET', "/items?after=$alice[5]&limit=2")->json)], [@alice[4, 3]], 'behind an item';
    is as('alice', 'HEAD', '/items')->status, 200, 'HEAD';
};

subtest 'by state' => sub {
    my %number = (waiting => 7, leased => 0, done => 3, pulled => 0, cancelled => 2);
    for my $state (sort keys %number) {
        my ($items) = pages('alice', "/items?state=$state&limit=2");
        is scalar @$items, $number{$state}, "$state: as many as there are";
        is_deeply [grep { $_->{state} ne $state } @$items], [], 'all in that state';
        is_deeply [ids($items)], newest_first(ids($items)), 'the newest first';
    }
    is_deeply [ids(as('alice', 'GET', "/items?state=cancelled&after=$alice[3]")->json)], [@alice[1, 0]],
        'behind an item that is in another state';
};

subtest 'an operator and a viewer see all' => sub {
    for my $who (qw(op eve)) {
        my ($items) = pages($who, '/items?limit=5');
        is_deeply [ids($items)], newest_first(@alice, @bob), "$who: the items of all clients";
        my %client = map { ($_->{id} => $_->{client}) } @$items;
        is_deeply [@client{@alice[0, 11], @bob[0, 3]}], [qw(alice alice bob bob)], 'with their names';
        ($items) = pages($who, '/items?client=bob&limit=3');
        is_deeply [ids($items)], newest_first(@bob), 'or of one';
        ($items) = pages($who, '/items?state=cancelled&limit=1');
        is_deeply [ids($items)], [@alice[1, 0]], 'or of all in one state';
        is_deeply as($who, 'GET', '/items?client=nobody')->json, [], 'or none';
    }
    my $link = as('op', 'GET', '/items?limit=1&client=bob&state=waiting')->header('link');
    is $link, qq(</items?state=waiting&client=bob&limit=1&after=$bob[3]>; rel="next"), 'Link has the other parameters';
};

subtest 'isolation' => sub {
    is_problem(as('alice', 'GET', '/items?client=bob'), 403, "another's items");
    is as('alice', 'GET', '/items?client=alice')->status, 200, 'her own name she may say';
    is_problem(as('alice', 'GET', "/items?after=$bob[0]"), 404, "behind another's item");
    is_problem(as('op', 'GET', "/items?client=alice&after=$bob[0]"), 404, 'behind what is not in the list');
    is_problem($mill->get('/items'), 401, 'without a key');
};

subtest 'bad parameters' => sub {
    is_problem(as('alice', 'GET', "/items?$_"), 400, $_)
        for qw(limit=0 limit=1001 limit=x limit= state=gone state= state=Waiting after=x after= wait=1 limit=1&limit=1),
        'after=' . substr($alice[0], 1), 'client=' . 'x' x 65;
    is_problem(as('alice', 'GET', '/items?after=' . uuid()), 404, 'an item that never was');
    is_problem(as('op', 'GET', '/items?after=' . uuid()), 404, 'for an operator, too');
    is as('alice', 'GET', "/items?limit=$_")->status, 200, "limit=$_" for 1, 1000;
    is_problem(as('op', 'GET', '/items/'), 404, 'no id behind the slash');
    my $odd = as('op', 'GET', '/items?limit=1&client=%0d%0aSet-Cookie:%20a');
    is $odd->status, 200, 'any name may be asked for';
    is $odd->header('set-cookie'), undef, 'which goes to no header field as it is';
};

subtest 'many rows' => sub {
    my $many = 10_300;
    my ($waiting) = map { $_->{id} } as('op', 'GET', '/items?state=waiting&limit=1')->json->@*;
    $mill->stop_server or die;
    # Newer items that are done, of nobody: more than a page looks at.
    system('sqlite3', $mill->{settings}{DATABASE}, <<"SQL") == 0 or die;
INSERT INTO client (seq, name) SELECT 0, '' WHERE NOT EXISTS (SELECT 1 FROM client WHERE seq = 0);
WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $many)
INSERT INTO item (id, digest, chain, iterations, remaining, state, rank, since, enqueued_wall, done_at, done_wall, client)
SELECT CAST(printf('~~~~~~~~~~%06d', i) AS BLOB), zeroblob(64), zeroblob(64), 1, 0, 2, 0, 0, 1, 1, 1, 0 FROM n;
UPDATE tally SET done = done + $many;
UPDATE client SET done = done + $many WHERE seq = 0;
SQL
    $mill->restart;
    my $reply = as('op', 'GET', '/items?state=waiting&limit=1');
    is_deeply $reply->json, [], 'a page of all clients looks at no more than it may';
    my ($items, $pages) = pages('op', '/items?state=waiting&limit=1');
    is_deeply $items->[0]{id}, $waiting, 'and Link leads to what there is';
    ($items) = pages('op', '/items?client=&limit=1000');
    is scalar @$items, $many, 'a thousand a page';
};

subtest 'without KEYS' => sub {
    my $open = Hashmill->start;
    my $id = $open->new_item('of nobody', 5);
    is_deeply [map { [$_->@{qw(id client)}] } $open->get('/items')->json->@*], [[$id, '']], 'everybody sees whose an item is';
};

finish();
