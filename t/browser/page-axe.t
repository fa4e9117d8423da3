# The page for people who use it with a reader of screens, by the keyboard or enlarged: axe-core finds nothing in any
# of its states; all can be done by keys; it fits 320 pixels.

use v5.36;
use FindBin;
use lib "$FindBin::Bin/../support";
use Test::More;
use Hashmill;
use Hashmill::Axe;
use Hashmill::Browser;
use Hashmill::Keys;

plan skip_all => Hashmill::Browser::missing() if Hashmill::Browser::missing();
plan skip_all => Hashmill::Axe::missing() if Hashmill::Axe::missing();

my $mill = Hashmill->start;
my $browser = Hashmill::Browser->start;

# Opens the page, in these colours, this wide.
sub open_page ($scheme, $width) {
    $browser->cdp('Emulation.setEmulatedMedia', features => [{ name => 'prefers-color-scheme', value => $scheme }]);
    $browser->cdp('Emulation.setDeviceMetricsOverride', width => $width, height => 800, deviceScaleFactor => 1, mobile => JSON::PP::false);
    $browser->open($mill->url . '/ui/');
    ok $browser->sees('return !document.getElementById("content").hidden'), "$scheme, $width pixels";
    return;
}

sub check ($name) {
    is_deeply [Hashmill::Axe::faults($browser)], [], "$name: nothing is wrong";
    my ($wide, $inner) = $browser->run('return [document.documentElement.scrollWidth, innerWidth]')->@*;
    cmp_ok $wide, '<=', $inner, "$name: it fits";
    return;
}

subtest 'an empty queue' => sub {
    open_page(light => 1280);
    check('empty');
};

my @items = map { $mill->new_item("body $_", 1e9 * $_) } 1 .. 5;
$mill->new_item('done', 1);
$mill->lease(items => 3);
$mill->write_settings;
$mill->call('POST', '/admin/pause?what=scaling');
for my $scheme (qw(light dark)) {
    for my $width (320, 700, 1440) {
        subtest "$scheme, $width pixels" => sub {
            open_page($scheme, $width);
            $browser->run('document.getElementById("look-id").value = arguments[0]', $items[4]);
            $browser->click('#look-form button');
            $browser->reads('item-state', qr/waiting/);
            $browser->run('for (const details of document.querySelectorAll("details")) details.open = true');
            check('busy');
            $browser->click('#item-cancel');
            check('a question');
            $browser->press('ESCAPE');
        };
    }
}

subtest 'a node that is away' => sub {
    $mill->stop_nginx;
    $browser->reads('state-text', qr/No answer/);
    check('away');
    $mill->start_nginx;
};

subtest 'a key is asked for' => sub {
    key_file("$mill->{dir}/keys", 'client ann');
    ok $mill->reload(KEYS => "$mill->{dir}/keys"), 'with KEYS';
    $browser->open($mill->url . '/ui/');
    ok $browser->sees('return document.getElementById("key-panel").checkVisibility()'), 'the form is there';
    check('the form');
};

$browser->stop;
finish();
