# The Debian package: what is in it, what it depends on, which files are the administrator's, and that lintian
# finds no error. How it behaves on a host is for t/install/hosts/package.sh.

use v5.36;
use File::Temp qw(tempdir);
use FindBin;
use lib "$FindBin::Bin/../support";
use Test::More;
use Hashmill::Util;

my $root = "$FindBin::Bin/../..";
my $dir = tempdir('hm-XXXXXX', TMPDIR => 1, CLEANUP => 1);
chdir $root or die;

# What a command prints, with its errors; undef when it fails.
sub run_command (@command) {
    my $pid = open my $pipe, '-|';
    if (!$pid) {
        open STDERR, '>&', \*STDOUT or die;
        exec @command or exit 127;
    }
    my $output = join '', <$pipe>;
    close $pipe;
    return $? == 0 ? $output : do { diag "@command\n$output"; undef };
}

sub there ($program) { return system("command -v $program >/dev/null") == 0 }

plan skip_all => "no $_: it comes with dpkg-dev or debhelper" for grep { !there($_) } qw(dpkg-buildpackage dh);

my $before = run_command(qw(git status --porcelain)) // '';
my ($version) = slurp('Makefile') =~ /^VERSION := (.*)$/m;
like slurp('debian/changelog'), qr/\Ahashmill \(\Q$version\E\)/, 'the changelog begins with the version of the Makefile';
my $log = run_command('make', 'deb', "BUILD=$dir/build");
if (!ok defined $log, 'the package is built') {
    done_testing(); # there is nothing to look at
    exit;
}
is run_command(qw(git status --porcelain)) // '', $before, 'and the tree is left as it was';
my ($package) = glob "$dir/build/hashmill_${version}_*.deb";
run_command('dpkg-deb', '-R', $package, "$dir/root");

subtest 'contents' => sub {
    my %mode = map { (split)[5, 0] } split /\n/, run_command('dpkg-deb', '-c', $package);
    my @programs = qw(usr/bin/hashmill-fcgi usr/bin/hashmill-worker usr/lib/hashmill/provider-local usr/lib/hashmill/nginx-site
        usr/lib/hashmill/backup.sh usr/lib/hashmill/backup-daily.sh usr/lib/hashmill/ec2-node usr/lib/hashmill/ec2-start usr/lib/hashmill/ec2-volume);
    my @files = qw(etc/hashmill/hashmill.env etc/hashmill/worker.env etc/hashmill/nginx/listen-public.conf
        etc/hashmill/nginx/listen-worker.conf etc/hashmill/nginx/listen-metrics.conf etc/nginx/sites-available/hashmill usr/lib/sysusers.d/hashmill.conf
        usr/share/man/man8/hashmill-fcgi.8.gz usr/share/man/man8/hashmill-worker.8.gz
        usr/share/hashmill/openapi.yaml usr/share/doc/hashmill/docs/openapi.yaml usr/share/doc/hashmill/README.md
        usr/share/doc/hashmill/copyright);
    push @files, map { "usr/share/hashmill/$_" } grep { -f } glob 'nginx/* sql/* grafana/* prometheus/*';
    push @files, map { s/^nginx/usr\/share\/hashmill/r } glob 'nginx/page/*';
    push @files, map { s/scripts\/install/lib\/systemd\/system/r } glob 'scripts/install/*.service scripts/install/*.timer';
    is $mode{"./$_"}, '-rwxr-xr-x', $_ for @programs;
    is $mode{"./$_"}, '-rw-r--r--', $_ for @files;
    is $mode{"./$_/"}, 'drwxr-xr-x', $_ for qw(etc/hashmill/tls var/lib/hashmill-package);
    is scalar(grep { /secret/ } keys %mode), 0, 'no secret';
    is scalar(grep { m{\./(usr/local|home|tmp|root|build|usr/lib/debug)} } keys %mode), 0, 'nothing that belongs elsewhere';
    unlike run_command('strings', '-a', "$dir/root/usr/bin/hashmill-fcgi"), qr/\Q$dir\E/, 'no path of the build in a program'
        if there('strings');
};

subtest 'who is let in' => sub {
    my $etc = "$dir/root/etc/hashmill/nginx";
    my @listeners = map { slurp($_) =~ /^\s*listen\s+(\S+?);?\s/mg } glob("$etc/*.conf"),
        glob "$dir/root/usr/share/hashmill/nginx/listen-public-ipv6.conf";
    is_deeply [sort @listeners], ['127.0.0.1:8080', '127.0.0.1:8081', '127.0.0.1:9080', '[::1]:8080'], 'who is on this machine';
    unlike slurp("$dir/root/DEBIAN/postinst"), qr/--key/, 'no key is made';
    unlike slurp("$dir/root/etc/hashmill/hashmill.env"), qr/^KEYS=/m, 'nor set';
};

