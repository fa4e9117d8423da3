#!/usr/bin/python3
"""Writes the loop of a hybrid kernel, as GNU assembler: vectors of chains and single chains in one stream of
instructions, so that the scalar units work while the vector units are busy.

    hybrid.py NAME        see KERNELS below; the assembler goes to standard output

Two streams are made, one after the other: the vectors' and the scalar chains'. Both are the rounds of FIPS 180-4
section 6.4.2 as sha512_vector.h and sha512_lone.h compute them, and both have the same three parts: rounds before the
loop, a trip of the loop, and what comes after it. Each part of one stream is spread evenly among the same part of the
other (merge). Registers are assigned by hand: vector registers by Vectors.register, the others by Chains.

The caller fills the frame that `rdi` points to (struct hybrid_frame in sha512_hybrid.h; FRAME says where what is) and
gives the number of iterations in `rsi`.
"""

import argparse
import types

# Byte offsets in the frame: struct sha512_constants, then W[0..79] of each scalar chain; behind them, aligned, that of
# the vectors.
INITIAL, FIRST_A, FIRST_E, HEAD, HEAD_WITH_D = 0, 64, 72, 80, 112
WORD, LAST, ROUND = 144, 272, 336
SCALAR_W = ROUND + 80 * 8

WITH_CONSTANT = (17, 22, 23, 24, 30, 31)  # t of the words that have a constant part: sha512_constants.h

P, Q, END = "rdi", "rsi", "r15"  # the frame and the vectors' words, both as far as the trip is; P behind the last trip
STATE = ["rax", "rbx", "rcx", "rdx", "rbp", "r8", "r9", "r10"]
BC, AB, X, Y = "r11", "r12", "r13", "r14"
SAVED = ["rbx", "rbp", "r12", "r13", "r14", "r15"]

KERNELS = {  # bytes of a register, registers side by side, scalar chains, rounds of a trip, words 16..31 apart
    "avx512_x17": types.SimpleNamespace(bytes=64, groups=2, scalars=1, trip=6, special=True, short=False),
    "avx512_x18": types.SimpleNamespace(bytes=64, groups=2, scalars=2, trip=6, special=False, short=False),
    "avx2_x5": types.SimpleNamespace(bytes=32, groups=1, scalars=1, trip=12, special=True, short=True),
}


def is_constant(t):
    """Whether W[t] is known beforehand."""
    return 8 <= t <= 15


