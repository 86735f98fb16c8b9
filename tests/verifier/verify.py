"""A second verifier of a record, in another language and with no code of the first. A test, not a product.

It reads a record's folder by four texts alone: C2SP tlog-tiles, tlog-checkpoint, signed-note, and docs/RECORD.md. It checks
the checkpoint's signature, every file but the journal's, every commitment, every party's signature and every limit, and
adds up all balances by itself. It does not read the journal, so it sees what is published: all of it after a graceful stop.

Usage: verify.py RECORD [--vkeys FILE]. Prints one JSON object; exit 1 and a sentence where something does not hold.
Needs: Python 3.9 or newer, `cryptography` for Ed25519, `lz4`, and before Python 3.11 `tomli`.
"""

import argparse
import base64
import datetime
import fractions
import hashlib
import itertools
import json
import pathlib
import re
import sys
from dataclasses import dataclass, field

try:
    import tomllib
except ModuleNotFoundError:  # before Python 3.11
    import tomli as tomllib

import lz4.frame
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

WIDTH = 256
COSIGNER = 4  # The type of a key that cosigns: C2SP tlog-cosignature.
ENTRY_BYTES_MAX = 61440
FIELDS = {
    "genesis": ["genesis", "money"],
    "decided": ["act", "who", "what", "why", "money"],
    "settled": ["act", "what", "money"],
    "clock": ["clock"],
    "tally": ["tally"],
    "state-digest": ["state"],
    "lease": ["lease"],
}


class Broken(Exception):
    """Something does not hold; says where and what."""


def check(holds, place, what):
    if not holds:
        raise Broken(f"{place}: {what}")


# Hashes and trees: RFC 6962.


def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def leaf_hash(leaf):
    return sha256(b"\0", leaf)


def node_hash(left, right):
    return sha256(b"\1", left, right)


def tree_root(hashes):
    """The root over leaf hashes, by the definition: split at the largest power of two below the count."""
    if not hashes:
        return sha256()
    # A stack of perfect subtrees, largest first, merged from the right at the end.
    stack = []
    for position, item in enumerate(hashes):
        height = 0
        while position >> height & 1:
            item = node_hash(stack.pop(), item)
            height += 1
        stack.append(item)
    root = stack.pop()
    while stack:
        root = node_hash(stack.pop(), root)
    return root


# Strict JSON: one spelling only.


def strict_json(raw, place):
    def pairs(items):
        names = [name for name, _ in items]
        check(len(names) == len(set(names)), place, "a field stands twice")
        return dict(items)

    def number(text):
        raise Broken(f"{place}: `{text}` is a bare number; integers are strings")

    try:
        value = json.loads(
            raw.decode("utf-8"), object_pairs_hook=pairs, parse_int=number, parse_float=number, parse_constant=number
        )
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise Broken(f"{place}: no JSON: {error}") from None
    check(spelled(value) == raw, place, "the JSON is not in its one spelling")
    return value


def spelled(value):
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8")


def integer(text, place, bits=127, low=None):
    """An integer in its one spelling: from zero, or `low`, to below two to the power of `bits`."""
    check(isinstance(text, str) and re.fullmatch(r"0|-?[1-9][0-9]*", text, re.ASCII), place, f"`{text}` is no integer")
    value = int(text)
    check((0 if low is None else low) <= value < 1 << bits, place, f"`{text}` is out of range")
    return value


def amount(text, place):
    return integer(text, place, 127, -(1 << 127))


def count(text, place):
    return integer(text, place, 64)


def boolean(value, place):
    check(value is True or value is False, place, f"`{value}` is neither true nor false")


def string(value, place):
    check(isinstance(value, str), place, f"`{value}` is no string")


def one_of(*words):
    return lambda value, place: check(value in words, place, f"`{value}` is none of {', '.join(words)}")


def nullable(of):
    return lambda value, place: value is None or of(value, place)


def each(of):
    def read(value, place):
        check(isinstance(value, list), place, f"`{value}` is no list")
        for item in value:
            of(item, place)

    return read


def members(*fields):
    """An object with exactly these members in this order; a name that ends in `?` may be left out."""

    def read(value, place):
        check(isinstance(value, dict), place, f"`{value}` is no object")
        names = [name.rstrip("?") for name, _ in fields if not name.endswith("?") or name[:-1] in value]
        check(list(value) == names, place, f"it has the members {list(value)}, not {names}")
        for name, of in fields:
            if name.rstrip("?") in value:
                of(value[name.rstrip("?")], place)

    return read