subtest 'control' => sub {
    is_deeply [sort split /\n/, slurp("$dir/root/DEBIAN/conffiles")], [qw(/etc/hashmill/hashmill.env
        /etc/hashmill/nginx/listen-metrics.conf /etc/hashmill/nginx/listen-public.conf /etc/hashmill/nginx/listen-worker.conf /etc/hashmill/worker.env
        /etc/nginx/sites-available/hashmill)], 'what is the administrator\'s';
    my $depends = run_command('dpkg-deb', '-f', $package, 'Depends');
    like $depends, qr/\b$_/, "depends on $_" for qw(libc6 libcurl4 libfcgi0 libsqlite3-0 libssl3 libuuid1 curl openssl systemd);
    unlike $depends, qr/nginx/, 'a worker needs no nginx';
    like run_command('dpkg-deb', '-f', $package, 'Recommends'), qr/libjs-dygraphs.*nginx-light \| nginx/s, 'a node does, and the library of its page';
    for my $script (qw(postinst prerm postrm)) {
        ok defined run_command('sh', '-n', "$dir/root/DEBIAN/$script"), "$script is a shell script";
        unlike slurp("$dir/root/DEBIAN/$script"), qr/#DEBHELPER#/, 'a finished one';
    }
};

subtest 'manuals and settings' => sub {
    my %etc = ('hashmill-fcgi' => 'hashmill.env', 'hashmill-worker' => 'worker.env');
    for my $program (sort keys %etc) {
        my $help = run_command("$dir/root/usr/bin/$program", '--help');
        my @keys = $help =~ /^  ([A-Z_]+) \(/mg;
        cmp_ok scalar @keys, '>', 8, "$program has settings";
        my $page = run_command('gzip', '-dc', "$dir/root/usr/share/man/man8/$program.8.gz");
        my $env = slurp("$dir/root/etc/hashmill/$etc{$program}");
        is join(' ', grep { $page !~ /^\.BR \Q$_\E /m } @keys), '', 'which the manual has, all';
        is join(' ', grep { $env !~ /^# \Q$_\E \(/m } @keys), '', 'and the file';
        is join(' ', grep { $env !~ /^#?\Q$_\E=/m && !/TOKEN$|SECRET/ } @keys), '', 'with a line to change, but for secrets';
        unlike $env, qr/(?:TOKEN|SECRET(?:_OLD)?)=/, 'which have a file of their own';
        spew("$dir/secrets.env", "WORKER_TOKEN=0123456789abcdef\n");
        ok defined run_command("$dir/root/usr/bin/$program", '-t', '-c', "$dir/root/etc/hashmill/$etc{$program}",
            '-c', "$dir/secrets.env"), 'and the program takes both';
        spew("$dir/all.env", $env =~ s/^#([A-Z_]+=)/$1/mgr);
        ok defined run_command("$dir/root/usr/bin/$program", '-t', '-c', "$dir/all.env", '-c', "$dir/secrets.env"),
            'also every default that it shows';
        is run_command("$dir/root/usr/bin/$program", '--version'), "$program $version\n", 'the version';
    }
};

subtest 'exposure of the units' => sub {
    plan skip_all => 'no systemd-analyze' if !there('systemd-analyze');
    for my $unit (glob "$dir/root/lib/systemd/system/hashmill{,-worker}.service") {
        ok defined run_command(qw(systemd-analyze security --no-pager --offline=yes --threshold=20), $unit),
            ($unit =~ s{.*/}{}r) . ': 2.0 at most';
    }
};

subtest 'lintian' => sub {
    plan skip_all => 'no lintian' if !there('lintian');
    my $output = run_command('lintian', '--fail-on', 'none', '--allow-root', $package) // '';
    is join('', $output =~ /^(E: .*\n)/mg), '', 'no error' or diag $output;
};

subtest 'hashmill-client' => sub {
    my ($client) = glob "$dir/build/hashmill-client_${version}_*.deb";
    my @files = grep { !m{/$} } map { (split)[5] } split /\n/, run_command('dpkg-deb', '-c', $client);
    is_deeply [sort @files], [map { "./usr/$_" } qw(bin/hashmill share/bash-completion/completions/hashmill),
        map { "share/$_" } qw(doc/hashmill-client/changelog.gz doc/hashmill-client/client.md doc/hashmill-client/copyright man/man1/hashmill.1.gz)],
        'has the program and its pages, and nothing of the server';
    unlike run_command('dpkg-deb', '-f', $client, 'Depends'), qr/fcgi|sqlite|systemd|nginx/, 'needs nothing of it either';
    my $output = there('lintian') ? run_command('lintian', '--fail-on', 'none', '--allow-root', $client) // '' : '';
    is join('', $output =~ /^([EW]: .*\n)/mg), '', 'lintian has no error and no warning' or diag $output;
};

done_testing();
