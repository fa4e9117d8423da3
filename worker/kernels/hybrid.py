#!/usr/bin/python3
"""Writes the loop of a hybrid kernel in assembler: vectors of chains, and single chains that the scalar units work on
while the vector units are busy, in one stream of instructions.

    hybrid.py NAME > FILE.S        NAME: one of KERNELS below

Two streams are made, one after the other: that of the vectors (Vectors) and that of the single chains (Singles). Both
are the rounds of FIPS 180-4 section 6.4.2, with what sha512_constants.h leaves out, and both have three parts: the
rounds before the loop (head), a trip of the loop (trip), and what comes after it (tail). merge() spreads each part of
one evenly among the same part of the other.

Compilers do not do this: they move instructions, and spill registers that these streams need. So every register is
assigned here, and sha512_hybrid.h has the C around it. Its struct hybrid_frame is what `rdi` points to; `rsi` has the
number of iterations, at least 1.

What counts (measured on a Zen 5 and a Zen 4):

- The code must fit the cache of decoded instructions: beyond some 4,300 instructions everything takes twice as long.
  So the rounds are a loop of few, W is an array, and shifts are nested where that makes instructions shorter.
- A processor takes six or eight instructions in a cycle, of both streams together. With too many single chains the
  vectors wait. How many are good, each start measures (kernels.c).
"""

import argparse
import types

# Byte offsets in struct hybrid_frame. `single` is W[0..79] of each single chain.
INITIAL, FIRST_A, FIRST_E, HEAD, HEAD_WITH_D, WORD, LAST, ROUND, SINGLE = 0, 64, 72, 80, 112, 144, 272, 336, 976

FRAME, WORDS = "rdi", "rsi"  # the frame, and the vectors' W in it; both go on with each trip
END = "r15"  # FRAME behind the last trip
STATE = ["rax", "rbx", "rcx", "rdx", "rbp", "r8", "r9", "r10"]  # a to h of a single chain at the start of a trip
B_XOR_C, A_XOR_B, X, Y = "r11", "r12", "r13", "r14"
SAVED = ["rbx", "rbp", "r12", "r13", "r14", "r15"]  # by the callee, as the ABI wants it

WITH_CONSTANT = (17, 22, 23, 24, 30, 31)  # SHA512_WORD_HAS_CONSTANT


def is_constant(t):
    """Whether W[t] is padding, the same for all digests."""
    return 8 <= t <= 15


class Names(dict):
    """Registers by name; {W5} is the place of W[5] in memory."""

    def __init__(self, names, kind, group, groups, size):
        super().__init__({name: f"{kind}{number + group * len(names)}" for number, name in enumerate(names)})
        self.place = lambda t: f"{kind}word ptr [{WORDS} + {(t * groups + group) * size}]"

    def __missing__(self, name):
        return self.place(int(name.removeprefix("W")))


