package Hashmill::Axe;

# axe-core, which finds what keeps people with a disability from using a page. Debian has no package of it: it comes from npm,
# into a directory of the test, in the version that stands here.
#
#     plan skip_all => Hashmill::Axe::missing() if Hashmill::Axe::missing();
#     is_deeply [Hashmill::Axe::faults($browser)], [], 'nothing is wrong';

use v5.36;
use File::Temp qw(tempdir);

use Hashmill::Util;

use constant VERSION => '4.14.1';

my $source;

# Why it cannot be had here; empty when it can.
sub missing {
    state $why = do {
        my $dir = tempdir('hm-axe-XXXXXX', TMPDIR => 1, CLEANUP => 1);
        my @npm = (qw(npm install --prefix), $dir, qw(--prefer-offline --ignore-scripts --no-audit --no-fund --no-save), 'axe-core@' . VERSION);
        local $ENV{npm_config_update_notifier} = 'false';
        if (system('command -v npm >/dev/null') != 0) {
            'no npm here, from which axe-core comes';
        } elsif (system("timeout 60 @npm >'$dir/log' 2>&1") != 0) {
            'npm does not bring axe-core here: ' . (slurp("$dir/log") =~ s/\n.*//sr);
        } else {
            $source = slurp("$dir/node_modules/axe-core/axe.min.js") // die 'axe-core has no axe.min.js';
            '';
        }
    };
    return $why;
}

# What it finds on the page that the browser shows: how serious, the rule, and the elements.
sub faults ($browser) {
    missing() and die missing();
    $browser->run($source) if !$browser->run('return typeof axe !== "undefined"');
    return $browser->run(q{return axe.run(document, {resultTypes: ['violations']}).then(found => found.violations
        .map(({impact, id, nodes}) => `${impact}: ${id}: ${nodes.map(({target, failureSummary}) => `${target.join(' ')} (${failureSummary})`).join(', ')}`))})->@*;
}

1;
