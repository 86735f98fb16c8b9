"""A second verifier of a record, in another language and with no code of the first. A test, not a product.

It reads a record's folder by four texts alone: C2SP tlog-tiles, tlog-checkpoint, signed-note, and docs/RECORD.md. It checks
the checkpoint's signature, every file but the journal's, every commitment, every party's signature and every limit, and
adds up all balances by itself. It does not read the journal, so it sees what is published: all of it after a graceful stop.

Usage: verify.py RECORD [--vkeys FILE]. Prints one JSON object; exit 1 and a sentence where something does not hold.
Needs: Python 3.9 or newer, and `cryptography` for Ed25519.
"""

import argparse
import base64
import datetime
import hashlib
import json
import pathlib
import re
import sys
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

WIDTH = 256
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


def integer(text, place):
    check(isinstance(text, str) and re.fullmatch(r"0|-?[1-9][0-9]*", text), place, f"`{text}` is no integer")
    return int(text)


def instant(text, place):
    check(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", text), place, f"`{text}` is no time")
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


# Keys and notes: C2SP signed-note.


@dataclass
class Key:
    name: str
    id: bytes
    public: Ed25519PublicKey

    @classmethod
    def parse(cls, vkey, place):
        match = re.fullmatch(r"([^+\s]+)\+([0-9a-f]{8})\+(\S+)", vkey)
        check(match, place, f"`{vkey}` is no vkey")
        name, key_id, encoded = match.groups()
        raw = unbase64(encoded, place)
        check(len(raw) == 33 and raw[0] == 1, place, f"the key of `{name}` is not Ed25519")
        expected = sha256(name.encode(), b"\n", raw)[:4]
        check(expected.hex() == key_id, place, f"the key id of `{name}` is wrong")
        return cls(name, expected, Ed25519PublicKey.from_public_bytes(raw[1:]))

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

    def bundles(self, prefix, size):
        entries = []
        for number, width in widths(size):
            path = tile_path(prefix, number, width)
            entries += split_bundle(self.read(path), width, path)
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
            elif path not in ("checkpoint", "vkeys"):
                self.check_tile(path, rows)

    def check_tile(self, path, rows):
        match = re.fullmatch(r"((?:tile|parties)/(?:\d|entries))/((?:x\d{3}/)*\d{3})(?:\.p/(\d+))?", path)
        check(match and match[1] in rows, path, "the format has no file of this name")
        number, width = int(re.sub("[x/]", "", match[2])), int(match[3] or WIDTH)
        check(tile_path(match[1], number, width) == path, path, "its name is spelled in another way")
        items = rows[match[1]][number * WIDTH : number * WIDTH + width]
        check(len(items) == width, path, "the record has no entries for this file")
        check(self.read(path) == b"".join(items), path, "its content is not that of the entries")


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
        amount = integer(move["amount"], place)
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
        held = integer(reserved["amount"], place)
        check(amount <= held if move["op"] == "post" else amount == held, place, "it ends with another amount")
        debit.debits_pending -= held
        credit.credits_pending -= held
        if move["op"] == "post":
            debit.debits_posted += amount
            credit.credits_posted += amount

    @staticmethod
    def check_limit(name, account, place):
        guarded = name.endswith((":available", ":undrawn")) and not name.startswith("memo:")
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
    settled: int = None
    ended: str = None
    usage: dict = None
    charged: int = None
    key: str = None


class Replay:
    """What all entries add up to, worked out from their explicit transfers alone."""

    def __init__(self, files):
        self.files = files
        self.books = Books()
        self.acts = {}
        self.open = set()
        self.waiting = {}
        self.vkeys = {}
        self.vkey_lines = []
        self.origin = None
        # The version in force, those that approved amendments would put in force, and an act that the next entry must settle.
        self.memorandum = None
        self.amending = {}
        self.at_once = None
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
        self.folds[kind](index, part, place)

    def check_time(self, at, hour, place):
        instant(at, place)
        check(at >= self.at, place, "time went back")
        check(hour == at[:13] + "Z", place, "the envelope's hour is another")
        self.at = at

    def check_memorandum(self, sha, place):
        text = self.files.read(f"memorandum/{sha.hex()}")
        check(sha256(text) == sha, place, "the memorandum's bytes have another digest")

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
        self.vkey_lines = [line["value"] for line in genesis["vkeys"]]
        self.vkeys = {line["party"]: Key.parse(line["value"], place) for line in genesis["vkeys"]}
        memorandum = digest(genesis["memorandum"], place)
        self.check_memorandum(memorandum, place)
        self.memorandum = memorandum
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
        check(all(move["op"] == "reserve" for move in transfers), place, "a decision does more than to reserve")
        check(("lapses" in part["money"]) == is_call, place, "an allowed call lapses at some time, and nothing else does")
        if waited:
            check(set(waited["given"]) >= set(waited["by"]), place, "it goes on before all have approved")
            check(waited["same"] == (kind, part["what"]), place, "it is another act than the one that waited")
        self.move(act, transfers, place)
        reserved = [move["leg"] for move in transfers if move["op"] == "reserve"]
        self.acts[act] = Act(kind, index, decision, reserved, part["money"].get("lapses"))
        if decision == "escalate":
            check(not waited, place, "it escalates twice")
            self.check_digest(act, kind, part["what"], why["digest"], place)
            check(why["by"], place, "it waits for nobody")
            same = (kind, part["what"])
            self.waiting[act] = {"by": why["by"], "digest": why["digest"], "kind": kind, "given": [], "same": same}
        if decision == "allow":
            self.take_key(act, part["what"].get("idempotency"), place)
            self.open.add(act)
            self.at_once = act if kind not in ("infer", "amend") else None
            if kind == "amend":
                self.amending[act] = digest(part["what"]["digest"], place)
            self.check_allowed(kind, part["what"], waited, place)

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

    def check_allowed(self, kind, what, waited, place):
        if kind == "amend":
            check(waited, place, "an amendment is allowed that nobody approved")
        if kind == "approve":
            self.check_approval(what, place)
        if kind == "attest":
            version = self.origin.encode() + b"\0" + self.memorandum
            evidence = digest(what["evidence"], place)
            message = ATTESTATION_DOMAIN + version + what["clause"].encode() + b"\0" + evidence
            self.check_signature(what["party"], what["signature"], message, place)

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
        waiting["given"].append(what["party"])

    def fold_settled(self, index, part, place):
        name, what, money = part["act"]["id"], part["what"], part["money"]
        check(name in self.open, place, f"act {name} is settled but is not open")
        self.open.remove(name)
        self.at_once = None
        if name in self.amending:
            proposed = self.amending.pop(name)
            self.memorandum = proposed if what["ended"] == "done" else self.memorandum
        act = self.acts[name]
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
            check(what["ended"] in ("done", "cancelled"), place, "it charges for what costs nothing")
            act.charged = integer(money["charged"]["amount"], place)
        self.check_charge(act.charged, money["transfers"], place)

    @staticmethod
    def check_charge(charged, moves, place):
        """What is posted on binding grants is what is charged; what the operator bears comes on top."""
        granted = [move for move in moves if move["op"] == "post" and move["debit"].startswith("credit:")]
        total = sum(integer(move["amount"], place) for move in granted)
        check(not granted or total == charged, place, f"it charges {charged} and posts {total}")

    def fold_clock(self, index, part, place):
        check(part["clock"]["was"] > part["clock"]["now"], place, "the clock did not step back")

    def fold_tally(self, index, part, place):
        keys = [line["key"] for line in part["tally"]["refused"]]
        check(keys == sorted(set(keys)), place, "its keys are not in order")
        for line in part["tally"]["refused"]:
            check(integer(line["count"], place) > 0, place, "it counts nothing")

    def fold_state_digest(self, index, part, place):
        check(digest(part["state"]["digest"], place) == self.projection(), place, "the state's digest differs")

    def fold_lease(self, index, part, place):
        lease = part["lease"]
        check(list(lease) == ["at", "expires", "calls", "amounts"], place, "a lease has other fields")
        lasts = instant(lease["expires"], place) - instant(lease["at"], place)
        check(datetime.timedelta(0) < lasts <= datetime.timedelta(days=1), place, "a lease lasts a day at most")
        check(integer(lease["calls"], place) > 0, place, "it caps no calls")
        assets = [cap["asset"] for cap in lease["amounts"]]
        check(assets == sorted(set(assets)), place, "its assets are not in order")
        for cap in lease["amounts"]:
            check(list(cap) == ["asset", "amount"] and integer(cap["amount"], place) > 0, place, "it caps nothing")

    def projection(self):
        """SHA-256 over the root of a tree of all accounts, as the entries first name them, and the open acts."""
        leaves = []
        for name, account in self.books.accounts.items():
            sums = (account.debits_posted, account.credits_posted, account.debits_pending, account.credits_pending)
            leaves.append(leaf_hash("\t".join([name, account.asset, *map(str, sums)]).encode()))
        root = base64.b64encode(tree_root(leaves)).decode()
        text = f"accounts\t{len(leaves)}\t{root}\n" + "".join(f"open\t{act}\n" for act in sorted(self.open))
        return sha256(text.encode())


def replay(folder, vkeys=None):
    """Reads and checks a whole record; `vkeys` is the text of a file of public keys that the reader trusts."""
    files = Files(folder)
    served = files.read("vkeys").decode()
    check(vkeys is None or vkeys == served, "vkeys", "the keys are not those that were given")
    lines = served.splitlines()
    check(lines and served == "\n".join(lines) + "\n", "vkeys", "it is not a list of lines")
    log = Key.parse(lines[0], "vkeys")
    text = open_note(files.read("checkpoint"), log, "checkpoint").splitlines()
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
    check(sorted(state.vkey_lines) == sorted(lines[1:]), "vkeys", "its keys are not those of the first entry")
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
