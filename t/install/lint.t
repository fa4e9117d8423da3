# The checks of the tree itself: what they refuse, in a copy that has one fault at a time.

use v5.36;
use File::Path qw(make_path remove_tree);
use File::Temp qw(tempdir);
use FindBin;
use lib "$FindBin::Bin/../support";
use Test::More;
use Hashmill::Util;

my $root = "$FindBin::Bin/../..";
my $dir = tempdir('hm-XXXXXX', TMPDIR => 1, CLEANUP => 1);
make_path("$dir/scripts/build", "$dir/docs", "$dir/sql");
system('cp', '-a', map({ "$root/$_" } qw(client fcgi lib worker)), $dir) == 0 or die;
system('cp', '-a', map({ "$root/scripts/build/$_" } qw(lint-floors sql-table)), "$dir/scripts/build") == 0 or die;
system('cp', "$root/docs/design.md", "$dir/docs") == 0 or die;

# A command's exit code and what it prints.
sub output (@command) {
    my $text = qx{cd $dir && @command 2>&1};
    return ($? >> 8, $text);
}

subtest 'rooms' => sub {
    my ($code, $text) = output('scripts/build/lint-floors');
    is "$code$text", '0', 'the tree itself passes';
    my %refused = (
        'an include of a room above' => '#include "writer/batch.h"',
        'in angle brackets'          => '#include <writer/batch.h>',
        'behind a comment'           => '/* x */ #include /* y */ "writer/batch.h"',
        'over two lines'             => "#include \\\n\"writer/batch.h\"",
        'by a path'                  => '#  include "../writer/batch.h"',
        'by a macro'                 => '#include HEADER',
        'of the other program'       => '#include "../../worker/conf.h"',
        'of the statements'          => '#include "sql.h"',
        'of SQLite'                  => '#include <sqlite3.h>',
        'of libpq'                   => '#include <libpq-fe.h>',
        'of its statements'          => '#include "pg_sql.h"',
        'a call of SQLite'           => 'int x = sqlite3_threadsafe();',
    );
    for my $what (sort keys %refused) {
        spew("$dir/fcgi/http/more.c", "$refused{$what}\n");
        ($code, $text) = output('scripts/build/lint-floors');
        is $code, 1, "$what is refused";
        like $text, qr{^fcgi/http/more\.c(?::\d)?: }, 'with its place';
    }
    spew("$dir/fcgi/http/more.c", "/* #include \"writer/batch.h\" */\n#include \"queue/queue.h\"\n");
    is((output('scripts/build/lint-floors'))[0], 0, 'one in a comment, and one of a room below, are not');
    unlink "$dir/fcgi/http/more.c";
    spew("$dir/fcgi/http/one.c", "void one(void) { }\nint more(void) {\n    return another(1);\n}\n");
    spew("$dir/fcgi/http/another.c", "struct one;\nint another(int x) {\n    return x; /* one(), more() */\n}\n");
    is((output('scripts/build/lint-floors'))[0], 0, 'a file that uses another is good');
    spew("$dir/fcgi/http/another.c", "int another(int x) {\n    return x ? more() : 0;\n}\n");
    ($code, $text) = output('scripts/build/lint-floors');
    is $code, 1, 'two that use each other are refused';
    like $text, qr{^fcgi/http/$_\.c: is in a circle}m, "and named: $_" for qw(one another);
    unlink map { "$dir/fcgi/http/$_.c" } qw(one another);
    make_path("$dir/fcgi/new");
    spew("$dir/fcgi/new/file.c", '');
    like((output('scripts/build/lint-floors'))[1], qr{no row for fcgi/new/}, 'a room needs a row in the table');
    remove_tree("$dir/fcgi/new");
    my $page = slurp("$dir/docs/design.md");
    spew("$dir/docs/design.md", $page =~ s{(fcgi/http/ \|[^|]*\|)[^|]*\|}{$1 base api |}r);
    like((output('scripts/build/lint-floors'))[1], qr{no row below this one is for fcgi/api/}, 'a row names rooms below it');
};

