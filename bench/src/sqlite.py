"""Rows a second into SQLite: one transaction a group, each synced. Arguments: file, seconds, rows a group, bytes of both halves."""

import os
import sqlite3
import sys
import time

path, seconds, group, envelope, parties = sys.argv[1], *map(int, sys.argv[2:])
base = sqlite3.connect(path, isolation_level=None)
base.execute("PRAGMA journal_mode=WAL")
base.execute("PRAGMA synchronous=FULL")
base.execute("CREATE TABLE entries (place INTEGER PRIMARY KEY, envelope BLOB NOT NULL, parties BLOB NOT NULL)")
halves = [(os.urandom(envelope), os.urandom(parties)) for _ in range(group)]
begun, rows = time.monotonic(), 0
while time.monotonic() - begun < seconds:
    base.execute("BEGIN IMMEDIATE")
    base.executemany("INSERT INTO entries (envelope, parties) VALUES (?, ?)", halves)
    base.execute("COMMIT")
    rows += group
print(rows / (time.monotonic() - begun))
