# scripts/run.sh --demo in surroundings that people have: their locale, umask, shell, PATH and exported variables, a
# tree whose path has blanks. Each run has a directory and ports of its own; all run side by side, with the normal build.

use v5.36;
use Cwd qw(realpath);
use FindBin;
use lib "$FindBin::Bin/../support";
use File::Path qw(make_path remove_tree);
use File::Temp qw(tempdir);
use Test::More;
use Hashmill;

use constant NOBODY => 65534;
use constant USER_PATH => '/usr/local/bin:/usr/bin:/bin:/usr/local/games:/usr/games'; # of Debian's /etc/profile

my $root = realpath("$FindBin::Bin/../..");
my $build = $ENV{HASHMILL_BUILD_NORMAL} // "$root/build";
plan skip_all => "no programs in $build" if !has_build($build);

my $dir = tempdir('hm-XXXXXX', TMPDIR => 1);
chmod 0755, $dir;
my %run; # name -> what was started

# Everything that these runs started, by its environment, which nginx overwrites, and only root sees of hashmill's programs.
sub everything {
    my $mark = "HASHMILL_TEST_INSTANCE=$dir\0";
    return grep { process_state($_) ne 'Z' && (index(slurp("/proc/$_/environ") // '', $mark) >= 0
            || (slurp("/proc/$_/comm") // '') =~ /^(?:nginx|hashmill-)/ && belongs_to($_, $dir)) } process_ids();
}

END {
    if (defined $dir) {
        local $?;
        kill 'KILL', everything();
        remove_tree($dir) if !$ENV{HASHMILL_KEEP};
    }
}

# Starts the demonstration. tree => another one than this, alone => 1 for the build and VAR in it, env => what env(1) is given,
# unset => a variable, before => [a command that runs it], own => whose VAR is.
sub demo ($name, %option) {
    my $var = "$dir/" . ($name =~ s/\W+/-/gr);
    mkdir $var or die;
    chown $option{own}, -1, $var if defined $option{own};
    my @places = $option{alone} ? () : ("BUILD=$build", "VAR=$var/var");
    my @unset = $option{unset} ? ('-u', $option{unset}) : ();
    my $process = Hashmill::Process->start(log => "$dir/$name.txt", cwd => $option{cwd} // '/',
        env => { HASHMILL_TEST_INSTANCE => $dir, PORT => free_port_pair(), METRICS_PORT => free_port_pair() },
        command => [($option{before} // [])->@*, 'env', @unset, @places, 'PROCESSES_PUBLIC=2', ($option{env} // [])->@*,
            ($option{tree} // "$root/") . 'scripts/run.sh', '--demo']);
    $run{$name} = { process => $process, var => $option{alone} ? "$option{cwd}/var" : "$var/var" };
    return;
}

sub passes ($name) {
    my $process = $run{$name}{process};
    is $process->wait_exit(180), 0, "$name: ends well" or diag $process->log;
    like $process->log, qr/^right: /m, 'with the right value';
    is +(stat "$run{$name}{var}/$_")[2] & 07777, 0600, "$_ is its owner's" for qw(worker-token hashmill.env);
    return;
}

sub refused ($name, $why) {
    my $process = $run{$name}{process};
    isnt $process->wait_exit(60), 0, "$name: refused";
    like $process->log, $why, 'with a sentence';
    unlike $process->log, qr/\bline \d+: /, 'of its own';
    return;
}

# A copy of the tree with what has been built, under a name.
sub copy_of_tree ($name, @parts) {
    my $tree = "$dir/$name";
    make_path("$tree/build");
    system('cp', '-a', map({ "$root/$_" } @parts), "$tree/") == 0 or die;
    return $tree;
}

# A directory for LOCPATH with that locale, or undef.
sub locale ($name) {
    mkdir "$dir/locales";
    system("localedef -i $name -f UTF-8 $dir/locales/$name.UTF-8 >/dev/null 2>&1");
    return -d "$dir/locales/$name.UTF-8" ? "$dir/locales" : undef;
}

my $turkish = locale('tr_TR');
my @turkish = ("LOCPATH=$dir/locales", 'LC_ALL=tr_TR.UTF-8');

# What a shell, make, curl, Perl and libcurl take from the environment and from a home.
sub exported {
    my $home = "$dir/home";
    make_path("$home/Digest");
    spew("$home/bash_env", "echo hello from BASH_ENV; cd() { echo hijacked; }\n");
    spew("$home/.curlrc", "include\nwrite-out = \"and more\"\nsilent\nproxy = http://127.0.0.1:1\n");
    spew("$home/Digest/SHA.pm", "die 'a Digest::SHA of another perl'\n");
    return ("HOME=$home", "CURL_HOME=$home", "BASH_ENV=$home/bash_env", "ENV=$home/bash_env", "PERL5LIB=$home", "PYTHONPATH=$home",
        'BASH_FUNC_cd%%=() { echo hijacked; }', 'BASH_FUNC_sed%%=() { echo hijacked; }', 'POSIXLY_CORRECT=1', 'GLOBIGNORE=*',
        'SHELLOPTS=noclobber:noglob:nounset', 'BASHOPTS=nocasematch:failglob', 'IFS=/', 'TMOUT=1', 'CDPATH=/usr:.:/tmp', 'MAKEFLAGS=-n',
        'TMPDIR=/nonexistent', 'OPENSSL_CONF=/nonexistent', 'GREP_OPTIONS=-v', 'GREP_COLOR=1', 'COLUMNS=1', 'TERM=nonsense',
        map { ($_ . '=http://127.0.0.1:1', uc . '=http://127.0.0.1:1') } qw(http_proxy https_proxy all_proxy));
}

my @nobody = $> == 0 ? ('setpriv', '--reuid=' . NOBODY, '--regid=' . NOBODY, '--clear-groups') : ();
my $for_nobody = $> == 0 && system(@nobody, qw(test -x), "$root/scripts/run.sh") == 0 && system(@nobody, qw(test -x), "$build/hashmill-fcgi") == 0;

demo('Turkish', env => \@turkish) if $turkish;
demo('a locale that is not there', env => ['LC_ALL=xx_XX.UTF-8']);
demo('Kathmandu', env => ['TZ=Asia/Kathmandu']);
demo("umask $_", before => ['sh', '-c', "umask $_; exec \"\$@\"", 'sh']) for '077', '000';
demo('CDPATH', cwd => $root, env => ['CDPATH=.:/usr'], tree => '');
demo('no HOME', unset => 'HOME');
demo('an ordinary PATH', env => ['PATH=' . USER_PATH]);
demo('much is exported', env => [exported()]);
demo('common names', env => ['NODE=/usr/bin/node', 'LOG_LEVEL=INFO', 'DEBUG=*', 'DATABASE=postgres://x', 'RUN_DIR=/x', 'NODES=3', 'HASHMILL_NODE=7',
    'HASHMILL_DATABASE=/x', 'WORKER_TOKEN=x', 'HASHMILL_LEASE_SECONDS=30', 'LEASE_SECONDS=soon']);
demo('a user without a login shell', before => ['env', '-i', "HASHMILL_TEST_INSTANCE=$dir", 'PATH=' . USER_PATH, 'SHELL=/usr/sbin/nologin',
    'PORT=' . free_port_pair(), 'METRICS_PORT=' . free_port_pair(), @nobody], own => NOBODY) if $for_nobody;
my $odd = copy_of_tree("a tree, 100%=\xc3\xa9t\xc3\xa9", qw(Makefile client debian fcgi lib nginx scripts sql worker));
system('cp', '-a', grep({ -e } map { "$build/$_" } qw(client fcgi lib worker sql.c sql.h sql.o sql.d hashmill hashmill-fcgi hashmill-worker)), "$odd/build/") == 0 or die;
demo('an odd path', cwd => $odd, tree => '', alone => 1);

demo('a quote in the path', tree => copy_of_tree('a"tree', qw(Makefile debian scripts)) . '/');
demo('a build where make cannot', env => ["BUILD=$dir/two words"]);
demo('no number of threads', env => ['THREADS=auto']);
demo('a FIFO as VAR', env => ["VAR=$dir/fifo"]) if system('mkfifo', "$dir/fifo") == 0;
demo("somebody else's VAR", env => ["VAR=$dir/theirs"]) if $> == 0 && mkdir("$dir/theirs") && chown(NOBODY, NOBODY, "$dir/theirs");
spew("$dir/precious", 'kept');
mkdir "$dir/linked" and symlink "$dir/precious", "$dir/linked/run.lock" or die;
demo('a link as run.lock', env => ["VAR=$dir/linked"]);

for my $name (grep { $run{$_} } 'Turkish', 'a locale that is not there', 'Kathmandu', 'umask 077', 'umask 000', 'CDPATH', 'no HOME', 'an ordinary PATH',
    'much is exported', 'common names', 'a user without a login shell') {
    subtest $name => sub { passes($name) };
}

subtest 'an odd path' => sub {
    passes('an odd path');
    unlike $run{'an odd path'}{process}->log, qr/^building/m, 'make knows what is built';
};

subtest 'what the node is' => sub {
    like slurp("$run{'common names'}{var}/log/server.log"), qr/, node 7, database \Q$run{'common names'}{var}\E/, 'HASHMILL_NODE is its number';
    is scalar(grep { -e } "$dir/x"), 0, 'nothing is elsewhere';
};

subtest 'refused' => sub {
    refused('a quote in the path', qr/^run\.sh: nginx cannot be given the path /m);
    refused('a build where make cannot', qr/make cannot build in "[^"]+two words"; give it another directory/);
    refused('no number of threads', qr/THREADS is exported; unset it, or set HASHMILL_THREADS/);
    refused('a FIFO as VAR', qr/^run\.sh: VAR: \S+ is no directory/m);
    refused("somebody else's VAR", qr/^run\.sh: VAR: \S+ belongs to /m) if $run{"somebody else's VAR"};
    refused('a link as run.lock', qr/is a symbolic link/);
    is slurp("$dir/precious"), 'kept', 'and what it leads to is kept';
};

subtest 'nothing is left running' => sub {
    ok wait_until(10, sub { !everything() }), 'no process';
};

subtest 'the build in Turkish' => sub {
    plan skip_all => 'localedef and its sources are not installed' if !$turkish;
    my @sql = glob "$root/sql/*.sql";
    my %in = (turkish => \@turkish, here => []);
    for my $made (sort keys %in) {
        mkdir "$dir/$made" or die "$dir/$made: $!";
        system('env', $in{$made}->@*, "$root/scripts/build/sql-table", map({ "$dir/$made/sql.$_" } qw(c h)), @sql) == 0 or die;
    }
    is slurp("$dir/turkish/$_"), slurp("$dir/here/$_"), "the same $_" for qw(sql.c sql.h);
};

done_testing();