def instant(text, place):
    check(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", text, re.ASCII), place, f"`{text}` is no time")
    return datetime.datetime.fromisoformat(text[:-1])


def unbase64(text, place):
    """The bytes of standard base64 in its one spelling: the unused bits of the last character are zero."""
    try:
        raw = base64.b64decode(text, validate=True)
    except ValueError:
        raise Broken(f"{place}: `{text}` is no base64") from None
    check(base64.b64encode(raw).decode() == text, place, f"`{text}` is not canonical base64")
    return raw


def digest(text, place):
    raw = unbase64(text, place)
    check(len(raw) == 32, place, f"`{text}` is no digest")
    return raw


# The members of each field: docs/RECORD.md.

CODES = ("forbidden", "insufficient-quota", "unpriced", "out-of-term", "suspended", "unbounded", "shortfall", "invalid")
WITNESS_KEYS = ("witness-key-add", "witness-key-revoke")
PARTY_KEYS = ("party-key-change", "party-key-recover")
LOG_KEYS = ("log-key-change", "log-key-recover")
BUDGETS = ("budget-set", "budget-raise", "budget-remove")
CHANGES = ("application-add", "application-remove", "key-new", "key-revoke", "model-resume", *WITNESS_KEYS, *PARTY_KEYS, *LOG_KEYS, *BUDGETS)
KINDS = (
    "infer", "amend", "approve", "attest", "draw", "expire", "book", "declare", "payment", "reconcile", "undelivered", "withdraw", "erase",
    *CHANGES,
)
ENDINGS = ("done", "failed", "cancelled", "lost", "lapsed")
MONEY = members(("asset", string), ("amount", amount))
PAID_IN = members(("asset", string), ("amount", amount), ("source", string))


def act_id(value, place):
    spelling = r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
    check(isinstance(value, str) and re.fullmatch(spelling, value), place, f"`{value}` is no id of an act")


def day(value, place):
    check(isinstance(value, str) and re.fullmatch(r"\d{4}-\d{2}-\d{2}", value), place, f"`{value}` is no day")
    instant(f"{value}T00:00:00.000Z", place)


def leg(value, place):
    return integer(value, place, 16)


ACT = members(("id", act_id), ("at", instant), ("kind", one_of(*KINDS)))
STANDING = ("standing?", members(("audience", string), ("purpose", string), ("market", string)))
WHO = {
    "application": members(("party", string), ("application", string), ("key", string), STANDING),
    "person": members(("party", string), ("person", string), STANDING),
    "clerk": members(STANDING),
}
SIGNED = (("party", string), ("signature", string))


SCOPES = ("party", "application", "key", "end-users")


def some_strings(value, place):
    each(string)(value, place)
    check(value, place, "a list that may be left out is empty")


def period(value, place):
    rolling = isinstance(value, str) and re.fullmatch(r"rolling-(0|[1-9][0-9]*)", value, re.ASCII)
    known = value in ("month", "total") or (rolling and int(rolling[1]) < 1 << 16)
    check(known, place, f"`{value}` is no period")


def change(kind, *fields):
    return members(("do", one_of(kind)), *fields)


def attested(what):
    """What an attestation is about: a clause's milestone, and of several the one it names."""
    return f"{what['clause']}/{what['condition']}" if "condition" in what else what["clause"]


WHAT = {
    "infer": members(
        ("model", string), ("surface", string), ("stream", boolean), ("input_bytes", count), ("input_tokens_max", count),
        ("output_tokens_max", count), ("tools", count), ("images", count), ("end_user", boolean), ("input", digest),
        ("idempotency?", digest), ("kept?", digest), ("pseudonyms?", some_strings),
    ),
    "amend": members(("version", count), ("digest", digest)),
    "approve": members(("act", string), ("digest", digest), *SIGNED),
    "attest": members(("clause", string), ("condition?", string), ("evidence", digest), *SIGNED),
    "draw": members(("clause", string)),
    "expire": members(("clause", string)),
    "book": members(("clause", string), ("on", day)),
    "declare": members(("clause", string), ("on", day), ("revenue", MONEY), *SIGNED),
    "payment": members(("clause", string), ("amount", MONEY), ("paid_in?", PAID_IN), ("reference", string), *SIGNED),
    "reconcile": members(("report", digest), ("period", string), ("of?", string), ("differing", count), *SIGNED),
    "withdraw": members(("memorandum", digest), ("ends", day), *SIGNED),
    "undelivered": members(("notice", string), ("receiver", string), ("error", string), ("attempts", count)),
    "erase": members(
        ("application?", string), ("before?", instant), ("subject?", digest), ("clause?", string), ("keys?", count),
    ),
    "application-add": change("application-add", *((name, string) for name in ("name", "party", "audience", "purpose", "market"))),
    "application-remove": change("application-remove", ("name", string)),
    "key-new": change(
        "key-new", ("id", string), ("application", string), ("secret", digest), ("requests_per_minute", nullable(count)),
        ("budget", nullable(MONEY)), ("expires", nullable(instant)),
    ),
    "key-revoke": change("key-revoke", ("id", string)),
    "model-resume": change("model-resume", ("model", string)),
    "witness-key-add": change("witness-key-add", ("vkey", string), *SIGNED),
    "witness-key-revoke": change("witness-key-revoke", ("vkey", string), *SIGNED),
    "log-key-change": change(
        "log-key-change", ("from", string), ("vkey", string), ("handed", string), ("taken", string), *SIGNED
    ),
    "log-key-recover": change("log-key-recover", ("from", string), ("vkey", string), ("taken", string), *SIGNED),
    "budget-set": change(
        "budget-set", ("id", string), ("of", one_of(*SCOPES)), ("whose", string), ("asset", string), ("amount", amount),
        ("period", period),
    ),
    "budget-raise": change("budget-raise", ("id", string), ("amount", amount), ("until", instant)),
    "budget-remove": change("budget-remove", ("id", string)),
    "party-key-change": change("party-key-change", ("vkey", string), *SIGNED, ("proof", string)),
    "party-key-recover": change(
        "party-key-recover", ("vkey", string), ("party", string), ("recovery", string), ("signature", string), ("proof", string)
    ),
}


def check_erasure(what, place):
    """One that is allowed is of an end user, or of the months before the first of one. One that was refused may be of nothing."""
    first = "-01T00:00:00.000Z"
    is_whole = ("before" in what or "subject" in what) and what.get("before", first).endswith(first)
    check(is_whole, place, "it erases neither what is an end user's nor what is of the months before the first of one")


REASONS = (("clauses", each(string)), ("deviations", each(members(("clause", string), ("code", one_of(*CODES)), ("why", string)))))
WHY = {
    "allow": members(("memorandum", count), ("decision", string), *REASONS),
    "deny": members(("memorandum", count), ("decision", string), ("code", one_of(*CODES)), ("remedy", string),
                    ("refills?", instant), *REASONS),
    "escalate": members(("memorandum", count), ("decision", string), ("digest", digest), ("by", each(string)), *REASONS),
}
BESIDES = (("debit", string), ("credit", string), ("asset", string), ("amount", amount))
ENDS = members(("leg", leg), ("op", string), ("pending", leg), *BESIDES)
TRANSFER = {
    "move": members(("leg", leg), ("op", string), *BESIDES),
    "reserve": members(("leg", leg), ("op", string), *BESIDES, ("until", instant)),
    "post": ENDS,
    "void": ENDS,
    "lapse": ENDS,
}
USED = members(("input_tokens", count), ("cached_input_tokens?", count), ("output_tokens", count))


def USAGE(value, place):
    USED(value, place)
    if "cached_input_tokens" in value:
        is_part = 0 < int(value["cached_input_tokens"]) <= int(value["input_tokens"])
        check(is_part, place, "it caches no input and says so, or more than there was")
ENDED = members(
    ("decided", count), ("ended", one_of(*ENDINGS)), ("usage?", USAGE), ("estimated", boolean),
    ("attempts", each(members(("upstream", string), ("result", string)))), ("output?", digest), ("kept?", digest),
)


def transfers(value, place):
    each(lambda move, place: by_word(TRANSFER, move["op"], place)(move, place))(value, place)


def by_word(readers, word, place):
    check(isinstance(word, str) and word in readers, place, f"`{word}` is none of {', '.join(readers)}")
    return readers[word]


NAMED = each(members(("party", string), ("value", string)))


def check_members(kind, part, place):
    """Every member of an entry's fields is there, in order and of its type, and there is no other."""
    if kind in ("decided", "settled"):
        ACT(part["act"], place)
    if kind == "decided":
        who = "application" if "application" in part["who"] else "person" if "party" in part["who"] else "clerk"
        WHO[who](part["who"], place)
        WHAT[part["act"]["kind"]](part["what"], place)
        by_word(WHY, part["why"]["decision"], place)(part["why"], place)
        members(("lapses?", instant), ("transfers", transfers))(part["money"], place)
    elif kind == "settled":
        ENDED(part["what"], place)
        members(("charged?", MONEY), ("transfers", transfers))(part["money"], place)
    elif kind == "genesis":
        fields = (("at", instant), ("origin", string), ("memorandum", digest), ("vkeys", NAMED), ("signatures", NAMED))
        members(*fields)(part["genesis"], place)
        transfers(part["money"], place)
    elif kind == "clock":
        members(("at", instant), ("was", instant), ("now", instant))(part["clock"], place)
    elif kind == "tally":
        refused = each(members(("key", string), ("count", count)))
        members(("at", instant), ("refused", refused))(part["tally"], place)
    elif kind == "state-digest":
        members(("at", instant), ("digest", digest))(part["state"], place)
    else:
        members(("at", instant), ("expires", instant), ("calls", count), ("amounts", each(MONEY)))(part["lease"], place)


# Keys and notes: C2SP signed-note.


@dataclass
class Key:
    name: str
    id: bytes
    public: Ed25519PublicKey

    @classmethod
    def parse(cls, vkey, place, kind=1):
        match = re.fullmatch(r"([^+\s]+)\+([0-9a-f]{8})\+(\S+)", vkey)
        check(match, place, f"`{vkey}` is no vkey")
        name, key_id, encoded = match.groups()
        raw = unbase64(encoded, place)
        check(len(raw) == 33 and raw[0] == kind, place, f"the key of `{name}` is of another type")
        expected = sha256(name.encode(), b"\n", raw)[:4]
        check(expected.hex() == key_id, place, f"the key id of `{name}` is wrong")
        return cls(name, expected, Ed25519PublicKey.from_public_bytes(raw[1:]))

    def is_same(self, other):
        return self.public.public_bytes_raw() == other.public.public_bytes_raw()

    def signed(self, signature, message):
        try:
            self.public.verify(signature, message)
            return True
        except InvalidSignature:
            return False


def open_note(raw, key, place):
    """The signed text of a note that `key` signed, and nobody else."""
    text, blank, lines = raw.decode("utf-8").rpartition("\n\n")
    check(blank and lines.endswith("\n"), place, "it is no signed note")
    text += "\n"
    signatures = lines.splitlines()
    check(len(signatures) == 1, place, f"it has {len(signatures)} signatures, not one")
    match = re.fullmatch(r"— (\S+) (\S+)", signatures[0])
    check(match and match[1] == key.name, place, f"it is not signed by `{key.name}`")
    blob = unbase64(match[2], place)
    check(blob[:4] == key.id and key.signed(blob[4:], text.encode()), place, "its signature does not verify")
    return text


def open_cosigned(raw, log, cosigners, place):
    """The text of a checkpoint that the log signed and others cosigned (C2SP tlog-cosignature)."""
    text, blank, lines = raw.decode("utf-8").rpartition("\n\n")
    check(blank and lines.endswith("\n"), place, "it is no signed note")
    signatures = lines.splitlines()
    own = [line for line in signatures if line.startswith(f"— {log.name} ")]
    text = open_note(f"{text}\n\n{chr(10).join(own)}\n".encode(), log, place)
    for line in signatures:
        match = re.fullmatch(r"— (\S+) (\S+)", line)
        check(match, place, f"`{line}` is no signature")
        blob = unbase64(match[2], place)
        for key in cosigners:
            if (match[1], blob[:4]) == (key.name, key.id):
                message = f"cosignature/v1\ntime {int.from_bytes(blob[4:12], 'big')}\n{text}".encode()
                check(key.signed(blob[12:], message), place, f"the cosignature of `{key.name}` does not verify")
    return text


# Files: C2SP tlog-tiles.


def tile_path(prefix, number, width):
    parts = [f"{number % 1000:03}"]
    while number >= 1000:
        number //= 1000
        parts.insert(0, f"x{number % 1000:03}")
    path = f"{prefix}/{'/'.join(parts)}"
    return path if width == WIDTH else f"{path}.p/{width}"


def widths(count):
    """The (number, width) of every tile that `count` items fill, the partial one last."""
    full = [(number, WIDTH) for number in range(count // WIDTH)]
    return full + ([(count // WIDTH, count % WIDTH)] if count % WIDTH else [])


def unpacked(raw, place):
    """The parties' parts lie in one LZ4 frame: independent blocks of 256 KiB at most with checksums, and the size in its head."""
    check(raw[:6] == bytes.fromhex("04224d187850"), place, "it is not the LZ4 frame that the format asks for")
    size = int.from_bytes(raw[6:14], "little")
    check(size <= WIDTH * (2 + ENTRY_BYTES_MAX), place, "no bundle is so long")
    try:
        bundle, used = lz4.frame.decompress(raw, return_bytes_read=True)
    except RuntimeError as error:
        raise Broken(f"{place}: {error}") from None
    check(used == len(raw) and len(bundle) == size, place, "its LZ4 frame has another length than it says")
    return bundle


def split_bundle(raw, count, place):
    entries, at = [], 0
    for _ in range(count):
        check(at + 2 <= len(raw), place, "it ends inside an entry")
        length = int.from_bytes(raw[at : at + 2], "big")
        check(length <= ENTRY_BYTES_MAX, place, "an entry is longer than 60 KiB")
        check(at + 2 + length <= len(raw), place, "it ends inside an entry")
        entries.append(raw[at + 2 : at + 2 + length])
        at += 2 + length
    check(at == len(raw), place, "bytes follow its last entry")
    return entries


def perfect_rows(leaves):
    """What the tiles of each level hold: a hash of level n + 1 stands for 256 of level n."""
    rows = [leaves]
    while len(rows[-1]) >= WIDTH:
        row = rows[-1]
        rows.append([tree_root(row[at : at + WIDTH]) for at in range(0, len(row) - WIDTH + 1, WIDTH)])
    return rows


class Files:
    def __init__(self, folder):
        self.folder = pathlib.Path(folder)

    def names(self):
        paths = (path.relative_to(self.folder).as_posix() for path in self.folder.rglob("*") if path.is_file())
        return sorted(path for path in paths if not path.startswith(("journal/", "tmp/")))

    def read(self, path):
        try:
            return (self.folder / path).read_bytes()
        except OSError as error:
            raise Broken(f"{path}: {error.strerror}") from None

    def items(self, path):
        """What a tile or bundle holds, without how it lies in its file."""
        raw = self.read(path)
        return unpacked(raw, path) if path.startswith("parties/") else raw

    def bundles(self, prefix, size):
        entries = []
        for number, width in widths(size):
            path = tile_path(prefix, number, width)
            entries += split_bundle(self.items(path), width, path)
        return entries

    def check_all(self, leaves, envelopes, parties):
        """Every tile and bundle of the tree is there, and no file holds anything but what the entries say."""
        rows = {f"tile/{level}": row for level, row in enumerate(perfect_rows(leaves)) if row}
        bundled = {prefix: [len(entry).to_bytes(2, "big") + entry for entry in entries]
                   for prefix, entries in (("tile/entries", envelopes), ("parties/entries", parties))}
        rows.update(bundled if leaves else {})
        for prefix, row in rows.items():
            for number, width in widths(len(row)):
                self.read(tile_path(prefix, number, width))
        for path in self.names():
            if path.startswith("memorandum/"):
                check(path == f"memorandum/{sha256(self.read(path)).hex()}", path, "its content has another digest")
            elif path not in ("checkpoint", "cosigned", "handover", "vkeys"):
                self.check_tile(path, rows)

    def check_tile(self, path, rows):
        match = re.fullmatch(r"((?:tile|parties)/(?:\d|entries))/((?:x\d{3}/)*\d{3})(?:\.p/(\d+))?", path)
        check(match and match[1] in rows, path, "the format has no file of this name")
        number, width = int(re.sub("[x/]", "", match[2])), int(match[3] or WIDTH)
        check(tile_path(match[1], number, width) == path, path, "its name is spelled in another way")
        items = rows[match[1]][number * WIDTH : number * WIDTH + width]
        check(len(items) == width, path, "the record has no entries for this file")
        check(self.items(path) == b"".join(items), path, "its content is not that of the entries")


# Commitments: docs/RECORD.md.


def parties_json(raw, place):
    """The fields of a parties' part: an object with one field a line, each in its one spelling."""
    lines = raw.split(b"\n")
    value = strict_json(b"".join(lines), place)
    check(lines_of(value) == lines, place, "its fields are not one a line")
    return value


def lines_of(part):
    lines = [spelled(name) + b":" + spelled(value) for name, value in part.items()]
    lines = [line + b"," for line in lines[:-1]] + [line + b"}" for line in lines[-1:]]
    return [b"{" + line for line in lines[:1]] + lines[1:]


def body_of(part, place):
    """What stands for the commitments to every field but the salts, in their order."""
    salts = unbase64(part["salts"], place)
    fields = [(name, value) for name, value in part.items() if name != "salts"]
    check(len(salts) == 16 * len(fields), place, "it has not one salt for each field")
    commitments = b""
    for number, (name, value) in enumerate(fields):
        line = spelled(name) + b":" + spelled(value)
        commitments += sha256(b"\2", salts[16 * number : 16 * number + 16], line)
    return sha256(b"\3", commitments)


# Books: double entry with reservations.


@dataclass
class Account:
    asset: str
    debits_posted: int = 0
    credits_posted: int = 0
    debits_pending: int = 0
    credits_pending: int = 0

    def available(self):
        return self.credits_posted - self.debits_posted - self.debits_pending


@dataclass
class Books:
    accounts: dict = field(default_factory=dict)
    pending: dict = field(default_factory=dict)

    def account(self, name, asset, place):
        account = self.accounts.setdefault(name, Account(asset))
        check(account.asset == asset, place, f"account `{name}` holds {account.asset}, not {asset}")
        return account

    def transfer(self, act, move, place):
        amount = int(move["amount"])
        check(amount >= 0, place, "a transfer is negative")
        check(move["debit"] != move["credit"], place, "a transfer goes from an account to itself")
        check((act, move["leg"]) not in self.pending, place, "a transfer has the id of a live reservation")
        debit = self.account(move["debit"], move["asset"], place)
        credit = self.account(move["credit"], move["asset"], place)
        operation = move["op"]
        if operation == "move":
            check(amount > 0, place, "a transfer moves nothing")
            debit.debits_posted += amount
            credit.credits_posted += amount
        elif operation == "reserve":
            check("until" in move, place, "a reservation has no end")
            self.pending[act, move["leg"]] = move
            debit.debits_pending += amount
            credit.credits_pending += amount
        elif operation in ("post", "void", "lapse"):
            self.resolve(act, move, amount, debit, credit, place)
        else:
            raise Broken(f"{place}: `{operation}` is no operation")
        if operation in ("move", "reserve"):
            self.check_limit(move["debit"], debit, place)

    def resolve(self, act, move, amount, debit, credit, place):
        reserved = self.pending.pop((act, move["pending"]), None)
        check(reserved, place, "a transfer ends a reservation that is not live")
        for side in ("debit", "credit", "asset"):
            check(reserved[side] == move[side], place, f"a transfer ends a reservation of another {side}")
        held = int(reserved["amount"])
        check(amount <= held if move["op"] == "post" else amount == held, place, "it ends with another amount")
        debit.debits_pending -= held
        credit.credits_pending -= held
        if move["op"] == "post":
            debit.debits_posted += amount
            credit.credits_posted += amount

    @staticmethod
    def check_limit(name, account, place):
        guarded = name.endswith((":available", ":undrawn", ":open", ":drawn", ":owed", ":shortfall")) and not name.startswith("memo:")
        check(not guarded or account.available() >= 0, place, f"account `{name}` is overdrawn")

    def check_trial_balance(self):
        sums = {}
        for account in self.accounts.values():
            posted, pending = sums.get(account.asset, (0, 0))
            sums[account.asset] = (
                posted + account.debits_posted - account.credits_posted,
                pending + account.debits_pending - account.credits_pending,
            )
        for asset, (posted, pending) in sums.items():
            check(posted == 0 and pending == 0, "books", f"debits and credits in {asset} differ")

    def lines(self):
        return [
            {
                "name": name,
                "asset": account.asset,
                "debits_posted": str(account.debits_posted),
                "credits_posted": str(account.credits_posted),
                "debits_pending": str(account.debits_pending),
                "credits_pending": str(account.credits_pending),
            }
            for name, account in sorted(self.accounts.items())
        ]


# The fold over all entries.


@dataclass
class Act:
    kind: str
    decided: int
    decision: str
    reserved: list
    lapses: str = None
    what: dict = None
    settled: int = None
    ended: str = None
    usage: dict = None
    charged: int = None
    key: str = None


def same_act(part):
    """What must be the same when an act that waited goes on; not what policies knew of an application by then."""
    who = {name: value for name, value in part["who"].items() if name != "standing"}
    return (part["act"]["kind"], who, part["what"])


class Memorandum:
    """What the blocks of a memorandum say of who must agree: docs/MEMORANDUM.md. Whether it is sound is not looked at."""

    def __init__(self, text, place):
        fences = re.findall(r"^```toml (memorandum|clause (\S+))[ \t]*\r?$\n(.*?)^```[ \t]*\r?$", text, re.MULTILINE | re.DOTALL)
        try:
            blocks = [(name, tomllib.loads(block)) for _, name, block in fences]
        except tomllib.TOMLDecodeError as error:
            raise Broken(f"{place}: a block of the memorandum is no toml: {error}") from None
        heads = [block for name, block in blocks if not name]
        check(len(heads) == 1, place, "the memorandum has not one head")
        self.head = heads[0]
        self.clauses = {name: block for name, block in blocks if name}
        self.version, self.previous = self.head["version"], self.head.get("previous")
        self.parties = [party["id"] for party in self.head["parties"]]
        self.threshold = self.head.get("threshold", len(self.parties))

    def of_kind(self, kind):
        return [clause for clause in self.clauses.values() if clause["kind"] == kind]

    def is_binding(self, clause):
        return clause.get("force", self.head.get("force")) == "binding"

    def erasure(self, application, audiences, over):
        """When what is kept of an application and of the month that is over on this day is erased, and by which clauses."""
        named = {name: clause for name, clause in self.clauses.items() if clause["kind"] == "retention"}
        covers = lambda clause: application in clause.get("applications", [application]) and (
            "audiences" not in clause or set(clause["audiences"]) & audiences
        )
        named = {name: clause for name, clause in named.items() if covers(clause)}
        schedules = {
            name: date_after(over, clause["erase_after"])
            for name, clause in named.items()
            if "erase_after" in clause and self.is_binding(clause)
        }
        minimums = [date_after(over, clause["at_least"]) for clause in named.values() if "at_least" in clause]
        days = [day for day in schedules.values() if day]
        if not days or None in minimums:
            return None, []
        return max([min(days), *minimums]), [name for name, day in schedules.items() if day == min(days)]

    def minor(self, text, place):
        """An amount with its asset, in minor units."""
        number, asset = text.split(" ")
        scale = {**BUILT_IN_ASSETS, **self.head.get("assets", {})}[asset]
        whole, _, decimals = number.partition(".")
        check(len(decimals) <= scale, place, f"`{text}` has more decimals than its asset")
        return int(whole + decimals.ljust(scale, "0"))

    def due(self, name, what, agreed, left, place):
        """What a clause makes due on a day, in minor units: of `agreed` so much is `left` open."""
        clause = self.clauses.get(name, {"kind": None})
        on, kind = datetime.date.fromisoformat(what["on"]), clause["kind"]
        starts = clause.get("starts", self.head["effective"])
        if kind == "minimum-consumption":
            steps = {step["by"]: step["amount"] for step in clause.get("milestones", [])} | {clause["ends"]: clause["amount"]}
            check(on in steps and "revenue" not in what, place, f"`{name}` makes nothing due on {on}")
            return min(max(self.minor(steps[on], place) - (agreed - left), 0), max(left, 0))
        check(kind in ("capacity", "revenue-share"), place, f"`{name}` makes nothing due")
        firsts = list(periods(starts, clause["every"], min(on, clause.get("ends", datetime.date.max))))
        if kind == "capacity":
            is_first = on in firsts and on < clause.get("ends", datetime.date.max)
            check(is_first and "revenue" not in what, place, f"no period of `{name}` begins on {on}")
            return self.minor(clause["price"], place) * clause["quantity"]
        is_over = on > starts and (on in firsts or on == clause.get("ends"))
        check(is_over and "revenue" in what, place, f"no period of `{name}` is over on {on}")
        ended = at_the_latest(clause["until"]) if "until" in clause else None
        check(ended is None or [first for first in firsts if first < on][-1] < ended, place, f"`{name}` had ended")
        check(what["revenue"]["asset"] == clause["asset"], place, "revenue is declared in another asset")
        rate = fractions.Fraction(clause["rate"].removesuffix("%")) / 100
        # Python rounds half to even.
        share = round(rate * int(what["revenue"]["amount"]))
        return min(share, max(left, 0)) if "cap" in clause else share

    def survives(self, name, ends, on):
        """Whether the document lets a clause outlive its end, until a day."""
        if any(name in term.get("survives", []) for term in self.of_kind("term")):
            return True
        return any(name in outlives["clauses"] and self.lasts(outlives, ends, on) for outlives in self.of_kind("survival"))

    @staticmethod
    def lasts(outlives, ends, on):
        if "lasts" not in outlives:
            return True
        until = date_after(datetime.date.fromisoformat(ends), outlives["lasts"])
        return until is None or str(until) > on

    def goes(self, name, ends, on):
        """Whether a clause has ended on a day, where a party's withdrawal counts from `ends` on."""
        clause = self.clauses.get(name)
        if clause is None or self.is_binding(clause) or on < ends or clause["kind"] in ("retention", "amendment"):
            return False
        return not (self.lasts(clause, ends, on) if clause["kind"] == "survival" else self.survives(name, ends, on))

    def notice(self, party, place):
        """The notice that a party gives which withdraws; none where none is asked for."""
        check(self.head.get("force") != "binding", place, "a party withdraws from a memorandum that binds")
        ends = [clause for clause in self.clauses.values() if clause["kind"] == "termination"]
        at_will = [clause for clause in ends if party in clause["by"] and not clause.get("grounds")]
        if at_will:
            return at_will[0].get("notice")
        check(not any(map(self.is_binding, ends)), place, f"a binding clause does not let `{party}` withdraw")
        notices = [clause["notice"] for clause in (*self.of_kind("term"), *ends) if "notice" in clause]
        return notices[0] if notices else None

    def approvers(self, kind):
        """Who must approve an act of this kind, in the order of the document."""
        by = []
        if kind == "amend":
            amendments = self.of_kind("amendment")
            by += amendments[0]["approved_by"] if amendments else self.parties
        for clause in self.of_kind("requirement"):
            if self.is_binding(clause) and kind in clause["acts"]:
                by += clause["approved_by"]
        return list(dict.fromkeys(by))


def date_after(day, duration):
    """So long after a day: years and months first, then weeks and days. None where the calendar ends before."""
    parts = re.fullmatch(r"P(?:(\d+)Y)?(?:(\d+)M)?(?:(\d+)W)?(?:(\d+)D)?", duration, re.ASCII | re.IGNORECASE)
    years, months, weeks, days = (int(part or 0) for part in parts.groups())
    months += day.month - 1 + 12 * (day.year + years)
    try:
        first = datetime.date(months // 12, months % 12 + 1, 1)
        last = (first + datetime.timedelta(days=31)).replace(day=1) - datetime.timedelta(days=1)
        return first.replace(day=min(day.day, last.day)) + datetime.timedelta(days=7 * weeks + days)
    except (OverflowError, ValueError):
        return None


def at_the_latest(condition):
    """The first day on which a condition holds whatever is attested; None if that may never be."""
    if isinstance(condition, datetime.date):
        return condition
    ((form, value),) = [(form, value) for form, value in condition.items() if form not in ("id", "attested_by")]
    if form in ("date", "milestone"):
        return value if form == "date" else None
    days = [at_the_latest(part) for part in value]
    if form == "all_of":
        return None if None in days else max(days)
    return min((day for day in days if day), default=None)


def periods(first, every, last):
    """The first days of periods up to `last`, each counted from the first, so that months keep their day."""
    for number in itertools.count():
        day = date_after(first, re.sub(r"\d+", lambda part: str(int(part[0]) * number), every))
        if day is None or day > last:
            return
        yield day


BUILT_IN_ASSETS = {"CREDIT": 9, "EUR": 2, "GBP": 2, "USD": 2}


def stem_of(move, source, target):
    """What both accounts of a transfer have in common, if they are these two stages of one thing."""
    debit, credit = move["debit"], move["credit"]
    if not debit.endswith(source) or not credit.endswith(target):
        return None
    stem = debit[: -len(source)]
    return stem if credit[: -len(target)] == stem else None


def is_levelled(move):
    """Whether a grant, a commitment, a minimum or a cap is opened, raised or lowered."""
    stages = (
        (":issued", ":available", "credit:"), (":pledged", ":undrawn", "commitment:"),
        (":agreed", ":open", "minimum:"), (":agreed", ":open", "revenue:"),
    )
    return any(
        (stem_of(move, source, target) or stem_of(move, target, source) or "").removeprefix("memo:").startswith(head)
        for source, target, head in stages
    )


def is_rounding(move):
    """Whether a transfer books what rounding left out, from one side to the other."""
    sides = {f"rounding:{side}:{move['asset']}" for side in ("payer", "operator")}
    return {move["debit"], move["credit"]} == sides


# Who owes, and who is owed, under each kind of clause under which something is.
SIDES = {
    "cash-tranche": ("from", "to"), "minimum-consumption": ("by", "to"), "capacity": ("to", "from"), "revenue-share": ("from", "to"),
}


def check_call(ended, charged, moves, place):
    """What a call's settlement does: it posts what is charged, and moves what went beyond; or it gives all back."""
    ends = "post" if charged else "lapse" if ended == "lapsed" else "void"
    check(all(move["op"] in (ends, "move") for move in moves), place, f"a call that ended so does something else than to {ends}")
    posts = [move for move in moves if move["op"] == "post"]
    extra = [move for move in moves if move["op"] == "move"]
    check(not extra or ended in ("done", "cancelled"), place, "it moves money for what costs nothing")
    rounding = [move for move in extra if move["debit"].startswith("rounding:")]
    check(len(rounding) <= 1, place, "it rounds twice")
    for move in rounding:
        check(is_rounding(move), place, "it books what rounding left out elsewhere")
        of_it = charged is None or move["asset"].startswith(charged["asset"] + "/")
        check(of_it, place, "it rounds what it does not charge")
    counted = [move for move in extra if (stem_of(move, ":open", ":consumed") or "").removeprefix("memo:").startswith("minimum:")]
    beyond = [move for move in extra if move not in rounding and move not in counted]
    check(not counted or charged, place, "it counts towards a minimum and charges nothing")
    check(len({move["debit"] for move in counted}) == len(counted), place, "it counts towards a minimum twice")
    for move in counted:
        is_part = move["asset"] == charged["asset"] and int(move["amount"]) <= int(charged["amount"])
        check(is_part, place, "it counts more towards a minimum than it charges")
    if charged is None:
        check(not beyond, place, "it moves money and charges nothing")
        return
    asset, cost = charged["asset"], int(charged["amount"])
    check(posts, place, "it charges and posts nothing")
    check(all(move["asset"] == asset for move in posts + beyond), place, "it posts in another asset than it charges")
    granted = [move for move in posts if move["debit"].startswith("credit:")]
    memos = {move["debit"]: 0 for move in posts if move["debit"].startswith("memo:")}
    spent = {move["debit"]: move["credit"] for move in posts}
    borne = 0
    for move in posts + beyond:
        if move["debit"] in memos:
            check(spent[move["debit"]] == move["credit"], place, "an intention counts on another account")
            memos[move["debit"]] += int(move["amount"])
        elif move["op"] == "move":
            operator = re.fullmatch(r"[^:]+:overrun:" + re.escape(asset), move["debit"])
            is_first = granted and move["credit"] == granted[0]["credit"] and borne == 0
            check(operator and is_first, place, "it moves what no call moves")
            borne = int(move["amount"])
    total = sum(int(move["amount"]) for move in granted)
    check(all(counted == cost + borne for counted in memos.values()) or (cost == 0 and not granted), place,
          "an intention counts another cost")
    check(total == cost if granted else memos or cost == 0, place, f"it charges {cost} and posts {total}")
    budgets = [move for move in posts if move["debit"].startswith("budget:")]
    check(all(int(move["amount"]) == cost for move in budgets), place, "a key's budget pays another cost")


def is_purse(account):
    """Whether an account is of a budget's purse, which has a period in its name. That of a key's own budget has none."""
    return account.startswith("budget:") and account.count(":") > 2


@dataclass
class Budget:
    """A hard limit inside a commitment, as the act that set it says, with what was added and until when."""

    of: str
    whose: str
    asset: str
    amount: int
    period: str
    raises: list = field(default_factory=list)

    def limit(self, at):
        return self.amount + sum(more for more, until in self.raises if until > at)

    def days(self, at):
        """The days whose purses count at a time, the last one first; a month or all time has one purse."""
        today = datetime.date.fromisoformat(at[:10])
        length = int(self.period[8:]) if self.period.startswith("rolling-") else 1
        return [today - datetime.timedelta(days=ago) for ago in range(length)]

    def purse(self, name, day, whose):
        """The accounts where it lies: issued, available and spent."""
        when = {"month": f"{day:%Y-%m}", "total": "total"}.get(self.period, f"{day}")
        one = f"budget:{name}:{when}" + (f":{whose}" if self.of == "end-users" else "")
        return f"budget:{name}:{when}:issued", f"{one}:available", f"{one}:spent"

    def check(self, place):
        rolling = re.fullmatch(r"rolling-([1-9][0-9]?)", self.period, re.ASCII)
        days = int(rolling[1]) if rolling else 0
        fits = self.period == "month" or 1 <= days <= 28 or (self.of != "end-users" and (days <= 92 and self.period != "rolling-0"))
        check(fits and (rolling or self.period in ("month", "total")), place, "a budget has a period that it cannot have")
        check(self.amount > 0, place, "a budget is of nothing")


class Replay:
    """What all entries add up to, worked out from their explicit transfers alone."""

    def __init__(self, files):
        self.files = files
        self.books = Books()
        self.acts = {}
        self.open = set()
        self.waiting = {}
        self.vkeys = {}
        # Of each party its keys in the order of use, and those of all that gave way.
        self.chains, self.former = {}, []
        # The log's keys after the first, each with the entry since which it signs, and the act that says so.
        self.log_keys = []
        self.origin = None
        # The version in force, those that approved amendments would put in force, and an act that the next entry must settle.
        self.memorandum = None
        self.amending = {}
        self.at_once = None
        # What the version in force says, who attested what under it, and the clauses that were drawn or have expired.
        self.terms = None
        self.attested = {}
        # Whose each key is that cosigns, by its vkey.
        self.witnesses = {}
        self.revoked = []
        self.booked = set()
        # The last day of each clause that was booked or declared, and whose words there were on payments.
        self.last_due, self.words, self.undelivered, self.reconciled = {}, set(), set(), set()
        # From which day on a party's withdrawal from the version in force counts.
        self.ends = None
        # Every version that was in force, the last one last.
        self.versions = []
        # The applications that there are or were: the audiences of each, since when, and before when all was erased as due.
        self.kept = {}
        # The budgets that stand, by their ids, and the ids of those that do no more.
        self.budgets, self.gone = {}, set()
        # Where the last state-digest stands, and the last entry after it with which the writer began something.
        self.digested, self.begun = 0, None
        # The act that each idempotency key belongs to, and when that was allowed.
        self.keys = {}
        self.at = ""
        self.folds = {
            "genesis": self.fold_genesis,
            "decided": self.fold_decided,
            "settled": self.fold_settled,
            "clock": self.fold_clock,
            "tally": self.fold_tally,
            "state-digest": self.fold_state_digest,
            "lease": self.fold_lease,
        }

    def entry(self, index, envelope, parties):
        place = f"entry {index}"
        head = strict_json(envelope, place)
        check(list(head) == ["v", "fold", "kind", "time", "body"], place, "its envelope has other fields")
        check(head["v"] == "1" and head["fold"] == "1", place, "its format or fold is not known here")
        kind = head["kind"]
        check(kind in self.folds, place, f"`{kind}` is not a kind that this verifier folds")
        part = parties_json(parties, place)
        check(list(part) == ["salts", *FIELDS[kind]], place, f"a `{kind}` entry has other fields: {list(part)}")
        check(body_of(part, place) == digest(head["body"], place), place, "its commitment is not that of its parts")
        self.check_time(part[FIELDS[kind][0]]["at"], head["time"], place)
        check((index == 0) == (kind == "genesis"), place, "a record begins with one genesis and has no other")
        ends = kind == "settled" and part["act"]["id"] == self.at_once
        check(self.at_once is None or ends, place, f"act {self.at_once} is done at once and is not settled here")
        check_members(kind, part, place)
        self.check_digest_due(index, kind, part, place)
        self.folds[kind](index, part, place)

    def check_digest_due(self, index, kind, part, place):
        """Where a state-digest was due when the last thing that was begun was over, it stands before the next is begun."""
        begins = kind in ("clock", "tally")
        begins |= kind == "decided" and part["act"]["id"] not in self.waiting and "party" in part["who"]
        begins |= kind == "settled" and part["act"]["kind"] in ("infer", "erase") and part["what"]["ended"] != "lapsed"
        if begins:
            is_late = self.begun is not None and self.begun + 1 - self.digested >= 1024
            check(not is_late, place, "a state-digest was due before this entry")
            self.begun = index
        elif kind == "state-digest":
            self.digested, self.begun = index, None

    def check_time(self, at, hour, place):
        instant(at, place)
        check(at >= self.at, place, "time went back")
        check(hour == at[:13] + "Z", place, "the envelope's hour is another")
        self.at = at

    def check_memorandum(self, sha, place):
        text = self.files.read(f"memorandum/{sha.hex()}")
        check(sha256(text) == sha, place, "the memorandum's bytes have another digest")
        return Memorandum(text.decode("utf-8"), place)

    def check_signature(self, party, signature, message, place):
        key = self.vkeys.get(party)
        check(key, place, f"party `{party}` has no key")
        check(key.signed(unbase64(signature, place), message), place, f"the signature of `{party}` does not verify")

    def move(self, act, moves, place):
        for move in moves:
            self.books.transfer(act, move, place)

    def fold_genesis(self, index, part, place):
        genesis = part["genesis"]
        self.origin = genesis["origin"]
        self.chains = {line["party"]: [line["value"]] for line in genesis["vkeys"]}
        self.vkeys = {line["party"]: Key.parse(line["value"], place) for line in genesis["vkeys"]}
        memorandum = digest(genesis["memorandum"], place)
        self.memorandum = memorandum
        self.terms = self.check_memorandum(memorandum, place)
        self.versions.append(self.terms)
        signed = {line["party"] for line in genesis["signatures"]}
        check(len(signed) >= self.terms.threshold, place, "fewer parties have signed than the memorandum asks for")
        check(genesis["signatures"], place, "nobody signed the memorandum")
        for line in genesis["signatures"]:
            self.check_signature(line["party"], line["value"], MEMORANDUM_DOMAIN + memorandum, place)
        check(all(move["op"] == "move" for move in part["money"]), place, "the first entry does more than to move")
        self.move("genesis", part["money"], place)

    def fold_decided(self, index, part, place):
        act, kind, why = part["act"]["id"], part["act"]["kind"], part["why"]
        decision, transfers = why["decision"], part["money"]["transfers"]
        waited = self.waiting.pop(act, None)
        check(act not in self.acts or waited, place, f"act {act} is decided twice")
        check(decision in ("allow", "deny", "escalate"), place, f"`{decision}` is no decision")
        is_call = decision == "allow" and kind == "infer"
        check(is_call or not transfers, place, "an act that is no allowed call moves money when it is decided")
        filling = [move for move in transfers if move["op"] == "move" and is_purse(move["debit"])]
        others = [move for move in transfers if move not in filling]
        check(all(move["op"] == "reserve" for move in others), place, "a decision does more than to reserve")
        check(("lapses" in part["money"]) == is_call, place, "an allowed call lapses at some time, and nothing else does")
        if waited:
            check(set(waited["given"]) >= set(waited["by"]), place, "it goes on before all have approved")
            check(waited["same"] == same_act(part), place, "it is another act than the one that waited")
        check(count(why["memorandum"], place) == self.terms.version, place, "another version than that in force decides")
        lapses = part["money"].get("lapses")
        self.check_reserved(part["who"].get("key"), lapses, others, place)
        if is_call:
            self.check_limits(act, part["who"], part["what"], transfers, place)
        self.move(act, transfers, place)
        reserved = [move["leg"] for move in transfers if move["op"] == "reserve"]
        self.acts[act] = Act(kind, index, decision, reserved, lapses, part["what"])
        if decision == "escalate":
            check(not waited, place, "it escalates twice")
            self.check_digest(act, kind, part["what"], why["digest"], place)
            check(why["by"], place, "it waits for nobody")
            check(why["by"] == self.approvers(kind, part["what"]), place, "it asks others to approve than the memorandum asks")
            may_wait = kind in ("amend", "erase", *CHANGES) and "clause" not in part["what"]
            check(may_wait or kind in CHANGES, place, "nothing of its kind waits")
            if kind == "amend":
                self.check_next(part["what"], place)
            same = same_act(part)
            self.waiting[act] = {"by": why["by"], "digest": why["digest"], "kind": kind, "given": [], "same": same}
        if decision == "allow":
            by = waited["by"] if waited else []
            asked = self.approvers(kind, part["what"]) if kind in ("amend", "erase", *CHANGES) else []
            if kind == "erase" and self.check_erased(part["what"], part["who"], place):
                asked = []
            check(set(asked) <= set(by), place, "it goes on before all have approved whom the memorandum asks")
            self.take_key(act, part["what"].get("idempotency"), place)
            self.open.add(act)
            self.at_once = act if kind not in ("infer", "amend", "erase") else None
            if kind == "erase":
                check_erasure(part["what"], place)
            if kind == "amend":
                self.amending[act] = digest(part["what"]["digest"], place)
            self.check_allowed(kind, part, waited, place)

    def check_reserved(self, key, lapses, moves, place):
        """A call reserves what is available to it, in one asset, until its warrant lapses."""
        check(lapses is None or lapses > self.at, place, "it lapses before it is decided")
        for move in moves:
            stem = stem_of(move, ":available", ":spent") or ""
            is_own = stem == f"budget:{key}" and not is_purse(move["debit"])
            holds = is_own or is_purse(move["debit"]) or stem.startswith(("credit:", "memo:credit:"))
            check(holds, place, "it reserves what is not available to it")
            check(move["until"] == lapses, place, "a reservation is not held until the warrant lapses")
        check(len({move["asset"] for move in moves}) <= 1, place, "it reserves in several assets")

    def check_limits(self, act, who, what, moves, place):
        """A call reserves of each budget that limits it what it reserves of grants, each purse brought to what its limit leaves."""
        granted = [move for move in moves if move["debit"].startswith("credit:")]
        found = [move for move in moves if is_purse(move["debit"]) or is_purse(move["credit"])]
        asset, bound = (granted[0]["asset"] if granted else None), sum(int(move["amount"]) for move in granted)
        scopes = (("party", who["party"]), ("application", who["application"]), ("key", who["key"]), ("end-users", who["application"]))
        expected = []
        for of, whose in scopes if bound else ():
            for name, budget in sorted(self.budgets.items()):
                if (budget.of, budget.whose, budget.asset) == (of, whose, asset):
                    expected += self.drawing(budget, name, act, what, bound, place)
        spelled_as = ("op", "debit", "credit", "amount")
        check([tuple(move[one] for one in spelled_as) for move in found] == expected, place,
              "it does not reserve of each budget that limits it as much as of grants")
        check(not found or moves.index(found[0]) > moves.index(granted[-1]), place, "it reserves of a budget before a grant")

    def drawing(self, budget, name, act, what, bound, place):
        """The transfers by which a call draws on a budget."""
        days, used = budget.days(self.at), 0
        whose = [self.pseudonym(budget, day, act, what, place) for day in days]
        for day, one in zip(days, whose):
            account = self.books.accounts.get(budget.purse(name, day, one)[2]) if one is not None else None
            used += account.credits_posted + account.credits_pending if account else 0
        issued, available, spent = budget.purse(name, days[0], whose[0])
        there = self.books.accounts.get(available)
        missing = budget.limit(self.at) - used - (there.available() if there else 0)
        filled = [("move", issued, available, str(missing))] if missing > 0 else []
        filled += [("move", available, issued, str(-missing))] if missing < 0 else []
        return [*filled, ("reserve", available, spent, str(bound))]

    def pseudonym(self, budget, day, act, what, place):
        """What names an end user on a day, `-` for all who are not named; none where the call names nobody of that month."""
        names = what.get("pseudonyms", [])
        if budget.of != "end-users":
            return ""
        if not what["end_user"]:
            check(not names, place, "it names nobody, and has a pseudonym")
            return "-"
        check(1 <= len(names) <= 2 and all(re.fullmatch("[0-9a-f]{32}", name) for name in names), place, "it has no pseudonym")
        made = datetime.datetime(1970, 1, 1) + datetime.timedelta(milliseconds=int(act.replace("-", "")[:12], 16))
        check(f"{made:%Y-%m}" == self.at[:7], place, "its pseudonym is of another month")
        return names[0] if f"{day:%Y-%m}" == self.at[:7] else names[1] if len(names) > 1 else None

    def check_budget(self, kind, what, place):
        """A budget is set under an id of its own, and raised or removed while it stands."""
        before = self.budgets.get(what["id"])
        if kind != "budget-set":
            check(before, place, "there is no such budget")
            is_later = kind == "budget-remove" or (int(what["amount"]) > 0 and what["until"] > self.at)
            check(is_later, place, "it raises a budget by nothing, or for no time")
            return
        budget = self.budget_of(what)
        budget.check(place)
        is_new = re.fullmatch("[a-z0-9-]+", what["id"]) and what["id"] not in self.gone
        check(is_new, place, "a budget has an id that it cannot have")
        same = lambda one: (one.of, one.whose, one.asset, one.period)
        check(before is None or same(before) == same(budget), place, "a budget that stands is set to more than another amount")

    def budget_of(self, what):
        return Budget(what["of"], what["whose"], what["asset"], int(what["amount"]), what["period"])

    def change_budget(self, kind, what):
        """What was done to a budget counts from the settlement on."""
        name = what["id"]
        if kind == "budget-set":
            raises = self.budgets[name].raises if name in self.budgets else []
            self.budgets[name] = self.budget_of(what)
            self.budgets[name].raises = raises
        elif kind == "budget-raise":
            self.budgets[name].raises.append((int(what["amount"]), what["until"]))
        else:
            del self.budgets[name]
            self.gone.add(name)

    def check_next(self, what, place):
        """A proposed version is the next one, and names the one in force as the one before it."""
        terms = self.check_memorandum(digest(what["digest"], place), place)
        is_next = terms.version == self.terms.version + 1 == count(what["version"], place)
        check(is_next, place, "it is not the version after the one in force")
        is_named = terms.previous == self.memorandum.hex()
        check(is_named, place, "it does not name the version in force as the one before it")
        for name in ("parties", "vkeys", "recovery"):
            check(terms.head.get(name) == self.terms.head.get(name), place, f"it has other {name} than the version in force")
        return terms

    def take_key(self, act, key, place):
        """An idempotency key belongs to one act for 24 hours, unless that came to nothing."""
        if key is None:
            return
        digest(key, place)
        now = instant(self.at, place)
        taken, at = self.keys.get(key, (None, None))
        is_free = taken is None or now - at >= datetime.timedelta(hours=24)
        check(is_free, place, f"act {act} has the idempotency key of act {taken}")
        self.keys[key] = (act, now)
        self.acts[act].key = key

    def check_digest(self, act, kind, what, claimed, place):
        """What approvals are signed over is the exact thing that waits, and no other act."""
        names = b"".join(name.encode() + b"\0" for name in (self.origin, act, kind))
        of_what = sha256(b"countersign/act/v1\0", names, spelled(what))
        expected = digest(what["digest"], place) if kind == "amend" else of_what
        check(digest(claimed, place) == expected, place, "its digest is not that of what waits")

    def check_allowed(self, kind, part, waited, place):
        what = part["what"]
        if kind == "amend":
            check(waited, place, "an amendment is allowed that nobody approved")
            self.check_next(what, place)
        if kind in ("draw", "expire"):
            check(what["clause"] not in self.booked, place, "it books what was drawn or has expired before")
            self.booked.add(what["clause"])
        if kind == "draw":
            self.check_due(what["clause"], place)
        if kind in ("book", "declare"):
            last = self.last_due.get(what["clause"], "")
            check(last < what["on"] <= self.at[:10], place, "it books what is not due yet, or was booked before")
            self.last_due[what["clause"]] = what["on"]
            before = datetime.date.fromisoformat(what["on"]) - datetime.timedelta(days=kind == "declare")
            self.check_stands(what["clause"], str(before), place)
        if kind == "declare":
            signed = [what["clause"], what["on"], what["revenue"]["asset"], what["revenue"]["amount"]]
            self.check_signature(what["party"], what["signature"], self.words_of("declaration", signed), place)
        if kind == "payment":
            word = (what["clause"], what["reference"], what["party"])
            check(word not in self.words, place, "a party gives its word on a payment twice")
            self.words.add(word)
            given = list(what["paid_in"].values()) if "paid_in" in what else []
            signed = [what["clause"], *what["amount"].values(), *given, what["reference"]]
            about = "converted-payment" if given else "payment"
            self.check_signature(what["party"], what["signature"], self.words_of(about, signed), place)
        if kind == "reconcile":
            self.check_reconciliation(what, place)
        if kind == "withdraw":
            self.check_withdrawal(what, place)
        if kind == "undelivered":
            self.check_undelivered(what, part["who"], place)
        if kind == "approve":
            self.check_approval(what, place)
        if kind == "attest":
            self.check_stands(what["clause"], self.at[:10], place)
            version = self.origin.encode() + b"\0" + self.memorandum
            evidence = digest(what["evidence"], place)
            message = ATTESTATION_DOMAIN + version + attested(what).encode() + b"\0" + evidence
            self.check_signature(what["party"], what["signature"], message, place)
        if kind in WITNESS_KEYS:
            self.check_witness_key(kind, what, place)
        if kind in PARTY_KEYS:
            self.check_party_key(kind, what, place)
        if kind in LOG_KEYS:
            self.check_log_key(kind, what, place)
        if kind in BUDGETS:
            self.check_budget(kind, what, place)
        if kind == "key-new":
            check(":" not in what["id"], place, "a key has the name of another's purse")

    def check_reconciliation(self, what, place):
        """A party gives its word on a report once, and a reconciliation is of a month or a year."""
        is_period = re.fullmatch(r"[0-9]{4}(-(0[1-9]|1[0-2]))?", what["period"], re.ASCII) and what["period"] >= "1970"
        check(is_period, place, f"`{what['period']}` is no period of a reconciliation")
        word = (what["report"], what["party"])
        check(word not in self.reconciled, place, "a party attests a reconciliation twice")
        self.reconciled.add(word)
        signed = [what["period"], what.get("of", ""), what["differing"], what["report"]]
        self.check_signature(what["party"], what["signature"], self.words_of("reconciliation", signed), place)

    def check_withdrawal(self, what, place):
        """A party withdraws once from the version in force, after its notice, from what binds nobody."""
        terms, party, ends, today = self.terms, what["party"], what["ends"], self.at[:10]
        check(party in terms.parties, place, f"`{party}` is not in the memorandum")
        check(digest(what["memorandum"], place) == self.memorandum, place, "it withdraws from what is not in force")
        check(self.ends is None, place, "it withdraws from what a party has withdrawn from before")
        notice = terms.notice(party, place)
        check(any(terms.goes(name, today, today) for name in terms.clauses), place, "it ends nothing")
        first = date_after(datetime.date.fromisoformat(today), notice) if notice else today
        check(first is not None and ends >= str(first), place, f"the notice runs until {first}, and it counts from {ends} on")
        signed = [self.memorandum.hex(), ends]
        self.check_signature(party, what["signature"], self.words_of("withdrawal", signed), place)
        self.ends = ends

    def check_stands(self, name, on, place):
        """A clause has not been given up by a day."""
        gone = self.ends is not None and self.terms.goes(name, self.ends, on)
        check(not gone, place, f"something comes of clause `{name}`, which a withdrawal has ended on {self.ends}")

    def check_undelivered(self, what, who, place):
        """A notice is given up for a receiver by the clerk, once."""
        letter = (what["notice"], what["receiver"])
        check("party" not in who, place, "a notice is recorded as undelivered by another than the clerk")
        check(letter not in self.undelivered, place, "a notice is recorded as undelivered twice")
        check(1 <= len(what["notice"].encode()) <= 512, place, "a notice's id is empty or too long")
        for word in (what["receiver"], what["error"]):
            check(re.fullmatch(r"[a-z0-9-]{1,64}", word), place, f"`{word}` is no receiver's name and no word for an error")
        check(int(what["attempts"]) > 0, place, "a notice is given up that was not tried")
        self.undelivered.add(letter)

    def approvers(self, kind, what):
        """Whom the memorandum asks; for a recovery all parties but the one whose key it is."""
        if kind in ("party-key-recover", "log-key-recover"):
            return [party["id"] for party in self.terms.head["parties"] if party["id"] != what["party"]]
        return self.terms.approvers(kind)

    def check_party_key(self, kind, what, place):
        """A party's key gives way to one that is nobody's, by its own word or by the recovery key that the memorandum names."""
        vkey, party = what["vkey"], what["party"]
        check(party in self.vkeys, place, f"`{party}` has no key that could give way")
        before, key = self.vkeys[party], Key.parse(vkey, place)
        check(key.name == before.name, place, f"the key is named `{key.name}`, not `{before.name}`")
        recovery = {of: Key.parse(safe, place) for of, safe in self.terms.head.get("recovery", {}).items()}
        revoked = [Key.parse(other, place, COSIGNER) for other in self.revoked]
        former = [Key.parse(other, place) for other in self.former]
        taken = [*self.cosigners(place), *revoked, *self.vkeys.values(), *former, *recovery.values(), *self.logs(place)]
        check(not any(key.is_same(other) for other in taken), place, "the key is in use, or was")
        speaks = before
        if kind == "party-key-recover":
            named = self.terms.head.get("recovery", {}).get(party)
            check(named == what["recovery"], place, f"it is not by the recovery key of `{party}`")
            speaks = recovery[party]
        words = ("countersign/party-key/v1", self.origin, kind, party, self.now_of(party), vkey)
        message = "\0".join(words).encode()
        for signer, name in ((speaks, "signature"), (key, "proof")):
            holds = signer.signed(unbase64(what[name], place), message)
            check(holds, place, f"the {name} does not verify, which has `{party}` take another key")

    def logs(self, place):
        """The log's keys, as far as entries name them."""
        named = [act["from"] for _, _, act in self.log_keys[:1]] + [act["vkey"] for _, _, act in self.log_keys]
        return [Key.parse(vkey, place) for vkey in named]

    def check_log_key(self, kind, what, place):
        """The log's key gives way to one that is nobody's, by its own word unless it is lost, and by the operator's."""
        operator = next(party["id"] for party in self.terms.head["parties"] if party["role"] == "operator")
        check(what["party"] == operator, place, f"the log's key is for `{operator}` to change")
        before, key = Key.parse(what["from"], place), Key.parse(what["vkey"], place)
        check(before.name == key.name == self.origin, place, "it is no key of this log")
        check(not self.log_keys or self.log_keys[-1][2]["vkey"] == what["from"], place, "it is not the key that signs")
        recovery = [Key.parse(safe, place) for safe in self.terms.head.get("recovery", {}).values()]
        revoked = [Key.parse(other, place, COSIGNER) for other in self.revoked]
        former = [Key.parse(other, place) for other in self.former]
        taken = [before, *self.logs(place), *self.cosigners(place), *revoked, *self.vkeys.values(), *former, *recovery]
        check(not any(key.is_same(other) for other in taken), place, "the key is in use, or was")
        message = f"{self.origin}\ncountersign/{kind}/v1\nfrom {what['from']}\nto {what['vkey']}\n".encode()
        check(key.signed(unbase64(what["taken"], place), message), place, "the next key of the log has not taken over")
        if kind == "log-key-change":
            handed = before.signed(unbase64(what["handed"], place), message)
            check(handed, place, "the key of the log has not handed over")
        self.check_signature(what["party"], what["signature"], message, place)

    def signs(self, first, size):
        """The vkey that signs a checkpoint of this size."""
        since = [act["vkey"] for index, _, act in self.log_keys if index < size]
        return since[-1] if since else first

    def handover(self):
        """The file that says how the log's keys handed over."""
        lines = [f"{act['from']} {act['vkey']} {act.get('handed', '-')} {act['taken']}\n" for _, _, act in self.log_keys]
        return "".join(lines).encode()

    def now_of(self, party):
        """The vkey of a party that counts."""
        return self.chains[party][-1]

    def check_witness_key(self, kind, what, place):
        """A party itself says by which keys it cosigns, and by which no more."""
        vkey, party = what["vkey"], what["party"]
        message = "\0".join(("countersign/witness-key/v1", self.origin, kind, vkey)).encode()
        self.check_signature(party, what["signature"], message, place)
        if kind == "witness-key-revoke":
            check(self.witnesses.get(vkey) == party, place, f"`{party}` does not cosign by `{vkey}`")
            return
        key = Key.parse(vkey, place, COSIGNER)
        names = [f"{self.origin}/{party}/{word}" for word in ("w1", "w2")]
        check(key.name in names, place, f"`{key.name}` is no name to cosign by")
        revoked = [Key.parse(other, place, COSIGNER) for other in self.revoked]
        former = [Key.parse(other, place) for other in self.former]
        taken = [*self.cosigners(place), *revoked, *self.vkeys.values(), *former, *self.logs(place)]
        check(not any(key.is_same(other) for other in taken), place, "the key is in use already")

    def cosigners(self, place):
        return [Key.parse(vkey, place, COSIGNER) for vkey in self.witnesses]

    def check_due(self, name, place):
        """A tranche is drawn on its date, or when all have attested its milestone by one evidence."""
        clause = self.terms.clauses.get(name, {})
        is_tranche = clause.get("kind") == "cash-tranche" and not clause.get("already_paid")
        check(is_tranche, place, f"the version in force has no tranche `{name}`")
        if "due" in clause:
            check(str(clause["due"]) <= self.at[:10], place, f"tranche `{name}` is drawn before its day")
            self.check_stands(name, str(clause["due"]), place)
            return
        given = [parties for (of, _), parties in self.attested.items() if of == name]
        is_met = any(parties >= set(clause["attested_by"]) for parties in given)
        check(is_met, place, f"tranche `{name}` is drawn without the attestations that it asks for")

    def words_of(self, what, parts):
        return "\0".join((f"countersign/{what}/v1", self.origin, *parts)).encode()

    def net(self, name):
        account = self.books.accounts.get(name)
        return account.credits_posted - account.debits_posted if account else 0

    def check_owed(self, act, moves, place):
        """What falls due by the calendar is what the clause in force says, and the word on a payment that of a side."""
        name = act.what["clause"]
        if act.kind == "payment":
            version = next((version for version in reversed(self.versions) if name in version.clauses), None)
            check(version, place, f"no clause is or was named `{name}`")
            clause = version.clauses[name]
            sides = [clause.get(side) for side in SIDES.get(clause["kind"], ())]
            check(act.what["party"] in sides, place, f"`{act.what['party']}` has no word on payments under `{name}`")
            check(version.is_binding(clause), place, "nothing is paid under a clause that is not binding")
            check(bool(moves) == (act.what["party"] == sides[1]), place, "a debt is settled by another's word than that of who is paid")
            return
        clause = self.terms.clauses.get(name, {})
        memo = "" if self.terms.is_binding(clause) else "memo:"
        owed = [move for move in moves if not move["debit"].startswith("rounding:")]
        amount = int(owed[0]["amount"]) if owed else 0
        is_its = all(move["debit"].startswith("memo:") == bool(memo) for move in owed)
        check(is_its, place, "it books what is due as if the clause had another force")
        taken = lambda stage: sum(int(move["amount"]) for move in owed if move["debit"].endswith(stage))
        pool = f"{memo}{'revenue' if act.kind == 'declare' else 'minimum'}:{name}"
        agreed = -self.net(f"{pool}:agreed") - taken(":agreed")
        left = self.net(f"{pool}:open") + taken(":open")
        expected = self.terms.due(name, act.what, agreed, left, place)
        check(amount == expected, place, f"`{name}` makes {expected} due on {act.what['on']}, and {amount} is booked")

    def check_erased(self, what, who, place):
        """What is due by a clause is erased by the clerk, each month once and not before its day; anything else by somebody."""
        is_due = "clause" in what
        check(is_due == ("party" not in who), place, "it erases what is due and is not the clerk's, or the other way round")
        check(is_due != ("keys" in what), place, "it counts the keys of what is due, or counts none")
        if not is_due:
            return False
        check("subject" not in what, place, "what is due is erased of everybody")
        audiences, since, erased = self.kept.get(what["application"], (set(), None, None))
        check(audiences, place, f"no application was named `{what['application']}`")
        check(what["before"][7:] == "-01T00:00:00.000Z", place, "it erases less than a month")
        check(what["before"] > (erased or since), place, "it erases what was erased before, or was not there")
        day, clauses = self.terms.erasure(what["application"], audiences, instant(what["before"], place).date())
        check(what["clause"] in clauses, place, f"no schedule of clause `{what['clause']}` erases it")
        check(day <= instant(self.at, place).date(), place, f"it is erased before {day}")
        self.kept[what["application"]] = (audiences, since, what["before"])
        return True

    def check_approval(self, what, place):
        waiting = self.waiting.get(what["act"])
        check(waiting and waiting["digest"] == what["digest"], place, "it approves what does not wait")
        check(what["party"] in waiting["by"], place, "it approves what it is not asked for")
        check(what["party"] not in waiting["given"], place, "it approves twice")
        signed = digest(what["digest"], place)
        domain = MEMORANDUM_DOMAIN if waiting["kind"] == "amend" else APPROVAL_DOMAIN
        self.check_signature(what["party"], what["signature"], domain + signed, place)
        if waiting["kind"] == "amend":
            self.check_memorandum(signed, place)

    def fold_settled(self, index, part, place):
        name, what, money = part["act"]["id"], part["what"], part["money"]
        check(name in self.open, place, f"act {name} is settled but is not open")
        self.open.remove(name)
        self.at_once = None
        act = self.acts[name]
        if name in self.amending:
            proposed = self.amending.pop(name)
            if what["ended"] == "done":
                self.terms, self.memorandum = self.check_next(act.what, place), proposed
                self.versions.append(self.terms)
                self.attested, self.ends = {}, None
        if act.kind == "attest" and what["ended"] == "done":
            evidence = (attested(act.what), act.what["evidence"])
            self.attested.setdefault(evidence, set()).add(act.what["party"])
        if act.kind in BUDGETS and what["ended"] == "done":
            self.change_budget(act.kind, act.what)
        if act.kind in LOG_KEYS and what["ended"] == "done":
            self.log_keys.append((index, act.kind, act.what))
        if act.kind in PARTY_KEYS and what["ended"] == "done":
            party = act.what["party"]
            self.former.append(self.now_of(party))
            self.chains[party].append(act.what["vkey"])
            self.vkeys[party] = Key.parse(act.what["vkey"], place)
        if act.kind == "application-add" and what["ended"] == "done":
            audiences, since, erased = self.kept.get(act.what["name"], (set(), self.at, None))
            self.kept[act.what["name"]] = (audiences | {act.what["audience"]}, since, erased)
        if act.kind == "erase" and "clause" in act.what:
            check(what["ended"] == "done", place, "it ends otherwise than as done, and is due by a clause")
        if act.kind == "witness-key-add" and what["ended"] == "done":
            self.witnesses[act.what["vkey"]] = act.what["party"]
        if act.kind == "witness-key-revoke" and what["ended"] == "done":
            del self.witnesses[act.what["vkey"]]
            self.revoked.append(act.what["vkey"])
        if act.kind == "approve" and what["ended"] == "done":
            self.waiting[act.what["act"]]["given"].append(act.what["party"])
        if what["ended"] in ("failed", "lost", "lapsed") and self.keys.get(act.key, (None,))[0] == name:
            del self.keys[act.key]
        check(integer(what["decided"], place) == act.decided, place, "it names another decision")
        check(part["act"]["kind"] == act.kind, place, "it names another kind of act")
        is_over = act.lapses is not None and act.lapses <= self.at
        check(what["ended"] != "lapsed" or is_over, place, "it lapses before its time is up")
        self.move(name, money["transfers"], place)
        for leg in act.reserved:
            check((name, leg) not in self.books.pending, place, "a settled act still holds a reservation")
        act.settled, act.ended, act.usage = index, what["ended"], what.get("usage")
        if "charged" in money:
            check(act.kind == "infer", place, "it charges for what is no call")
            check(what["ended"] in ("done", "cancelled"), place, "it charges for what costs nothing")
            act.charged = integer(money["charged"]["amount"], place)
        moves = money["transfers"]
        if act.kind == "infer":
            check_call(what["ended"], money.get("charged"), moves, place)
        else:
            check(what["ended"] == "done" or not moves, place, "it moves money for what was not done")
            self.check_moves(act, what["ended"], moves, place)

    def check_moves(self, act, ended, moves, place):
        """What acts that are no calls move: openings, bookings, and the budget of a new key."""
        check(all(move["op"] == "move" for move in moves), place, "it does more than to move")
        if act.kind == "amend":
            check(all(is_levelled(move) for move in moves), place, "it moves what no amendment moves")
            return
        expected = []
        if act.kind == "draw":
            expected = [("commitment:" + act.what["clause"], ":undrawn", ":drawn")]
        elif act.kind == "expire":
            clause = act.what["clause"]
            expected = [("commitment:" + clause, ":undrawn", ":lapsed"), ("credit:" + clause, ":available", ":breakage")]
        elif act.kind == "book":
            clause = act.what["clause"]
            expected = [("capacity:" + clause, ":billed", ":owed"), ("minimum:" + clause, ":open", ":shortfall")]
        elif act.kind == "declare":
            clause = "revenue:" + act.what["clause"]
            expected = [(clause, ":open", ":owed"), (clause, ":agreed", ":owed")]
        elif act.kind == "payment":
            stages = (("commitment", ":drawn"), ("minimum", ":shortfall"), ("capacity", ":owed"), ("revenue", ":owed"))
            sums, target = [act.what["amount"]], ":paid"
            if "paid_in" in act.what:
                asset, amount = act.what["paid_in"]["asset"], act.what["paid_in"]["amount"]
                sums, target = [*sums, {"asset": asset, "amount": amount}], ":converted"
                expected = [(f"{head}:{act.what['clause']}", f":converted:{asset}", f":paid:{asset}") for head, _ in stages]
            expected += [(f"{head}:{act.what['clause']}", stage, target) for head, stage in stages]
            paid = [{"asset": move["asset"], "amount": move["amount"]} for move in moves]
            check(paid in ([], sums), place, "it settles another amount than was paid")
        elif act.kind == "key-new" and act.what["budget"] is not None:
            expected = [("budget:" + act.what["id"], ":issued", ":available")]
            budget = [{"asset": move["asset"], "amount": move["amount"]} for move in moves]
            check(ended != "done" or budget == [act.what["budget"]], place, "a key gets another budget than it was given")
        if act.kind in ("book", "declare", "payment") and ended == "done":
            self.check_owed(act, moves, place)
        if act.kind == "declare":
            moves = moves[:1] if len(moves) == 2 and is_rounding(moves[1]) else [] if moves and is_rounding(moves[0]) else moves
        check(len(moves) <= (2 if "paid_in" in act.what else 1), place, "it moves more than one thing")
        for move in moves:
            stems = [(stem_of(move, source, target) or "", stem) for stem, source, target in expected]
            holds = any(found in (stem, "memo:" + stem) for found, stem in stems)
            check(holds, place, "it moves what no act of its kind moves")
            if act.kind in ("draw", "expire"):
                left = self.books.accounts[move["debit"]].available()
                check(left == 0, place, "it does not move all that it books")

    def fold_clock(self, index, part, place):
        check(part["clock"]["was"] > part["clock"]["now"], place, "the clock did not step back")

    def fold_tally(self, index, part, place):
        keys = [line["key"] for line in part["tally"]["refused"]]
        check(keys == sorted(set(keys)), place, "its keys are not in order")
        for line in part["tally"]["refused"]:
            check(count(line["count"], place) > 0, place, "it counts nothing")

    def fold_state_digest(self, index, part, place):
        check(digest(part["state"]["digest"], place) == self.projection(), place, "the state's digest differs")

    def fold_lease(self, index, part, place):
        lease = part["lease"]
        lasts = instant(lease["expires"], place) - instant(lease["at"], place)
        check(datetime.timedelta(0) < lasts <= datetime.timedelta(days=1), place, "a lease lasts a day at most")
        check(count(lease["calls"], place) > 0, place, "it caps no calls")
        assets = [cap["asset"] for cap in lease["amounts"]]
        check(assets == sorted(set(assets)), place, "its assets are not in order")
        for cap in lease["amounts"]:
            check(integer(cap["amount"], place) > 0, place, "it caps nothing")

    def projection(self):
        """SHA-256 over the root of a tree of all accounts, as the entries first name them, and the open acts."""
        leaves = []
        for name, account in self.books.accounts.items():
            sums = (account.debits_posted, account.credits_posted, account.debits_pending, account.credits_pending)
            leaves.append(leaf_hash("\t".join([name, account.asset, *map(str, sums)]).encode()))
        root = base64.b64encode(tree_root(leaves)).decode()
        text = f"accounts\t{len(leaves)}\t{root}\n" + "".join(f"open\t{act}\n" for act in sorted(self.open))
        return sha256(text.encode())


def signed_by(raw, keys, place):
    """The key of these that signed a note, alone."""
    for key in keys:
        try:
            open_note(raw, key, place)
            return key
        except Broken:
            pass
    raise Broken(f"{place}: no key of the log signed it, or another key did too")


def check_keys(lines, given, chains):
    """Of each owner the first of its keys are served, and the record leads from those that were given to the ones it has."""
    for chain in chains:
        there = [line for line in lines if line in chain]
        check(there and there == chain[: len(there)], "vkeys", "its keys are not those that the entries say")
    ever = [key for chain in chains for key in chain]
    check(all(line in ever for line in lines), "vkeys", "it has keys that are nobody's")
    check(len(set(lines)) == len(lines), "vkeys", "a key stands twice")
    if given is None:
        return
    trusted = given.splitlines()
    known = all(key in ever for key in trusted) and all(set(chain) & set(trusted) for chain in chains)
    check(known, "vkeys", "the keys that were given are not those of the record, nor came they before them")


def replay(folder, vkeys=None):
    """Reads and checks a whole record; `vkeys` is the text of a file of public keys that the reader trusts."""
    files = Files(folder)
    served = files.read("vkeys").decode()
    lines = served.splitlines()
    check(lines and served == "\n".join(lines) + "\n", "vkeys", "it is not a list of lines")
    log = Key.parse(lines[0], "vkeys")
    logs = [line for line in lines if line.partition("+")[0] == log.name]
    check(logs == lines[: len(logs)], "vkeys", "the log's keys are not its first")
    signer = signed_by(files.read("checkpoint"), [Key.parse(key, "vkeys") for key in logs], "checkpoint")
    text = open_note(files.read("checkpoint"), signer, "checkpoint").splitlines()
    check(len(text) == 3 and text[0] == log.name, "checkpoint", "it is not of this log")
    size, root = integer(text[1], "checkpoint"), digest(text[2], "checkpoint")
    envelopes, parties = files.bundles("tile/entries", size), files.bundles("parties/entries", size)
    leaves = [leaf_hash(envelope) for envelope in envelopes]
    check(tree_root(leaves) == root, "checkpoint", "its root is not that of the entries")
    files.check_all(leaves, envelopes, parties)
    state = Replay(files)
    for index, (envelope, part) in enumerate(zip(envelopes, parties)):
        try:
            state.entry(index, envelope, part)
        except (LookupError, TypeError, ValueError) as error:
            raise Broken(f"entry {index}: a field is missing or of another type: {error!r}") from error
    check(state.origin == log.name, "entry 0", "it begins another log")
    first = state.log_keys[0][2]["from"] if state.log_keys else lines[0]
    chain = [first, *(act["vkey"] for _, _, act in state.log_keys)]
    check_keys(lines, vkeys, [chain, *state.chains.values()])
    check(signer.is_same(Key.parse(state.signs(first, size), "vkeys")), "checkpoint", "another key signs at its size")
    handover = files.read("handover") if "handover" in files.names() else b""
    whole = not handover or handover.endswith(b"\n")
    check(whole and state.handover().startswith(handover), "handover", "it is not what the entries say")
    if "cosigned" in files.names():
        head = files.read("cosigned").split(b"\n")[1].decode()
        log = Key.parse(state.signs(first, integer(head, "cosigned")), "vkeys")
        cosigned = open_cosigned(files.read("cosigned"), log, state.cosigners("cosigned"), "cosigned").splitlines()
        check(len(cosigned) == 3 and cosigned[0] == log.name, "cosigned", "it is not of this log")
        check(0 < integer(cosigned[1], "cosigned") <= size, "cosigned", "the record has not as many entries")
        root = tree_root(leaves[: integer(cosigned[1], "cosigned")])
        check(digest(cosigned[2], "cosigned") == root, "cosigned", "its root is not that of the entries")
    state.books.check_trial_balance()
    held = {act for act, _ in state.books.pending}
    check(held <= state.open, "books", "a reservation is held by an act that is not open")
    return size, state


def report(size, state):
    settled = [act for act in state.acts.values() if act.settled is not None]
    return {
        "origin": state.origin,
        "entries": size,
        "allowed": sum(act.decision == "allow" for act in state.acts.values()),
        "refused": sum(act.decision == "deny" for act in state.acts.values()),
        "waiting": sorted(state.waiting),
        "settled": len(settled),
        "open": sorted(state.open),
        "balances": state.books.lines(),
    }


MEMORANDUM_DOMAIN = b"countersign/memorandum/v1\0"
APPROVAL_DOMAIN = b"countersign/approval/v1\0"
ATTESTATION_DOMAIN = b"countersign/attestation/v1\0"


def main():
    parser = argparse.ArgumentParser(description="Verifies a record by its documents alone.")
    parser.add_argument("record", help="the folder that holds `checkpoint`")
    parser.add_argument("--vkeys", help="a file of public keys to trust, one a line, the log's first")
    arguments = parser.parse_args()
    vkeys = pathlib.Path(arguments.vkeys).read_text(encoding="utf-8") if arguments.vkeys else None
    try:
        print(json.dumps(report(*replay(arguments.record, vkeys)), indent=2))
    except Broken as broken:
        sys.exit(f"broken: {broken}")
    except ValueError as error:
        sys.exit(f"broken: {error}")


if __name__ == "__main__":
    main()