class Vectors:
    """The vectors' stream. Each method adds the instructions of one step for all groups in turn: neighbours do not
    wait for each other."""

    def __init__(self, kernel, general):
        self.kernel = kernel
        self.wide = kernel.bytes == 64
        self.move = "vmovdqa64" if self.wide else "vmovdqa"
        self.general = general  # words by the general formula, though some terms are constant
        self.out = []

    # A(t) and E(t) are a and e before round t. Three of each are in use, so that t mod 3 has a register; what is
    # computed last in it takes the place of what is needed no more.
    def register(self, name, group):
        names = ["a0", "a1", "a2", "e0", "e1", "e2", "t0", "t1", "sum", "next", "one", "two", "three", "word"]
        names += ["x"] if self.wide else ["m0", "m1"]
        kind = "zmm" if self.wide else "ymm"
        return f"{kind}{names.index(name) + group * len(names)}"

    def each(self, *instructions):
        """Instructions with {names} of registers, of one step; each for every group."""
        for text in instructions:
            for group in range(self.kernel.groups):
                self.out.append(self.filled(text, group))

    def filled(self, text, group):
        parts = text.split("{")
        for i in range(1, len(parts)):
            name, rest = parts[i].split("}", 1)
            if name.startswith("W"):
                place = (int(name[1:]) * self.kernel.groups + group) * self.kernel.bytes
                parts[i] = f"{'zmm' if self.wide else 'ymm'}word ptr [{Q} + {place}]" + rest
            elif name == "1to8":
                parts[i] = "{1to8}" + rest
            else:
                parts[i] = self.register(name, group) + rest
        return "".join(parts)

    def a(self, t):
        return "{a%d}" % (t % 3)

    def e(self, t):
        return "{e%d}" % (t % 3)

    def t1(self, t):
        return "{t%d}" % (t % 2)

    def add_constant(self, to, term, offset, spare="{x}"):
        """to = term + a constant of the frame in all lanes."""
        if self.wide:
            self.each(f"vpaddq {to}, {term}, qword ptr [{P} + {offset}]{{1to8}}")
        else:
            self.each(f"vpbroadcastq {spare}, qword ptr [{P} + {offset}]", f"vpaddq {to}, {term}, {spare}")

    def rotate(self, to, x, n, spare):
        if self.wide:
            self.each(f"vprorq {to}, {x}, {n}")
        else:
            self.each(f"vpsrlq {to}, {x}, {n}", f"vpsllq {spare}, {x}, {64 - n}", f"vpor {to}, {to}, {spare}")

    def xor3(self):
        """one = one ^ two ^ three."""
        if self.wide:
            self.each("vpternlogq {one}, {two}, {three}, 0x96")
        else:
            self.each("vpxor {one}, {one}, {two}", "vpxor {one}, {one}, {three}")

    def sigma(self, x, first, second, third, shift):
        """one = rotations of x by three numbers, the third a shift where W is computed, xored."""
        if self.wide:
            self.rotate("{one}", x, first, None)
            self.rotate("{two}", x, second, None)
            self.each(f"{'vpsrlq' if shift else 'vprorq'} {{three}}, {x}, {third}")
            self.xor3()
            return
        self.each(f"vpsrlq {{one}}, {x}, {third}")
        if not shift:
            self.left(x, third)
        for n in (first, second):
            if n == 8:
                self.each(f"vpshufb {{two}}, {x}, ymmword ptr [rip + rotate_8]", "vpxor {one}, {one}, {two}")
                continue
            self.each(f"vpsrlq {{two}}, {x}, {n}", "vpxor {one}, {one}, {two}")
            self.left(x, n)

    def left(self, x, n):
        self.each(f"vpsllq {{two}}, {x}, {64 - n}", "vpxor {one}, {one}, {two}")

    def known(self, t):
        return is_constant(t) and not self.general

    def start_word(self, t):
        """The first sum of W[t] = sigma1(W[t-2]) + W[t-7] + sigma0(W[t-15]) + W[t-16]."""
        terms = [f"{{W{j}}}" for j in (t - 16, t - 7) if not self.known(j)]
        self.each(f"{self.move} {{word}}, {terms[0]}")
        for term in terms[1:]:
            self.each(f"vpaddq {{word}}, {{word}}, {term}")

    def finish_word(self, t):
        x = "{x}" if self.wide else "{three}"
        if not self.known(t - 15):
            self.each(f"{self.move} {x}, {{W{t - 15}}}")
            self.sigma(x, 1, 8, 7, True)
            self.each("vpaddq {word}, {word}, {one}")
        if not self.general and t in WITH_CONSTANT:
            self.add_constant("{word}", "{word}", WORD + 8 * (t - 16), x)
        if not self.known(t - 2):
            self.each(f"{self.move} {x}, {{W{t - 2}}}")
            self.sigma(x, 19, 61, 6, True)
            self.each("vpaddq {word}, {word}, {one}")
        self.each(f"{self.move} {{W{t}}}, {{word}}")

    def choose(self, t):
        """Adds Ch(e, f, g) of round t to the sum. E(t-2) is spoiled: h of the next round has been added."""
        e, f, g = self.e(t), self.e(t - 1), self.e(t - 2)
        if self.wide:
            # g = Ch: bit by bit f where e is 1, else g
            self.each(f"vpternlogq {g}, {e}, {f}, 0xb8", f"vpaddq {{sum}}, {{sum}}, {g}")
        else:
            self.each(f"vpxor {{two}}, {f}, {g}", f"vpand {{two}}, {{two}}, {e}", f"vpxor {{two}}, {{two}}, {g}",
                      "vpaddq {sum}, {sum}, {two}")

    def majority(self, t):
        """Maj(a, b, c) of round t, in the register that is returned. A(t-2) is spoiled: it was d."""
        a, b, c = self.a(t), self.a(t - 1), self.a(t - 2)
        if self.wide:
            self.each(f"vpternlogq {c}, {b}, {a}, 0xe8")
            return c
        before, now = "{m%d}" % ((t - 1) % 2), "{m%d}" % (t % 2)
        self.each(f"vpxor {now}, {a}, {b}", f"vpand {before}, {before}, {now}", f"vpxor {before}, {before}, {b}")
        return before

    def start_sum(self, t):
        """What round t adds that is known early: h + K[t]."""
        if 4 <= t < 80:
            self.add_constant("{next}", self.e(t - 3), ROUND + 8 * t, "{next}")

    def finish_sum(self, t):
        if t < 4:
            self.each(f"{self.move} {{sum}}, {{W{t}}}")
            self.add_constant("{sum}", "{sum}", (HEAD_WITH_D if self.kernel.short else HEAD) + 8 * t, "{three}")
            return
        elif is_constant(t):
            self.each(f"{self.move} {{sum}}, {{next}}")
        else:
            self.each(f"vpaddq {{sum}}, {{next}}, {{W{t}}}")
        if self.kernel.short:
            self.each(f"vpaddq {{sum}}, {{sum}}, {self.a(t - 3)}")

    def round(self, t):
        """Round t up to e, and a of the round before; W[t+3] and the next sum in between."""
        word = 16 <= t + 3 <= 79
        e = self.e(t)
        if self.wide:
            self.rotate("{one}", e, 14, None)
            self.rotate("{two}", e, 18, None)
            if word:
                self.start_word(t + 3)
            self.rotate("{three}", e, 41, None)
            self.xor3()
        else:
            if word:
                self.start_word(t + 3)
            self.sigma(e, 14, 18, 41, False)
        self.start_sum(t + 1)
        self.choose(t)
        self.next_e(t)
        if word:
            self.finish_word(t + 3)
        if t >= 2:
            self.a_path(t - 1)
        if t < 79:
            self.finish_sum(t + 1)

    def next_e(self, t):
        """T1 = sum + Sigma1(e), and e = T1 + d. The short form has d in the sum. In round 1 d is constant."""
        if self.kernel.short:
            self.each(f"vpaddq {self.e(t + 1)}, {{sum}}, {{one}}")
            from_, to, with_ = self.e(t + 1), self.t1(t), "sub"
        else:
            self.each(f"vpaddq {self.t1(t)}, {{sum}}, {{one}}")
            from_, to, with_ = self.t1(t), self.e(t + 1), "add"
        if t > 1:
            self.each(f"vp{with_}q {to}, {from_}, {self.a(t - 3)}")
        else:
            self.each(f"vpbroadcastq {{two}}, qword ptr [{P} + {INITIAL + 16}]", f"vp{with_}q {to}, {from_}, {{two}}")

    def a_path(self, t):
        """A(t+1) = T1 + Sigma0(a) + Maj(a, b, c)."""
        a = self.a(t)
        self.sigma(a, 28, 34, 39, False)
        majority = self.majority(t)
        self.each(f"vpaddq {self.t1(t)}, {self.t1(t)}, {majority}", f"vpaddq {self.a(t + 1)}, {self.t1(t)}, {{one}}")

    def head(self, end):
        """Round 0, whose sums but for W[0] are known, and the rounds before `end`."""
        for i in range(2):
            self.each(f"vpbroadcastq {self.a(-i)}, qword ptr [{P} + {INITIAL + 8 * i}]",
                      f"vpbroadcastq {self.e(-i)}, qword ptr [{P} + {INITIAL + 8 * (4 + i)}]")
        if not self.wide:
            self.each("vpxor {m0}, %s, %s" % (self.a(0), self.a(-1)))
        for name, offset in ((self.a(1), FIRST_A), (self.e(1), FIRST_E)):
            self.each(f"{self.move} {name}, {{W0}}")
            self.add_constant(name, name, offset, "{three}")
        self.finish_sum(1)
        for t in range(1, end):
            self.round(t)
        return self.out

    def trip(self, start):
        for t in range(start, start + self.kernel.trip):
            self.round(t)
        return self.out

    def tail(self):
        """Rounds 77 to 79, and the digest: the words of the next iteration. Each is stored before its register is
        another's."""
        self.round(77)
        self.round(78)
        self.store_digest(7, self.e(77))
        self.round(79)
        self.store_digest(3, self.a(77))
        self.a_path(79)
        self.each(f"{self.move} {{W0}}, {self.a(80)}")
        for i in (1, 2, 4, 5, 6):
            self.store_digest(i, self.a(80 - i) if i < 4 else self.e(84 - i))
        return self.out

    def store_digest(self, i, state):
        self.add_constant("{two}", state, LAST + 8 * i, "{two}")
        self.each(f"{self.move} {{W{i}}}, {{two}}")


