# The page by the keyboard alone: each control is reached by Tab, in the order in which it is seen, and shows that it has the
# focus; an item is enqueued and cancelled without a mouse.

use v5.36;
use FindBin;
use lib "$FindBin::Bin/../support";
use Test::More;
use Hashmill;
use Hashmill::Browser;

plan skip_all => Hashmill::Browser::missing() if Hashmill::Browser::missing();

my $mill = Hashmill->start;
my $browser = Hashmill::Browser->start;
$mill->new_item('waiting', 1e12);
$browser->open($mill->url . '/ui/');
ok $browser->sees('return !document.getElementById("content").hidden'), 'the page is there';

sub focused () {
    return $browser->run('const e = document.activeElement; return e.id || e.getAttribute("aria-label") || e.className || e.tagName');
}

# Presses Tab until the element with this id has the focus; false when it never does.
sub tab_to ($id) {
    for (1 .. 60) {
        return 1 if focused() eq $id;
        $browser->press('TAB');
    }
    return 0;
}

subtest 'the order' => sub {
    $browser->press('TAB');
    is focused(), 'skip', 'first a way past the bar';
    $browser->press('ENTER');
    is focused(), 'main', 'which leads to the figures';
    my (%seen, @tops);
    $browser->run('document.activeElement.blur(); document.querySelector(".skip").focus()');
    for (1 .. 60) {
        $browser->press('TAB');
        my ($name, $top, $outline) = $browser->run(q{const e = document.activeElement, box = e.getBoundingClientRect();
            const style = getComputedStyle(e.matches('.switch input') ? e.nextElementSibling : e);
            return [e.id || e.getAttribute('aria-label') || e.value || e.tagName, box.top + scrollY, style.outlineStyle + style.outlineWidth]})->@*;
        last if $seen{$name}++ || $name eq 'BODY';
        isnt $outline, 'none0px', "$name shows the focus" if $outline !~ /^auto|^solid[1-9]/;
        push @tops, $top;
    }
    my %reached = map { $_ => 1 } keys %seen;
    ok $reached{$_}, "$_ is reached" for qw(refresh theme file iterations enqueue-button look-id), 'Pause Intake', 'Pause Leasing', 'Pause Scaling';
};

subtest 'an item' => sub {
    spew("$mill->{dir}/body", 'by keys');
    $browser->choose('#file', "$mill->{dir}/body"); # the dialog of the system is not the page's
    ok tab_to('iterations'), 'n is reached';
    $browser->run('document.activeElement.select()');
    $browser->press('1000000000000', 'ENTER');
    my $id = $browser->reads('item-id', qr/^[0-9a-f-]{36}$/);
    ok $browser->sees('return document.activeElement.id === "item-id"'), 'the item has the focus';
    $browser->reads('item-state', qr/waiting/);
    ok tab_to('item-cancel'), 'its button is reached';
    $browser->press('ENTER');
    is focused(), 'confirm-no', 'the question stands, on the answer that changes nothing';
    $browser->press('ESCAPE');
    is focused(), 'item-cancel', 'Escape leads back';
    is $mill->state_of($id), 'waiting', 'with nothing done';
    $browser->press('SPACE');
    ok tab_to('confirm-yes'), 'the other answer is reached';
    $browser->press('ENTER');
    is $browser->reads('item-state', qr/cancelled/), 'cancelled', 'and does it';
};

subtest 'choices' => sub {
    $browser->run('document.getElementById("theme").focus()');
    $browser->press('DOWN');
    is $browser->run('return document.documentElement.dataset.theme'), 'light', 'other colours';
    $browser->press('DOWN');
    is $browser->run('return getComputedStyle(document.documentElement).colorScheme'), 'dark', 'and dark ones';
};

$browser->stop;
finish();