class Vectors:
    """The stream of the vectors: one or two registers of chains side by side (groups). Each step is done for one, then
    for the other: neighbours do not wait for each other. The order is that of sha512_vector.h.

    A(t) and E(t) are a and e before round t; b, c, d are A(t-1), A(t-2), A(t-3). Three of each are needed at a time, so
    t mod 3 has a register: A(t+1) and E(t+1) are computed in that of A(t-2) and E(t-2), the last to need it.
    """

    NAMES = ["a0", "a1", "a2", "e0", "e1", "e2", "t0", "t1", "sum", "next", "one", "two", "three", "word"]
    KIND, SIZE, MOVE, WORD_X = "", 0, "", ""  # of registers: kind, bytes; how to move them; the spare one of a word

    def __init__(self, kernel, general=True):
        """general: words by the general formula, even those that have constant terms."""
        self.kernel = kernel
        self.general = general
        self.groups = [Names(self.NAMES, self.KIND, group, kernel.groups, self.SIZE) for group in range(kernel.groups)]
        self.out = []

    def add(self, *instructions):
        """Adds instructions on {names}, each for every group."""
        for text in instructions:
            self.out += [text.format_map(names) for names in self.groups]

    @staticmethod
    def a(t):
        return f"{{a{t % 3}}}"

    @staticmethod
    def e(t):
        return f"{{e{t % 3}}}"

    @staticmethod
    def t1(t):
        return f"{{t{t % 2}}}"

    # --- What the instruction sets do in their own ways ---

    def add_constant(self, to, term, offset, spare):
        """to = term + a constant of the frame. spare may be spoiled."""
        raise NotImplementedError

    def sigma(self, x, counts, shift=False):
        """one = rotations of x by three counts, xored; the third is a shift in the sigmas of a word."""
        raise NotImplementedError

    def choose(self, t):
        """sum += Ch(e, f, g) of round t."""
        raise NotImplementedError

    def majority(self, t):
        """Computes Maj(a, b, c) of round t. Returns its register."""
        raise NotImplementedError

    # --- The rounds ---

    def known(self, t):
        return is_constant(t) and not self.general

    def start_word(self, t):
        """The first sum of W[t] = sigma1(W[t-2]) + W[t-7] + sigma0(W[t-15]) + W[t-16]."""
        terms = [f"{{W{j}}}" for j in (t - 16, t - 7) if not self.known(j)]
        self.add(f"{self.MOVE} {{word}}, {terms[0]}", *[f"vpaddq {{word}}, {{word}}, {term}" for term in terms[1:]])

    def finish_word(self, t):
        if not self.known(t - 15):
            self.add_small_sigma(t - 15, (1, 8, 7))
        if not self.general and t in WITH_CONSTANT:
            self.add_constant("{word}", "{word}", WORD + 8 * (t - 16), self.WORD_X)
        if not self.known(t - 2):
            self.add_small_sigma(t - 2, (19, 61, 6))
        self.add(f"{self.MOVE} {{W{t}}}, {{word}}")

    def add_small_sigma(self, t, counts):
        self.add(f"{self.MOVE} {self.WORD_X}, {{W{t}}}")
        self.sigma(self.WORD_X, counts, shift=True)
        self.add("vpaddq {word}, {word}, {one}")

    def start_sum(self, t):
        """What round t adds that is known early: h + K[t]."""
        if 4 <= t < 80:
            self.add_constant("{next}", self.e(t - 3), ROUND + 8 * t, "{next}")

    def finish_sum(self, t):
        """And W[t]; in the short form d, too. In rounds 1 to 3 all else is constant, in 8 to 15 W[t] is in K[t]."""
        if t < 4:
            self.add(f"{self.MOVE} {{sum}}, {{W{t}}}")
            self.add_constant("{sum}", "{sum}", (HEAD_WITH_D if self.kernel.short else HEAD) + 8 * t, "{three}")
            return
        if is_constant(t):
            self.add(f"{self.MOVE} {{sum}}, {{next}}")
        else:
            self.add(f"vpaddq {{sum}}, {{next}}, {{W{t}}}")
        if self.kernel.short:
            self.add(f"vpaddq {{sum}}, {{sum}}, {self.a(t - 3)}")

    def round(self, t):
        """The next e of round t, which is the longest path and goes first; then W[t+3], the next a of the round
        before, and what round t + 1 adds. h is added before choose() spoils it."""
        has_word = 16 <= t + 3 <= 79
        self.big_sigma1(t, has_word)
        self.start_sum(t + 1)
        self.choose(t)
        self.next_e(t)
        if has_word:
            self.finish_word(t + 3)
        if t >= 2:
            self.next_a(t - 1)
        if t < 79:
            self.finish_sum(t + 1)

    def big_sigma1(self, t, has_word):
        if has_word:
            self.start_word(t + 3)
        self.sigma(self.e(t), (14, 18, 41))

    def next_e(self, t):
        """T1 = sum + Sigma1(e), and E(t+1) = T1 + d. The short form has d in the sum, and T1 = E(t+1) - d off the
        longest path. In round 1 d is constant."""
        of, to, how = (self.e(t + 1), self.t1(t), "sub") if self.kernel.short else (self.t1(t), self.e(t + 1), "add")
        self.add(f"vpaddq {of}, {{sum}}, {{one}}")
        d = self.a(t - 3)
        if t == 1:
            d = "{two}"
            self.add(f"vpbroadcastq {d}, qword ptr [{FRAME} + {INITIAL + 8 * 2}]")
        self.add(f"vp{how}q {to}, {of}, {d}")

    def next_a(self, t):
        """A(t+1) = T1 + Sigma0(a) + Maj(a, b, c)."""
        self.sigma(self.a(t), (28, 34, 39))
        majority = self.majority(t)
        self.add(f"vpaddq {self.t1(t)}, {self.t1(t)}, {majority}", f"vpaddq {self.a(t + 1)}, {self.t1(t)}, {{one}}")

    # --- The parts ---

    def initial(self):
        """The initial state, without c, d, g and h, which are in constants."""
        for i in range(2):
            self.add(f"vpbroadcastq {self.a(-i)}, qword ptr [{FRAME} + {INITIAL + 8 * i}]",
                     f"vpbroadcastq {self.e(-i)}, qword ptr [{FRAME} + {INITIAL + 8 * (4 + i)}]")

    def head(self, end):
        """Rounds 0 to end - 1. Round 0 is W[0] and constants."""
        self.initial()
        for state, offset in ((self.a(1), FIRST_A), (self.e(1), FIRST_E)):
            self.add(f"{self.MOVE} {state}, {{W0}}")
            self.add_constant(state, state, offset, "{three}")
        self.finish_sum(1)
        for t in range(1, end):
            self.round(t)
        return self.out

    def trip(self, start):
        for t in range(start, start + self.kernel.trip):
            self.round(t)
        return self.out

    def tail(self):
        """Rounds 77 to 79, and the digest, which is W[0..7] of the next iteration. E(77) and A(77) are taken before
        others get their registers."""
        self.round(77)
        self.round(78)
        self.store_digest(7, self.e(77))
        self.round(79)
        self.store_digest(3, self.a(77))
        self.next_a(79)
        self.add(f"{self.MOVE} {{W0}}, {self.a(80)}")
        for i in (1, 2, 4, 5, 6):
            self.store_digest(i, self.a(80 - i) if i < 4 else self.e(84 - i))
        return self.out

    def store_digest(self, i, state):
        self.add_constant("{two}", state, LAST + 8 * i, "{two}")
        self.add(f"{self.MOVE} {{W{i}}}, {{two}}")


