# The tables of scripts/bench/bench-mill, and its verdict. Reads lines
#
#     round compiler name chains ns M/s cycles percent
#
# where all from the third field on is as worker/bench.h describes it, and
#
#     lanes name figure unit
#
# of scripts/bench/lanes.c. Lines that begin with # are
# the worker's remarks. Every ratio is the median of its rounds' ratios, so that what disturbs both
# of its sides alike, such as a change of the clock, does not count. With check=1 the exit code is 1
# when a bound is missed.

/^# additions / && !additions++
/^# port bound / && !($5 in bounds) {
    bounds[$5] = 1
    print
}
/^#/ { next }
$1 == "lanes" {
    lanes[$2] = $3
    units[$2] = $4
    next
}

{
    if (!($2 in compilers)) {
        compilers[$2] = 1
        compiler_names[++compiler_count] = $2
    }
    if (!($3 in chains)) {
        chains[$3] = $4
        names[++name_count] = $3
    }
    rounds = $1 > rounds ? $1 : rounds
    ns[$2, $3, $1] = $5
    cycles[$2, $3, $1] = $7
    percent[$2, $3, $1] = $8
}

# The median of values[1..count].
function median(values, count,    i, j, value) {
    for (i = 2; i <= count; i++) {
        value = values[i]
        for (j = i - 1; j >= 1 && values[j] > value; j--)
            values[j + 1] = values[j]
        values[j + 1] = value
    }
    return (values[int((count + 1) / 2)] + values[int(count / 2) + 1]) / 2
}

# The median of a field of a build's line, or "-" where the line has none.
function field(table, compiler, name,    round, count, values) {
    for (round = 1; round <= rounds; round++) {
        if ((compiler, name, round) in table && table[compiler, name, round] != "-")
            values[++count] = table[compiler, name, round] + 0
    }
    return count ? median(values, count) : "-"
}

# Says when the middle round of OpenSSL's block function is so much slower than its best one that
# something else must have been running.
function warn_of_noise(compiler,    round, least) {
    for (round = 1; round <= rounds; round++) {
        if ((compiler, "transform", round) in ns && (!least || ns[compiler, "transform", round] < least))
            least = ns[compiler, "transform", round]
    }
    if (least && field(ns, compiler, "transform") > 1.1 * least)
        printf "# %s: the machine is busy, these figures say little; repeat it when it is quiet\n", compiler
}

# How many times as many iterations a second `one` does as `other`; or "-".
function rate_ratio(compiler, one, other,    round, count, values) {
    for (round = 1; round <= rounds; round++) {
        if ((compiler, one, round) in ns && (compiler, other, round) in ns)
            values[++count] = ns[compiler, other, round] / chains[other] / \
                (ns[compiler, one, round] / chains[one])
    }
    return count ? median(values, count) : "-"
}

function number(format, value,    width) {
    if (value != "-")
        return sprintf(format, value)
    width = format
    gsub(/[^0-9.]/, "", width)
    return sprintf("%" int(width) "s", "-")
}

function print_table(    i, c, line, time) {
    line = sprintf("#%-12s %6s", "", "")
    for (c = 1; c <= compiler_count; c++)
        line = line sprintf(" |%37s", compiler_names[c])
    print line
    line = sprintf("%-13s %6s", "#name", "chains")
    for (c = 1; c <= compiler_count; c++)
        line = line sprintf(" |%10s %8s %8s %8s", "ns/iter.", "M/s", "cycles", "%bound")
    print line
    for (i = 1; i <= name_count; i++) {
        line = sprintf("%-13s %6d", names[i], chains[names[i]])
        for (c = 1; c <= compiler_count; c++) {
            time = field(ns, compiler_names[c], names[i])
            line = line " |" number("%10.1f", time) \
                " " number("%8.2f", time == "-" ? time : 1e3 * chains[names[i]] / time) \
                " " number("%8.0f", field(cycles, compiler_names[c], names[i])) \
                " " number("%8.1f", field(percent, compiler_names[c], names[i]))
        }
        print line
    }
}

# One figure of a build: what it is, what it should be, and what it would be at the port bound.
# bound: 0 none, above 0 at least so much, below 0 at most so much.
function judge(compiler, what, value, bound, at_port_bound,    wanted, verdict) {
    wanted = bound > 0 ? sprintf(">= %.2f", bound) : bound < 0 ? sprintf("<= %.2f", -bound) : "-"
    if (value == "-")
        verdict = "not on this processor"
    else if (bound == 0)
        verdict = ""
    else if (bound > 0 ? value >= bound : value <= -bound)
        verdict = "met"
    else
        verdict = "missed"
    printf "%-9s %-27s %8s %9s %14s%s\n", compiler, what, number("%8.2f", value), wanted,
        number("%14.2f", at_port_bound), verdict == "" ? "" : "  " verdict
    if (verdict == "missed")
        missed[++missed_count] = sprintf("%s: %s is %.2f, should be %s%s", compiler, what, value,
            wanted, at_port_bound == "-" ? "" : \
            sprintf("; at the port bound of this processor: %.2f", at_port_bound))
}

function judge_rate(compiler, one, other, bound,    value, share) {
    value = rate_ratio(compiler, one, other)
    share = field(percent, compiler, one)
    judge(compiler, one "/" other, value, bound,
        value == "-" || share == "-" ? "-" : value * 100 / share)
}

# The time of an iteration of one chain to that of the other: how many times as many the other does.
function judge_time(compiler, one, other, bound,    value, share) {
    value = rate_ratio(compiler, other, one)
    share = field(percent, compiler, one)
    judge(compiler, one "/" other " time", value, -bound,
        value == "-" || share == "-" ? "-" : value * share / 100)
}

# A figure of the lanes. bound as for judge.
function judge_lanes(name, what, bound) {
    if (name in lanes)
        judge("lanes", what " (" units[name] ")", lanes[name], bound, "-")
}

END {
    if (!name_count) {
        print "nothing was measured"
        exit 1
    }
    print_table()
    for (c = 1; c <= compiler_count; c++)
        warn_of_noise(compiler_names[c])
    printf "#\n#%-8s %-27s %8s %9s %14s\n", "compiler", "ratio", "is", "should be", "at port bound"
    for (c = 1; c <= compiler_count; c++) {
        compiler = compiler_names[c]
        judge(compiler, "avx512-x16 % of port bound", field(percent, compiler, "avx512-x16"), 0, "-")
        judge_rate(compiler, "avx512-x16", "evp-fetched", 9.5)
        judge_rate(compiler, "avx512-x16", "evp", 0)
        judge_rate(compiler, "avx512-x16", "hashlib", 24)
        judge_time(compiler, "lone-avx512" in chains ? "lone-avx512" : "lone-avx2", "transform", 0.95)
        judge_rate(compiler, "avx2-x4", "evp-fetched", 2)
        judge_rate(compiler, "avx2-x5", "avx2-x4", 1.08)
        judge_rate(compiler, "avx512-x17", "avx512-x16", 0)
        judge_rate(compiler, "avx512-x18", "avx512-x16", 0)
    }
    judge_lanes("full-lanes", "endless chains", 0)
    judge_lanes("random-lanes-busy", "lanes busy", 97)
    judge_lanes("beside-one-p50", "wait beside one, p50", 0)
    judge_lanes("beside-one-p99", "wait beside one, p99", -5)
    judge_lanes("beside-many-p50", "wait beside many, p50", 0)
    judge_lanes("beside-many-p99", "wait beside many, p99", 0)
    for (i = 1; check == 1 && i <= missed_count; i++)
        print "missed: " missed[i]
    exit check == 1 && missed_count > 0
}
