# The page under /ui/: to whom it is served, with which header fields, and how much it weighs.

use v5.36;
use FindBin;
use lib "$FindBin::Bin/../support";
use List::Util qw(sum0);
use Test::More;
use Hashmill;

my $root = "$FindBin::Bin/../..";
my $mill = Hashmill->start;
my @files = map { s{.*/}{}r } glob "$root/nginx/page/*";
my %type = (html => 'text/html', css => 'text/css', js => 'text/javascript', svg => 'image/svg+xml');

subtest 'GET /' => sub {
    my $browser = 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8';
    for my $method (qw(GET HEAD)) {
        my $reply = $mill->call($method, '/', headers => { Accept => $browser });
        is $reply->{redirects}[0]{status} // 0, 302, "$method: a browser is sent on";
        is $reply->{redirects}[0]{headers}{location} // '', '/ui/', 'to the page, by a path';
        is $reply->{redirects}[0]{headers}{'cache-control'} // '', 'no-store', 'this time';
    }
    is_problem $mill->get('/', Accept => '*/*'), 404, 'curl';
    is_problem $mill->call('DELETE', '/', headers => { Accept => $browser }), 404, 'another method';
    is $mill->get('/ui')->{redirects}[0]{headers}{location} // '', '/ui/', 'without its last slash';
};

subtest 'each file' => sub {
    cmp_ok sum0(map { -s "$root/nginx/page/$_" } @files), '<', 100_000, 'all together weigh less than 100 KB';
    for my $file ('', @files) {
        my $reply = $mill->get("/ui/$file");
        my ($kind) = ($file || 'index.html') =~ /\.(\w+)$/;
        is $reply->status, 200, "/ui/$file";
        is $reply->header('content-type'), "$type{$kind}; charset=utf-8", 'its type';
        is $reply->header('cache-control'), 'no-cache', 'is asked for again each time';
        like $reply->header('content-security-policy'), qr/^default-src 'self'; (?!.*unsafe)/, 'runs no script but ours';
        is $reply->header('x-content-type-options'), 'nosniff', 'is what it says';
        is $reply->header('referrer-policy'), 'no-referrer', 'tells nobody where it is';
        is $reply->header("cross-origin-$_-policy"), 'same-origin', "$_: for nobody else" for qw(opener resource);
        is $mill->get("/ui/$file", 'If-None-Match' => $reply->header('etag'))->status, 304, 'is not sent again';
    }
    unlike slurp("$root/nginx/page/$_"), qr{innerHTML|outerHTML|insertAdjacentHTML|document\.write|https?://(?!www\.w3\.org/2000/svg)},
        "$_: no HTML from texts, no address elsewhere" for @files;
};

subtest 'Range' => sub {
    for my $path (qw(/ui/main.js /openapi.yaml)) {
        my $whole = $mill->get($path);
        for my $range ('bytes=0-1', 'bytes=99999999-') {
            my $reply = $mill->get($path, Range => $range);
            is $reply->status, 200, "$path, $range";
            ok $reply->content eq $whole->content, 'is sent whole';
        }
    }
};

subtest 'what is refused' => sub {
    for my $method (qw(POST PUT DELETE PATCH OPTIONS)) {
        my $reply = $mill->call($method, '/ui/');
        is_problem $reply, 405, $method;
        is $reply->header('allow'), 'GET, HEAD', 'which says what is taken';
    }
    for my $field (['If-Match' => '"another"'], ['If-Unmodified-Since' => 'Mon, 30 Nov 2015 12:00:00 GMT']) {
        for my $path (qw(/ui/ /ui/main.js /openapi.yaml)) {
            my $reply = $mill->get($path, @$field);
            is_problem $reply, 412, "$path with $field->[0]";
            is $reply->header('cache-control'), 'no-store', 'which nobody keeps';
        }
    }
    is_problem $mill->get("/ui/$_"), 404, $_ for qw(nothing ..%2fsite.conf %2e%2e/site.conf lib/ lib/dygraph.css page/);
};

finish();
