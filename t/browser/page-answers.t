# The page and answers that it cannot expect: it says so, goes on asking, and shows what is right as soon as it comes. What
# one key has shown is gone when another one counts, questions that stand open too.

use v5.36;
use FindBin;
use lib "$FindBin::Bin/../support";
use File::Temp qw(tempdir);
use Test::More;
use Hashmill;
use Hashmill::Browser;
use Hashmill::Keys;

plan skip_all => Hashmill::Browser::missing() if Hashmill::Browser::missing();

my $dir = tempdir('hm-keys-XXXXXX', TMPDIR => 1, CLEANUP => 1);
my %key = key_file("$dir/keys", 'client ann', 'client ben', 'operator olga');
my $mill = Hashmill->start(KEYS => "$dir/keys", key => $key{olga}, LEASE_SECONDS => 600);
my $id = $mill->new_item('of nobody', 1e12);
$mill->lease(items => 1, worker => { Hashmill::worker_fields()->%*, name => 'worker-of-others' });
my $browser = Hashmill::Browser->start;

# From the next page on, instead[PATH] is what a call gets: {status, body, headers}, or {hangs}: nothing.
$browser->cdp('Page.addScriptToEvaluateOnNewDocument', source => q{
    window.instead = {};
    window.asked = 0;
    const real = window.fetch;
    window.fetch = async (url, options) => {
        window.asked++;
        const made = window.instead[url.replace('..', '').split('?')[0]];
        if (!made) return real(url, options);
        if (made.hangs) return new Promise((_, fail) => options.signal.addEventListener('abort', () => fail(options.signal.reason)));
        return new Response(made.body, { status: made.status ?? 200, headers: made.headers ?? {} });
    };
});

sub instead ($path, $made = undef) { return $browser->run('window.instead[arguments[0]] = arguments[1]', $path, $made) }
sub page () { return $browser->run('return document.documentElement.outerHTML + document.getElementById("look-id").value + location.href') }

sub type_key ($name) {
    ok $browser->sees('return document.activeElement.id === "key"'), 'a key is asked for';
    $browser->press($key{$name}, 'ENTER');
    return;
}

sub enter ($name) {
    $browser->open('about:blank');
    $browser->open($mill->url . '/ui/');
    type_key($name);
    ok $browser->sees('return !document.getElementById("content").hidden'), 'the page is there';
    return;
}

enter('olga');
my @strange = (
    ['null', { body => 'null' }], ['HTML', { body => '<html>' }], ['a list', { body => '[]' }],
    ['a fleet that is none', { body => '{"items":{},"fleet":{"workers":5}}' }],
    ['a problem that is null', { status => 503, body => 'null' }],
    ['a problem of other types', { status => 500, body => '{"type":5,"title":{}}' }],
);
for my $case (@strange) {
    my ($name, $made) = @$case;
    subtest "instead of figures $name" => sub {
        instead('/stats', $made);
        like $browser->reads('state-text', qr/No answer for [2-9]/), qr/No answer for/, 'it says that there are none';
        my $asked = $browser->run('return window.asked');
        ok $browser->sees('return window.asked > arguments[0]', $asked), 'it goes on asking';
        instead('/stats');
        is $browser->reads('state-text', qr/Healthy/), 'Healthy', 'and shows what is right when it comes';
    };
}

subtest 'nothing to read elsewhere' => sub {
    instead('/stats/history', { body => 'null' });
    $browser->run('document.querySelector("input[value=\'24h\']").click()');
    my $asked = $browser->run('return window.asked');
    ok $browser->sees('return window.asked > arguments[0] + 2', $asked), 'it goes on';
    instead('/stats/history');
    is $browser->text('state-text'), 'Healthy', 'and is healthy';
};

subtest 'a node that comes back before it said it would' => sub {
    instead('/stats', { status => 503, body => '{}', headers => { 'Retry-After' => '99999999999' } });
    ok $browser->reads('state-text', qr/No answer/), 'away';
    is $browser->run('return import("./api.js").then(({ Poller, ApiError }) => {
        const times = [], real = window.setTimeout;
        window.setTimeout = (run, ms) => { times.push(ms); return 0; };
        const poller = new Poller(() => { throw new ApiError(503, {}, 99999999999); }, () => 2);
        poller.on = true;
        return poller.run().then(() => { window.setTimeout = real; poller.stop(); return times.at(-1); });
    })'), 60_000, 'it is asked again within a minute';
    instead('/stats');
};

subtest 'an answer that takes long' => sub {
    enter('olga');
    instead('/stats', { hangs => 1 });
    like $browser->reads('state-text', qr/No answer for [5-9]/), qr/No answer for [5-9]/, 'is missed';
    instead('/stats');
    is $browser->reads('state-text', qr/Healthy/), 'Healthy', 'until it is there';
};

# Looks at the item, and begins to cancel it.
sub begin_to_cancel () {
    $browser->run('document.getElementById("look-id").value = arguments[0]', $id);
    $browser->click('#look-form button');
    ok $browser->sees('return !document.getElementById("item-cancel").hidden'), 'the item is there';
    ok $browser->sees('return document.body.innerText.includes("worker-of-others")'), 'and its worker';
    $browser->click('#item-cancel');
    ok $browser->run('return document.getElementById("confirm").open'), 'a question stands open';
    return;
}

subtest 'a key that is taken out' => sub {
    begin_to_cancel();
    my $keys = slurp("$dir/keys");
    spew("$dir/keys", join '', grep { !/olga/ } split /^/, $keys);
    ok $mill->reload, 'it counts no more';
    type_key('ann');
    is $browser->reads('role', qr/client/), 'client ann', 'with another one';
    ok !$browser->run('return document.getElementById("confirm").open'), 'nothing is asked any more';
    is_deeply [page() =~ /\Q$id\E|worker-of-others/g], [], 'and nothing left of what was seen';
    spew("$dir/keys", $keys);
    ok $mill->reload, 'it counts again';
    is $mill->item($id)->json->{state}, 'leased', 'nothing was done';
};

subtest 'a key that has become that of a client' => sub {
    enter('olga');
    is $browser->reads('role', qr/./), 'operator', 'an operator';
    begin_to_cancel();
    my $keys = slurp("$dir/keys");
    my ($hash) = $keys =~ /^operator olga (\S+)/m;
    spew("$dir/keys", $keys =~ s/^operator olga.*/client otto $hash/mr);
    ok $mill->reload, 'becomes a client';
    is $browser->reads('role', qr/client/), 'client otto', 'the page knows';
    ok !$browser->run('return ["fleet", "history", "item"].some(id => document.getElementById(id).checkVisibility()) || document.getElementById("confirm").open'),
        'and shows what is for it';
    is_deeply [page() =~ /\Q$id\E|worker-of-others/g], [], 'nothing is left';
    spew("$dir/keys", $keys);
    ok $mill->reload, 'and is an operator again';
    is $browser->reads('role', qr/operator/), 'operator', 'here, too';
    ok $browser->sees('return document.getElementById("fleet").checkVisibility()'), 'who sees all';
};

$browser->stop;
finish();