class Chains:
    """The scalar chains' stream. Their parts take turns within a trip, so that all registers are there for one: with
    more than one chain the state is on the stack in between."""

    def __init__(self, kernel, general):
        self.kernel = kernel
        self.general = general
        self.registers = STATE
        self.ab, self.bc = AB, BC
        self.out = []

    def add(self, *instructions):
        self.out += instructions

    @staticmethod
    def word_at(chain, t):
        return f"qword ptr [{P} + {SCALAR_W + 8 * (80 * chain + t)}]"

    def known(self, t):
        return is_constant(t) and not self.general

    def word(self, chain, t):
        """W[t], in X and in memory."""
        have = False
        if not self.known(t - 15):
            self.small_sigma(X, Y, self.word_at(chain, t - 15), (1, 8, 7))
            have = True
        for j in (t - 16, t - 7):
            if not self.known(j):
                self.add(f"{'add' if have else 'mov'} {X}, {self.word_at(chain, j)}")
                have = True
        if not self.general and t in WITH_CONSTANT:
            self.add(f"add {X}, qword ptr [{P} + {WORD + 8 * (t - 16)}]")
        if not self.known(t - 2):
            self.small_sigma(Y, self.ab, self.word_at(chain, t - 2), (19, 61, 6))
            self.add(f"add {X}, {Y}")
        self.add(f"mov {self.word_at(chain, t)}, {X}")

    def small_sigma(self, to, spare, word, counts):
        """ror first ^ ror second ^ shr third: the first two are ror first of (w ^ ror (second - first) of w), which
        is as many instructions and fewer bytes."""
        first, second, third = counts
        self.add(f"mov {spare}, {word}", f"rorx {to}, {spare}, {second - first}", f"xor {to}, {spare}",
                 f"ror {to}, {first}", f"shr {spare}, {third}", f"xor {to}, {spare}")

    def round(self, t, word):
        """word: what is to be added for W[t], or None where K[t] has it."""
        a, b, _, d, e, f, g, h = self.registers
        ab, bc = self.ab, self.bc
        self.add(f"add {h}, qword ptr [{P} + {ROUND + 8 * t}]")
        if word:
            self.add(f"add {h}, {word}")
        # Sigma1 = ror 14 of (e ^ ror 4 of (e ^ ror 23 of e)); Ch = (e & f) + (~e & g)
        self.add(f"rorx {X}, {e}, 23", f"andn {ab}, {e}, {g}", f"xor {X}, {e}", f"add {h}, {ab}",
                 f"mov {ab}, {f}", f"ror {X}, 4", f"and {ab}, {e}", f"xor {X}, {e}", f"add {h}, {ab}")
        # Sigma0 = ror 28 of (a ^ ror 6 of (a ^ ror 5 of a)); Maj = ((a ^ b) & (b ^ c)) ^ b
        self.add(f"rorx {Y}, {a}, 5", f"ror {X}, 14", f"mov {ab}, {a}", f"xor {Y}, {a}", f"add {h}, {X}",
                 f"xor {ab}, {b}", f"ror {Y}, 6", f"and {bc}, {ab}", f"add {d}, {h}",
                 f"xor {Y}, {a}", f"xor {bc}, {b}", f"ror {Y}, 28", f"add {h}, {bc}", f"add {h}, {Y}")
        self.registers = [h] + self.registers[:7]
        self.ab, self.bc = bc, ab

    def state_at(self, chain, i):
        return f"qword ptr [rsp + {8 * (1 + 8 * chain + i)}]"

    def load(self, chain):
        self.registers = STATE
        self.ab, self.bc = AB, BC
        for i, register in enumerate(STATE):
            self.add(f"mov {register}, {self.state_at(chain, i)}")
        self.add(f"mov {self.bc}, {STATE[1]}", f"xor {self.bc}, {STATE[2]}")

    def save(self, chain):
        for i, register in enumerate(self.registers):
            self.add(f"mov {self.state_at(chain, i)}, {register}")

    def head(self, end):
        for chain in range(self.kernel.scalars):
            self.registers = STATE
            self.ab, self.bc = AB, BC
            for i, place in ((1, 0), (2, 1), (3, 2), (5, 4), (6, 5), (7, 6)):
                self.add(f"mov {STATE[i]}, qword ptr [{P} + {INITIAL + 8 * place}]")
            self.add(f"mov {BC}, {STATE[1]}", f"xor {BC}, {STATE[2]}", f"mov {STATE[0]}, {self.word_at(chain, 0)}",
                     f"mov {STATE[4]}, {STATE[0]}", f"add {STATE[0]}, qword ptr [{P} + {FIRST_A}]",
                     f"add {STATE[4]}, qword ptr [{P} + {FIRST_E}]")
            for t in range(1, 16):
                self.round(t, None if is_constant(t) else self.word_at(chain, t))
            self.rounds(chain, 16, end)
            self.save(chain)
        return self.out

    def rounds(self, chain, start, end):
        for t in range(start, end):
            self.word(chain, t)
            self.round(t, X)

    def trip(self, start):
        for chain in range(self.kernel.scalars):
            self.load(chain)
            self.rounds(chain, start, start + self.kernel.trip)
            self.save(chain)
        return self.out

    def tail(self):
        for chain in range(self.kernel.scalars):
            for i in range(8):
                self.add(f"mov {X}, {self.state_at(chain, i)}")
                if i > 0:
                    self.add(f"add {X}, qword ptr [{P} + {LAST + 8 * i}]")
                self.add(f"mov {self.word_at(chain, i)}, {X}")
        return self.out