class Avx512(Vectors):
    """Rotations and three-operand logic. Ch and Maj are computed in the register of g and c."""

    NAMES = Vectors.NAMES + ["x"]
    KIND, SIZE, MOVE, WORD_X = "zmm", 64, "vmovdqa64", "{x}"

    def add_constant(self, to, term, offset, spare):
        self.add(f"vpaddq {to}, {term}, qword ptr [{FRAME} + {offset}]{{{{1to8}}}}")

    def sigma(self, x, counts, shift=False):
        self.rotate_two(x, counts)
        self.rotate_third(x, counts, shift)

    def rotate_two(self, x, counts):
        self.add(f"vprorq {{one}}, {x}, {counts[0]}", f"vprorq {{two}}, {x}, {counts[1]}")

    def rotate_third(self, x, counts, shift):
        self.add(f"{'vpsrlq' if shift else 'vprorq'} {{three}}, {x}, {counts[2]}",
                 "vpternlogq {one}, {two}, {three}, 0x96")

    def big_sigma1(self, t, has_word):
        counts = (14, 18, 41)
        self.rotate_two(self.e(t), counts)
        if has_word:
            self.start_word(t + 3)
        self.rotate_third(self.e(t), counts, False)

    def choose(self, t):
        g = self.e(t - 2)
        self.add(f"vpternlogq {g}, {self.e(t)}, {self.e(t - 1)}, 0xb8", f"vpaddq {{sum}}, {{sum}}, {g}")

    def majority(self, t):
        self.add(f"vpternlogq {self.a(t - 2)}, {self.a(t - 1)}, {self.a(t)}, 0xe8")
        return self.a(t - 2)


