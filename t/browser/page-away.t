# The page when nobody looks at it, and when the node is away: out of sight it sends nothing; a node that does not answer is
# told, with since when, and taken up again without a reload.

use v5.36;
use FindBin;
use lib "$FindBin::Bin/../support";
use Test::More;
use Hashmill;
use Hashmill::Browser;

plan skip_all => Hashmill::Browser::missing() if Hashmill::Browser::missing();

my $mill = Hashmill->start;
my $browser = Hashmill::Browser->start;
my $id = $mill->new_item('followed', 1e12);
$browser->open($mill->url . "/ui/#$id");
is $browser->reads('item-state', qr/./), 'waiting', 'the item of the address is followed';
$browser->run('window.same = true');

# The calls that the page has made since the last look.
sub calls () { return grep { m{^http} } $browser->requests }

subtest 'out of sight' => sub {
    $browser->hide;
    ok $browser->sees('return document.hidden'), 'the page is hidden';
    calls();
    # As long as it would have asked several times.
    $browser->run('return new Promise(done => setTimeout(done, 7000))');
    is_deeply [calls()], [], 'it sends nothing, no long poll either';
    $mill->new_item('meanwhile', 1);
    $browser->show;
    ok $browser->sees(q{return document.querySelector('#tiles [data-f=done]').textContent === '1'}), 'in sight it is up to date';
    ok scalar(grep { m{/items/} } calls()), 'and follows the item again';
};

subtest 'how often' => sub {
    $browser->run('const s = document.getElementById("refresh"); s.value = "0"; s.dispatchEvent(new Event("change"))');
    $browser->run('return new Promise(done => setTimeout(done, 3000))');
    calls();
    $browser->run('return new Promise(done => setTimeout(done, 3000))');
    is_deeply [grep { m{/stats} } calls()], [], 'off: it does not ask';
    $browser->run('const s = document.getElementById("refresh"); s.value = "2"; s.dispatchEvent(new Event("change"))');
    $browser->run('return new Promise(done => setTimeout(done, 7000))');
    my $asked = grep { m{/stats$} } calls();
    ok $asked >= 2 && $asked <= 4, "every 2 s: $asked times in 7 s";
};

subtest 'a node that is away' => sub {
    $mill->kill_everything;
    like $browser->reads('state-text', qr/No answer for [2-9]/), qr/^No answer for \d\x{a0}s$/, 'it says since when';
    like $browser->text('health-text'), qr/goes on asking/, 'and what it does';
    is $browser->text('announce'), 'The node does not answer.', 'this is said once, without the seconds';
    is $browser->run(q{return document.querySelector('#tiles [data-f=done]').textContent}), '1', 'what it knew is still there';
    $mill->restart;
    $mill->new_item('afterwards', 1);
    ok $browser->sees(q{return document.querySelector('#tiles [data-f=done]').textContent === '2'}), 'it is taken up again';
    unlike $browser->text('state-text'), qr/No answer/, 'and said to be there';
    is $browser->reads('item-state', qr/waiting/), 'waiting', 'the item is followed on';
    ok $browser->run('return window.same'), 'without a reload';
};

$browser->stop;
finish();
