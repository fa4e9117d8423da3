"""Keys of many clients: the file for KEYS, and the texts that they send."""

import hashlib
import secrets
import types


def name_of(number):
    """Of the client with that number, from 1 on; its row in the table client has the same number."""
    return f"c{number}"


class Keys:
    """Keys of `count` clients and of an operator, in a file of a directory. weights: of each client in
    turn, over and over."""

    def __init__(self, directory, count, weights=(1,)):
        self.count = count
        self.operator = secrets.token_urlsafe(32)
        self.tokens = [None] + [secrets.token_urlsafe(32) for _ in range(count)]  # by number
        self.weights = [None] + [weights[number % len(weights)] for number in range(count)]
        self.file = directory / "keys"
        self.tokens_file = directory / "tokens"  # for put.lua
        self._write(self.file, [line("operator", "bench", self.operator)] + [
            line("client", name_of(number), self.tokens[number], f" weight={self.weights[number]}")
            for number in range(1, count + 1)])
        self._write(self.tokens_file, self.tokens[1:])

    def only(self, number):
        """What load.put_for takes, for one of the clients."""
        file = self.file.with_name(f"token-{number}")
        self._write(file, [self.tokens[number]])
        return types.SimpleNamespace(tokens_file=file)

    @staticmethod
    def _write(file, lines):
        file.touch(mode=0o600)
        file.write_text("".join(f"{text}\n" for text in lines))


def line(role, name, token, attributes=""):
    return f"{role} {name} {hashlib.sha256(token.encode()).hexdigest()}{attributes}"