class Avx2(Vectors):
    """A rotation is two shifts, except by 8. Maj = ((a ^ b) & (b ^ c)) ^ b: a ^ b is b ^ c of the next round, and is
    kept in m0 and m1 by turns."""

    NAMES = Vectors.NAMES + ["m0", "m1"]
    KIND, SIZE, MOVE, WORD_X = "ymm", 32, "vmovdqa", "{three}"

    def add_constant(self, to, term, offset, spare):
        self.add(f"vpbroadcastq {spare}, qword ptr [{FRAME} + {offset}]", f"vpaddq {to}, {term}, {spare}")

    def sigma(self, x, counts, shift=False):
        self.add(f"vpsrlq {{one}}, {x}, {counts[2]}")
        if not shift:
            self.xor_to_one(f"vpsllq {{two}}, {x}, {64 - counts[2]}")
        for count in counts[:2]:
            if count == 8:
                self.xor_to_one(f"vpshufb {{two}}, {x}, ymmword ptr [rip + rotate_8]")
            else:
                self.xor_to_one(f"vpsrlq {{two}}, {x}, {count}")
                self.xor_to_one(f"vpsllq {{two}}, {x}, {64 - count}")

    def xor_to_one(self, instruction):
        self.add(instruction, "vpxor {one}, {one}, {two}")

    def choose(self, t):
        e, f, g = self.e(t), self.e(t - 1), self.e(t - 2)
        self.add(f"vpxor {{two}}, {f}, {g}", f"vpand {{two}}, {{two}}, {e}", f"vpxor {{two}}, {{two}}, {g}",
                 "vpaddq {sum}, {sum}, {two}")

    def majority(self, t):
        a, b = self.a(t), self.a(t - 1)
        a_xor_b, b_xor_c = f"{{m{t % 2}}}", f"{{m{(t - 1) % 2}}}"
        self.add(f"vpxor {a_xor_b}, {a}, {b}", f"vpand {b_xor_c}, {b_xor_c}, {a_xor_b}",
                 f"vpxor {b_xor_c}, {b_xor_c}, {b}")
        return b_xor_c

    def initial(self):
        super().initial()
        self.add(f"vpxor {{m0}}, {self.a(0)}, {self.a(-1)}")