subtest 'statements' => sub {
    my $table = sub ($text) {
        spew("$dir/sql/some.sql", $text);
        return output(qw(scripts/build/sql-table sql.c sql.h sql/some.sql));
    };
    is(($table->("-- name: one\nSELECT '\"\\';\n-- name: two\nSELECT 2;\n"))[0], 0, 'two statements');
    like slurp("$dir/sql.c"), qr/^ {8}"SELECT '\\"\\\\';\\n"$/m, 'quotes and backslashes stay what they are';
    is(($table->("SELECT 1;\n"))[0], 0, 'a file that is one statement');
    like slurp("$dir/sql.h"), qr/^ {4}SQL_SOME,$/m, 'has its name';
    unlike slurp("$dir/sql.h"), qr/takes/, 'types that no statement tells are not there';
    spew("$dir/sql/some.sql", "-- name: one\n-- takes: int8 uuid[]\nSELECT 1;\n-- name: two\nSELECT 2;\n");
    is((output(qw(scripts/build/sql-table pg_sql.c pg_sql.h sql/some.sql)))[0], 0, 'statements of another table, with types');
    like slurp("$dir/pg_sql.h"), qr/^ {4}PG_SQL_ONE,$/m, 'have its name before theirs';
    like slurp("$dir/pg_sql.c"), qr/_takes\[PG_SQL_COUNT\] = \{\s+\[PG_SQL_ONE\] = "int8 uuid\[\]",\s+\[PG_SQL_TWO\] = "",/, 'and their types';
    my %refused = (
        "-- name: one\nSELECT 1;\n-- name: one\nSELECT 2;\n" => qr/some\.sql:3: the name one is there twice/,
        "-- name: one\n-- name: two\nSELECT 2;\n"            => qr/the statement one in \S+ is empty/,
        "-- name: one\n-- only words\n"                       => qr/the statement one in \S+ is empty/,
        "--name: one\nSELECT 1;\n"                            => qr/some\.sql:1: this looks like a name/,
        "-- name: One Two\nSELECT 1;\n"                       => qr/some\.sql:1: "One Two" is no name/,
        "SELECT 1;\r\n"                                       => qr/some\.sql:1: a carriage return/,
    );
    for my $text (sort keys %refused) {
        my ($code, $why) = $table->($text);
        is $code, 1, 'refused: ' . $text =~ s/[\r\n]+/ /gr;
        like $why, $refused{$text}, 'with the place and the reason';
    }
};

subtest 'alerts' => sub {
    my $site = "$dir/site";
    make_path(map { "$site/$_" } qw(docs prometheus));
    spew("$site/README.md", "[operations](docs/operations.md)\n");
    my $check = sub ($page, $rules) {
        spew("$site/docs/operations.md", join '', map { "## $_\n\n" } @$page);
        spew("$site/prometheus/hashmill.rules.yml", join '', map { $_ =~ s/^(?=.)/    /gmr } @$rules);
        my $text = qx{$root/scripts/build/lint-docs $site 2>&1};
        return ($? >> 8, $text);
    };
    my $rule = sub ($name, $anchor = 'alert-' . lc $name) { "- alert: $name\n  expr: up\n  runbook: docs/operations.md#$anchor\n" };
    my ($code, $text) = $check->(['Alerts', 'Alert NodeDown', 'Alert NodeFull'], [map { $rule->($_) } qw(NodeDown NodeFull)]);
    is "$code$text", '0', 'each has its paragraph';
    my @refused = (
        ['an alert without a paragraph', ['Alert NodeDown'], [map { $rule->($_) } qw(NodeDown NodeFull)],
            qr{^prometheus/hashmill\.rules\.yml:6: docs/operations\.md has no heading #alert-nodefull$}m],
        ['a paragraph without an alert', ['Alert NodeDown', 'Alert NodeFull'], [$rule->('NodeDown')],
            qr{^docs/operations\.md:1: the heading #alert-nodefull is of no alert of prometheus/hashmill\.rules\.yml$}m],
        ["another's paragraph", ['Alert NodeDown', 'Alert NodeFull'], [$rule->('NodeDown', 'alert-nodefull'), $rule->('NodeFull')],
            qr{^prometheus/hashmill\.rules\.yml:3: the runbook should be docs/operations\.md#alert-nodedown$}m],
        ['an alert without a runbook', ['Alert NodeDown'], ["- alert: NodeUp\n", $rule->('NodeDown')], qr/^\S+:2: the alert before NodeDown has no runbook$/m],
        ['the last one without', ['Alert NodeDown'], [$rule->('NodeDown'), "- alert: NodeUp\n"], qr/^\S+:4: the alert NodeUp has no runbook$/m],
    );
    for (@refused) {
        my ($what, $page, $rules, $complaint) = @$_;
        ($code, $text) = $check->($page, $rules);
        is $code, 1, "$what is refused";
        like $text, $complaint, 'with the place';
    }
};

done_testing();
