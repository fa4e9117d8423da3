# The manual page of hashmill, and its completion in a real bash.

use v5.36;
use FindBin;
use lib "$FindBin::Bin/../support";
use File::Temp qw(tempdir);
use Test::More;
use Hashmill;
use Hashmill::Terminal;

my $dir = tempdir('hm-XXXXXX', TMPDIR => 1, CLEANUP => 1);
my $program = Hashmill::build_directory() . '/hashmill';

sub has ($command) { return grep { -x "$_/$command" } split /:/, $ENV{PATH} }

subtest 'the manual page' => sub {
    plan skip_all => 'apt-get install man-db' if !has('man');
    spew("$dir/hashmill.1", scalar qx($FindBin::Bin/../../scripts/build/from-help man $program 1));
    my $page = qx(man -l --warnings -E ascii $dir/hashmill.1 2>$dir/warnings);
    is slurp("$dir/warnings"), '', 'man has nothing to say against it';
    like $page, qr/^NAME\n +hashmill - puts files/m, 'its name';
    for my $part ('put FILE... -n N', '-n, --iterations N', 'KEY_FILE \(path', 'Exit codes: 0 done') {
        like $page, qr/^ +$part/m, "it has $part" if $part !~ /^Exit/;
        like $page =~ s/\s+/ /gr, qr/$part/, "it has $part" if $part =~ /^Exit/;
    }
    for my $verb (qx($program --help) =~ /^  ([a-z]+) .*   /mg) {
        like $page, qr/^       $verb\b/m, "the verb $verb";
    }
};

subtest 'completion' => sub {
    my $missing = Hashmill::Terminal::missing();
    plan skip_all => $missing if $missing;
    mkdir "$dir/bin";
    symlink $program, "$dir/bin/hashmill" or die;
    spew("$dir/in a file", 'x');
    spew("$dir/run-bash", "PS1='\$ ' exec bash --norc --noprofile\n");
    my $terminal = Hashmill::Terminal->start(in => $dir, env => { PATH => "$dir/bin:$ENV{PATH}" });
    $terminal->type("sh run-bash\n");
    $terminal->wait_for(qr/^\$ sh run-bash\n\$$/m);
    $terminal->type("source <(hashmill completion bash)\n");
    $terminal->wait_for(qr/bash\)\n\$$/m);
    my %typed = (
        'hashmill pul' => 'hashmill pull', 'hashmill pull --fol' => 'hashmill pull --follow', 'hashmill ls --state wai' => 'hashmill ls --state waiting',
        'hashmill admin res' => 'hashmill admin resume', 'hashmill completion z' => 'hashmill completion zsh',
        'hashmill put in' => 'hashmill put in\\ a\\ file', 'hashmill pull --out in' => 'hashmill pull --out in\\ a\\ file',
        'hashmill get --rec' => 'hashmill get --rec', 'hashmill run --rec' => 'hashmill run --recursive',
    );
    for my $typed (sort keys %typed) {
        $terminal->type("\cL$typed\t");
        ok $terminal->wait_for(qr/^\$ \Q$typed{$typed}\E ?$/m), "$typed<Tab>: $typed{$typed}";
        $terminal->type("\cU");
    }
    like qx($program completion zsh), qr/^autoload -U \+X bashcompinit && bashcompinit\n_hashmill\(\)/m, 'which it loads';
};

done_testing();