class Singles:
    """The stream of the single chains. They take turns within a part, so that all registers are there for each; its
    state is on the stack in between."""

    def __init__(self, kernel, general=True):
        self.kernel = kernel
        self.general = general
        self.out = []
        self.start()

    def start(self):
        self.state = STATE
        self.a_xor_b, self.b_xor_c = A_XOR_B, B_XOR_C

    def add(self, *instructions):
        self.out += instructions

    @staticmethod
    def w(chain, t):
        return f"qword ptr [{FRAME} + {SINGLE + 8 * (80 * chain + t)}]"

    @staticmethod
    def saved(chain, i):
        return f"qword ptr [rsp + {8 * (1 + 8 * chain + i)}]"

    def known(self, t):
        return is_constant(t) and not self.general

    def word(self, chain, t):
        """W[t], in X and in memory."""
        terms = [self.w(chain, j) for j in (t - 16, t - 7) if not self.known(j)]
        if self.known(t - 15):
            self.add(f"mov {X}, {terms.pop(0)}")
        else:
            self.small_sigma(X, Y, self.w(chain, t - 15), (1, 8, 7))
        self.add(*[f"add {X}, {term}" for term in terms])
        if not self.general and t in WITH_CONSTANT:
            self.add(f"add {X}, qword ptr [{FRAME} + {WORD + 8 * (t - 16)}]")
        if not self.known(t - 2):
            self.small_sigma(Y, self.a_xor_b, self.w(chain, t - 2), (19, 61, 6))
            self.add(f"add {X}, {Y}")
        self.add(f"mov {self.w(chain, t)}, {X}")

    def small_sigma(self, to, spare, word, counts):
        """ror m ^ ror n ^ shr: the first two are ror m of (w ^ ror (n - m) of w), in shorter instructions."""
        self.add(f"mov {spare}, {word}", f"rorx {to}, {spare}, {counts[1] - counts[0]}", f"xor {to}, {spare}",
                 f"ror {to}, {counts[0]}", f"shr {spare}, {counts[2]}", f"xor {to}, {spare}")

    def round(self, t, word):
        """word: what is added for W[t]; None where K[t] has it. X may be it."""
        a, b, _, d, e, f, g, h = self.state
        ab, bc = self.a_xor_b, self.b_xor_c
        self.add(f"add {h}, qword ptr [{FRAME} + {ROUND + 8 * t}]")
        if word:
            self.add(f"add {h}, {word}")
        # Sigma1 = ror 14 of (e ^ ror 4 of (e ^ ror 23 of e)), Ch = (~e & g) + (e & f)
        self.add(f"rorx {X}, {e}, 23", f"andn {ab}, {e}, {g}", f"xor {X}, {e}", f"add {h}, {ab}", f"mov {ab}, {f}",
                 f"ror {X}, 4", f"and {ab}, {e}", f"xor {X}, {e}", f"add {h}, {ab}")
        # Sigma0 = ror 28 of (a ^ ror 6 of (a ^ ror 5 of a)), Maj = ((a ^ b) & (b ^ c)) ^ b
        self.add(f"rorx {Y}, {a}, 5", f"ror {X}, 14", f"mov {ab}, {a}", f"xor {Y}, {a}", f"add {h}, {X}",
                 f"xor {ab}, {b}", f"ror {Y}, 6", f"and {bc}, {ab}", f"add {d}, {h}", f"xor {Y}, {a}",
                 f"xor {bc}, {b}", f"ror {Y}, 28", f"add {h}, {bc}", f"add {h}, {Y}")
        self.state = [h] + self.state[:7]
        self.a_xor_b, self.b_xor_c = bc, ab

    def rounds(self, chain, start, end):
        for t in range(start, end):
            self.word(chain, t)
            self.round(t, X)

    def start_b_xor_c(self):
        self.add(f"mov {B_XOR_C}, {STATE[1]}", f"xor {B_XOR_C}, {STATE[2]}")

    def load(self, chain):
        self.start()
        self.add(*[f"mov {register}, {self.saved(chain, i)}" for i, register in enumerate(STATE)])
        self.start_b_xor_c()

    def save(self, chain):
        self.add(*[f"mov {self.saved(chain, i)}, {register}" for i, register in enumerate(self.state)])

    def head(self, end):
        """Rounds 0 to end - 1. After round 0 b, c, d are initial a, b, c, and f, g, h initial e, f, g."""
        for chain in range(self.kernel.singles):
            self.start()
            for i in (1, 2, 3, 5, 6, 7):
                self.add(f"mov {STATE[i]}, qword ptr [{FRAME} + {INITIAL + 8 * (i - 1)}]")
            self.start_b_xor_c()
            self.add(f"mov {STATE[0]}, {self.w(chain, 0)}", f"mov {STATE[4]}, {STATE[0]}",
                     f"add {STATE[0]}, qword ptr [{FRAME} + {FIRST_A}]",
                     f"add {STATE[4]}, qword ptr [{FRAME} + {FIRST_E}]")
            for t in range(1, 16):
                self.round(t, None if is_constant(t) else self.w(chain, t))
            self.rounds(chain, 16, end)
            self.save(chain)
        return self.out

    def trip(self, start):
        for chain in range(self.kernel.singles):
            self.load(chain)
            self.rounds(chain, start, start + self.kernel.trip)
            self.save(chain)
        return self.out

    def tail(self):
        """The digest. H[0] is in K[79]."""
        for chain in range(self.kernel.singles):
            for i in range(8):
                self.add(f"mov {X}, {self.saved(chain, i)}")
                if i > 0:
                    self.add(f"add {X}, qword ptr [{FRAME} + {LAST + 8 * i}]")
                self.add(f"mov {self.w(chain, i)}, {X}")
        return self.out


