# The page of a node with KEYS: it asks for a key, keeps it nowhere, and shows what this key may see and do.

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
my %key = key_file("$dir/keys", 'client ann', 'client ben', 'operator olga', 'viewer vic');
my $mill = Hashmill->start(KEYS => "$dir/keys", key => $key{olga});
my $browser = Hashmill::Browser->start;
my %item;
for my $name (qw(ann ben)) {
    local $mill->{key} = $key{$name};
    $item{$name} = $mill->new_item("of $name", 1e12);
}

sub visible ($id) { return $browser->run('return document.getElementById(arguments[0]).checkVisibility()', $id) }

# Types a key, as a reader does.
sub type_key ($key) {
    ok $browser->sees('return document.activeElement.id === "key"'), 'a key is asked for';
    $browser->press($key, 'ENTER');
    return;
}

# All that the page and its browser keep, but for the variables of its scripts.
sub kept () {
    return $browser->run(q{return JSON.stringify([location.href, document.cookie, {...localStorage}, {...sessionStorage},
        history.state, document.documentElement.outerHTML, [...document.querySelectorAll('input')].map(input => input.value)])});
}

# Opens the page with a key; it says whose that is.
sub enter ($name, $role) {
    $browser->open('about:blank');
    $browser->open($mill->url . '/ui/');
    type_key($key{$name});
    is $browser->reads('role', qr/./), $role, "$name: $role";
    ok $browser->sees('return !document.getElementById("content").hidden'), 'the figures are there';
    unlike kept(), qr/\Q$key{$name}\E/, 'the key is kept nowhere';
    return;
}

sub waiting () { return $browser->run(q{return document.querySelector('#tiles [data-f=waiting]').textContent}) }

# Follows an item; what is said of it.
sub look_at ($id) {
    $browser->run('document.getElementById("look-id").value = arguments[0]', $id);
    $browser->click('#look-form button');
    $browser->sees('return document.getElementById("item-state").textContent || document.getElementById("look-error").textContent');
    return $browser->run('return document.getElementById("item-state").textContent');
}

subtest 'keys that do not count' => sub {
    $browser->open($mill->url . '/ui/');
    type_key('hm_nobody');
    like $browser->reads('key-error', qr/./), qr/key/, 'it says so';
    type_key("\x{fc}");
    like $browser->reads('key-error', qr/is no key/), qr/is no key/, 'signs that no key has';
    ok !visible('content'), 'and shows nothing';
};

subtest 'a client' => sub {
    enter('ann', 'client ann');
    is waiting(), '1', 'its own items are counted';
    ok !visible($_), "no $_" for qw(fleet history);
    ok visible('enqueue'), 'it may enqueue';
    is look_at($item{ann}), 'waiting', 'its own item is shown';
    ok visible('item-cancel'), 'and may be cancelled';
    is look_at($item{ben}), '', 'that of another is not';
};

subtest 'a viewer' => sub {
    my $refused = $mill->stats->{refused};
    enter('vic', 'viewer');
    is waiting(), '2', 'all items are counted';
    ok visible('fleet'), 'it sees the fleet';
    ok !visible('enqueue'), 'it may not enqueue';
    is $browser->run('return [...document.querySelectorAll("#fleet button")].filter(b => b.checkVisibility()).length'), 0, 'nor pause anything';
    is look_at($item{ben}), 'waiting', 'it sees each item';
    ok !visible('item-cancel'), 'and cancels none';
    is $mill->stats->{refused}, $refused + 1, 'and the page makes no call that is refused, but the first without a key';
};

subtest 'an operator' => sub {
    enter('olga', 'operator');
    is waiting(), '2', 'all items are counted';
    ok visible('enqueue'), 'it may enqueue';
    is $browser->run('return [...document.querySelectorAll("#part-rows button")].map(b => b.innerText).join()'), 'Pause,Pause,Pause', 'and pause';
    is look_at($item{ben}), 'waiting', 'it sees each item';
    $browser->click('#item-cancel');
    $browser->click('#confirm-yes');
    is $browser->reads('item-state', qr/cancelled/), 'cancelled', 'and cancels it';
};

subtest 'another key counts from now on' => sub {
    my $keys = slurp("$dir/keys");
    spew("$dir/keys", join '', grep { !/olga/ } split /^/, $keys);
    ok $mill->reload, 'the key is taken out';
    like $browser->reads('key-error', qr/./), qr/./, 'the page says so, and asks for another';
    ok !visible('content'), 'nothing is shown';
    type_key($key{ann});
    is $browser->reads('role', qr/client/), 'client ann', 'who is a client';
    ok !visible($_), "no $_" for qw(fleet history item);
    spew("$dir/keys", $keys);
    ok $mill->reload, 'the key is there again';
    enter('olga', 'operator');
};

subtest 'an operator becomes a viewer' => sub {
    my $keys = slurp("$dir/keys");
    my $buttons = 'return [...document.querySelectorAll("#part-rows button")].filter(b => b.checkVisibility()).length';
    is $browser->run($buttons), 3, 'parts can be paused';
    spew("$dir/keys", $keys =~ s/^operator olga/viewer olga/mr);
    ok $mill->reload, 'the same key is a viewer\'s';
    is $browser->reads('role', qr/viewer/), 'viewer', 'the page says so at its next update';
    is $browser->run($buttons), 0, 'and there is no button to pause anything';
    ok !visible('enqueue'), 'nor to enqueue';
    is $mill->call('POST', '/admin/pause?what=intake')->status, 403, 'as the server allows neither';
    spew("$dir/keys", $keys);
    ok $mill->reload, 'it is an operator\'s again';
    is $browser->reads('role', qr/operator/), 'operator', 'which the page says, too';
    is $browser->run($buttons), 3, 'with its buttons';
};

subtest 'the key is forgotten' => sub {
    $browser->click('#forget');
    ok $browser->sees('return document.getElementById("key-panel")?.checkVisibility() && document.activeElement.id === "key"'), 'a key is asked for again';
    ok !visible('content'), 'nothing is shown';
    unlike kept(), qr/\Q$key{olga}\E|$item{ben}/, 'and nothing left';
};

subtest 'who leaves the page leaves the key' => sub {
    enter('olga', 'operator');
    look_at($item{ann});
    $browser->run('window.same = true');
    $browser->open($mill->url . '/healthz');
    $browser->run('history.back()');
    ok $browser->sees('return !window.same && document.activeElement?.id === "key"'), 'back on the page a key is asked for again';
    ok !visible('content'), 'nothing is shown';
    unlike kept(), qr/\Q$key{olga}\E|$item{ann}/, 'and nothing left';
};

$browser->stop;
finish();
