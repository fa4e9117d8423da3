# The page under /ui/, in a real browser: what it shows is what the node says, and what it is told it does. Texts of
# others stay texts, and nothing is asked of another host.

use v5.36;
use FindBin;
use lib "$FindBin::Bin/../support";
use Test::More;
use Hashmill;
use Hashmill::Browser;

plan skip_all => Hashmill::Browser::missing() if Hashmill::Browser::missing();

my $mill = Hashmill->start(LEASE_SECONDS => 60);
my $browser = Hashmill::Browser->start('mill.example' => '127.0.0.1');
my $evil = '<img src=x onerror=document.title=1>';

# The figures of the page by their names.
sub figures () {
    return $browser->run(q{return Object.fromEntries([...document.querySelectorAll('#tiles [data-f]')].map(node => [node.dataset.f, node.textContent]))});
}

# Opens the page, and waits until it has an answer.
sub open_page () {
    $browser->open($mill->url . '/');
    ok $browser->sees('return location.pathname === "/ui/" && !document.getElementById("content").hidden'), 'the page is there';
    return;
}

subtest 'an empty queue' => sub {
    open_page();
    my $line = $browser->reads('start-line', qr/curl/);
    is $line, 'date | curl -T- \'' . $mill->url . '/enqueue?iterations=1000000\'', 'it says how to begin';
    like qx{$line 2>/dev/null}, qr/^\{"id":/, 'and that works';
    ok $browser->sees('return document.getElementById("start").hidden'), 'then it is silent';
    is $mill->call('DELETE', '/items?state=waiting&client=&confirm=1')->status, 200, 'that item goes again';
};

subtest 'figures' => sub {
    $mill->new_item("body $_", 1000 + $_) for 1 .. 6;
    $mill->new_item('done', 1) for 1 .. 3;
    $mill->pull(1);
    is $mill->lease(items => 2)->status, 200, 'a worker takes two';
    my $stats = $mill->stats;
    my %items = $stats->{items}->%*;
    ok $browser->sees(q{return document.querySelector('#tiles [data-f=leased]').textContent === '2'}), 'the page knows';
    my $seen = figures();
    is $seen->{$_}, $items{$_}, $_ for qw(waiting leased done);
    is $seen->{doneNote}, "$items{pulled} pulled, $items{cancelled} cancelled", 'pulled and cancelled';
    is $seen->{workers}, $stats->{workers}, 'workers';
    like $seen->{oldest}, qr/^[\d.]+\x{a0}s$/, 'the oldest wait';
    $mill->new_item('more', 1) for 1 .. 1200;
    ok $browser->sees(q{return document.querySelector('#tiles [data-f=done]').textContent === '1,202'}), 'it follows';
    unlike $browser->run('return document.body.innerText'), qr/undefined|NaN|null|\[object/, 'nothing that is no word';
};

subtest 'from the form to the value' => sub {
    my $body = random_body(1000);
    spew("$mill->{dir}/body", $body);
    $browser->run('window.same = true');
    $browser->choose('#file', "$mill->{dir}/body");
    $browser->run('const n = document.getElementById("iterations"); n.focus(); n.select()');
    $browser->press('2e5');
    like $browser->reads('prediction', qr/200,000|Estimate/), qr/^(?:Estimate: done in about|200,000 iterations)/, 'it says how long it takes';
    $browser->press('ENTER');
    my $id = $browser->reads('item-id', qr/^[0-9a-f-]{36}$/);
    is $browser->reads('item-state', qr/./), 'waiting', 'it is followed';
    is $mill->item($id)->json->{iterations}, 200_000, 'with its n';
    $mill->start_worker;
    my $value = value_of($body, 200_000);
    is $browser->reads('item-value', qr/^[0-9a-f]{128}$/), $value, 'its value comes';
    is $browser->text('item-state'), 'done', 'with its state';
    ok $browser->run('return window.same'), 'without a reload';
    $browser->click('#item-copy');
    is $browser->reads('item-copy', qr/Copied/), 'Copied', 'it can be copied';
};

subtest 'a name that is HTML' => sub {
    $mill->lease(items => 1, worker => { Hashmill::worker_fields()->%*, name => $evil, kernel => '<b>bold</b>' });
    like $browser->reads('worker-rows', qr/<img/), qr/\Q$evil\E/, 'is shown as it is';
    is $browser->run('return document.querySelectorAll("#main img, #main b > b").length'), 0, 'and makes no element';
    like $browser->run('return document.title'), qr/hashmill/, 'nor does it run';
};

subtest 'what is wrong' => sub {
    $browser->run('document.getElementById("look-id").value = arguments[0]', 'not-an-id');
    $browser->click('#look-form button');
    like $browser->reads('look-error', qr/./), qr/no id/, 'an id that is none';
    $browser->run('document.getElementById("look-id").value = arguments[0]', uuid());
    $browser->click('#look-form button');
    like $browser->reads('look-error', qr/No such|no item|not/i), qr/item/, 'an item that is not there';
    spew("$mill->{dir}/empty", '');
    $browser->choose('#file', "$mill->{dir}/empty");
    $browser->click('#enqueue-button');
    is $browser->reads('enqueue-error', qr/./), 'The file is empty.', 'an empty file';
    $browser->choose('#file', "$mill->{dir}/body");
    $browser->run('document.getElementById("iterations").value = "99999999999999999"');
    $browser->click('#enqueue-button');
    like $browser->reads('enqueue-error', qr/iterations/), qr/iterations/, 'too many iterations: what the node says';
};

subtest 'operators' => sub {
    my $id = $mill->new_item('to be cancelled', 1e12);
    $browser->run('document.getElementById("look-id").value = arguments[0]', $id);
    $browser->click('#look-form button');
    ok $browser->sees('return !document.getElementById("item-cancel").hidden'), 'an item can be cancelled';
    $browser->click('#item-cancel');
    my $updates = $browser->run('return performance.getEntriesByType("resource").filter(e => e.name.endsWith("/stats")).length');
    ok $browser->sees('return performance.getEntriesByType("resource").filter(e => e.name.endsWith("/stats")).length > arguments[0] + 1', $updates),
        'two updates later';
    ok $browser->run('return document.getElementById("confirm").open && document.activeElement.id === "confirm-no"'), 'the question stands, with its focus';
    unlike $mill->state_of($id), qr/cancelled/, 'and nothing is done';
    $browser->click('#confirm-yes');
    is $browser->reads('item-state', qr/cancelled/), 'cancelled', 'with a yes it is';
    is $mill->state_of($id), 'cancelled', 'at the node';
    for my $paused (1, 0) {
        $browser->click('#part-rows button');
        like $browser->reads('confirm-title', qr/intake/), qr/^(?:Pause|Resume) intake\?$/, 'a question';
        $browser->click('#confirm-yes');
        ok wait_until(30, sub { $mill->stats->{paused}->@* == $paused }), $paused ? 'intake is paused' : 'and resumed';
        like $browser->reads('part-rows', $paused ? qr/refused/ : qr/are taken/), $paused ? qr/Resume/ : qr/New items are taken/, 'the page shows it';
    }
};

my $by_test = qr{/items/[0-9a-f-]+ - Failed|/enqueue\S* - Failed}; # what was asked for wrongly
is_deeply [grep { !/$by_test/ } $browser->console], [], 'the browser complains of nothing';
is_deeply [grep { /^(?:https?|wss?):/ && index($_, $mill->url . '/') != 0 } $browser->requests], [], 'no other host was asked';

subtest 'a name that the node does not know' => sub {
    $browser->open("http://mill.example:$mill->{port}/ui/");
    is $browser->reads('state-text', qr/refuses/), 'The node refuses', 'the page is there, but has nothing';
    like $browser->text('health-text'), qr/HOSTS/, 'and says what helps';
    ok !$browser->run('return document.getElementById("tiles").checkVisibility()'), 'no figures';
};

$browser->stop;
finish();