def merge(vectors, singles, together):
    """One stream spread evenly among the other: so many instructions of the single chains together."""
    out, taken = [], 0
    for number, instruction in enumerate(vectors, 1):
        until = len(singles) * number // len(vectors)
        out.append(instruction)
        if until - taken >= together or number == len(vectors):
            out += singles[taken:until]
            taken = until
    return out


def iteration(kernel):
    """The instructions of one iteration. The loop of the vectors ends with round 76, as W[t+3] is not needed later;
    that of the single chains with round 79, as they need W[t] in round t."""
    first = 29 if kernel.special else 17
    trips = (77 - first) // kernel.trip
    assert first + trips * kernel.trip == 77
    assert kernel.trip % 6 == 0  # registers go by t mod 3 and t mod 2
    single_first = 80 - trips * kernel.trip
    isa = kernel.isa
    head = merge(isa(kernel, not kernel.special).head(first),
                 Singles(kernel, not kernel.special).head(single_first), kernel.together)
    trip = merge(isa(kernel).trip(first), Singles(kernel).trip(single_first), kernel.together)
    tail = merge(isa(kernel).tail(), Singles(kernel).tail(), kernel.together)
    step, words_step = 8 * kernel.trip, isa.SIZE * kernel.groups * kernel.trip
    return [*head, f"lea {END}, [{FRAME} + {step * trips}]",
            ".p2align 6", "2:", *trip, f"add {FRAME}, {step}", f"add {WORDS}, {words_step}", f"cmp {FRAME}, {END}",
            "jne 2b", f"sub {FRAME}, {step * trips}", f"sub {WORDS}, {words_step * trips}", *tail]


def function(name, kernel):
    """void name(struct hybrid_frame *frame, int64_t iterations)"""
    saved = 8 * len(SAVED)
    stack = 8 * (1 + 8 * kernel.singles)  # the number of iterations, and the states of the single chains
    words = -(-(SINGLE + 8 * 80 * kernel.singles) // 64) * 64  # aligned
    enter = [line for number, register in enumerate(SAVED, 2)
             for line in (f"push {register}", f".cfi_def_cfa_offset {8 * number}")]
    leave = [line for number, register in enumerate(reversed(SAVED))
             for line in (f"pop {register}", f".cfi_def_cfa_offset {saved - 8 * number}")]
    return [f".globl {name}", f".type {name}, @function", ".p2align 6", f"{name}:", ".cfi_startproc", "endbr64", *enter,
            f"sub rsp, {stack}", f".cfi_def_cfa_offset {8 + saved + stack}", "mov qword ptr [rsp], rsi",
            f"lea {WORDS}, [{FRAME} + {words}]", "1:", *iteration(kernel), "dec qword ptr [rsp]", "jne 1b", "vzeroupper",
            f"add rsp, {stack}", f".cfi_def_cfa_offset {8 + saved}", *leave, "ret", ".cfi_endproc",
            f".size {name}, . - {name}"]


# isa; registers of chains side by side; single chains; how many instructions of theirs together (four are 2.5 % of
# avx512_x18 on a Zen 4, and make no difference to the others); rounds of a trip; whether words 16 to 31, which have
# constant terms, are apart from the loop (fewer operations, more code); the short form of next_e
KERNELS = {
    "avx2_x5": types.SimpleNamespace(isa=Avx2, groups=1, singles=1, together=1, trip=12, special=True, short=True),
    "avx512_x17": types.SimpleNamespace(isa=Avx512, groups=2, singles=1, together=1, trip=6, special=True, short=False),
    "avx512_x18": types.SimpleNamespace(isa=Avx512, groups=2, singles=2, together=4, trip=6, special=False, short=False),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=KERNELS)
    name = parser.parse_args().name
    print(f"# Written by hybrid.py {name}.", ".intel_syntax noprefix", ".text",
          *function(f"sha512_{name}", KERNELS[name]), ".section .rodata", ".p2align 5", "rotate_8:",
          *[".quad 0x0007060504030201, 0x080f0e0d0c0b0a09"] * 2, '.section .note.GNU-stack, "", @progbits', sep="\n")


if __name__ == "__main__":
    main()