def merge(vectors, chains):
    """One stream spread evenly among the other."""
    out, taken = [], 0
    for i, instruction in enumerate(vectors, 1):
        out.append(instruction)
        until = len(chains) * i // len(vectors)
        out += chains[taken:until]
        taken = until
    return out


def iteration(kernel):
    """The instructions of one iteration."""
    first = 29 if kernel.special else 17  # first round of the vectors' loop: W[t+3] has no constant term from here on
    trips = (77 - first) // kernel.trip
    scalar_first = 80 - trips * kernel.trip
    assert first + trips * kernel.trip == 77
    head = merge(Vectors(kernel, not kernel.special).head(first), Chains(kernel, not kernel.special).head(scalar_first))
    trip = merge(Vectors(kernel, True).trip(first), Chains(kernel, True).trip(scalar_first))
    tail = merge(Vectors(kernel, True).tail(), Chains(kernel, True).tail())
    step, vector_step = 8 * kernel.trip, kernel.bytes * kernel.groups * kernel.trip
    return [*head, f"lea {END}, [{P} + {step * trips}]", ".p2align 4", "2:", *trip, f"add {P}, {step}",
            f"add {Q}, {vector_step}", f"cmp {P}, {END}", "jne 2b", f"sub {P}, {step * trips}",
            f"sub {Q}, {vector_step * trips}", *tail]


def function(name, kernel):
    stack = 8 * (1 + 8 * kernel.scalars)
    text = [f".globl {name}", f".type {name}, @function", ".p2align 6", f"{name}:", ".cfi_startproc", "endbr64"]
    for number, register in enumerate(SAVED, 1):
        text += [f"push {register}", f".cfi_def_cfa_offset {8 + 8 * number}"]
    vectors = SCALAR_W + 640 * kernel.scalars
    vectors += -vectors % 64
    text += [f"sub rsp, {stack}", f".cfi_def_cfa_offset {8 + 8 * len(SAVED) + stack}", "mov qword ptr [rsp], rsi",
             f"lea {Q}, [{P} + {vectors}]", "1:", *iteration(kernel), "dec qword ptr [rsp]", "jne 1b", "vzeroupper",
             f"add rsp, {stack}", f".cfi_def_cfa_offset {8 + 8 * len(SAVED)}"]
    for number, register in enumerate(reversed(SAVED)):
        text += [f"pop {register}", f".cfi_def_cfa_offset {8 * len(SAVED) - 8 * number}"]
    return text + ["ret", ".cfi_endproc", f".size {name}, . - {name}"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=KERNELS)
    arguments = parser.parse_args()
    kernel = KERNELS[arguments.name]
    print(".intel_syntax noprefix", ".text", *function(f"sha512_{arguments.name}", kernel),
          ".section .rodata", ".p2align 5", "rotate_8:", *[".quad 0x0007060504030201, 0x080f0e0d0c0b0a09"] * 2,
          '.section .note.GNU-stack, "", @progbits', sep="\n")


if __name__ == "__main__":
    main()
