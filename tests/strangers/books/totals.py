"""What DuckDB, pandas and Beancount's own loader make of exports, without a hint: sums in minor units, as one JSON object on stdout.

Called with a folder that holds acts.csv, acts.jsonl, focus.csv and books.beancount. Ends with 1 where a reader finds a fault.
"""

import json
import sys
from pathlib import Path

import duckdb
import pandas
from beancount import loader
from beancount.core.data import Transaction

folder = Path(sys.argv[1])
said = {}


def by_asset(rows):
    return {asset: str(int(minor)) for asset, minor in sorted(rows)}


table = f"read_csv('{folder / 'acts.csv'}')"
types = dict(duckdb.sql(f"select column_name, column_type from (describe select * from {table})").fetchall())
said["duckdb_types"] = {name: types[name] for name in ("act", "decided_at", "decided_entry", "cost", "cost_minor", "input_tokens", "estimated")}
said["duckdb"] = by_asset(
    duckdb.sql(f"select asset, sum(cost_minor) from {table} where grants is not null group by asset").fetchall()
)
said["duckdb_rows"] = duckdb.sql(f"select count(*) from {table}").fetchone()[0]
said["duckdb_jsonl"] = by_asset(
    duckdb.sql(
        "select g.paid.asset, sum(g.paid.minor::hugeint) from (select unnest(cost.grants) as g from "
        f"read_json('{folder / 'acts.jsonl'}')) group by all"
    ).fetchall()
)

acts = pandas.read_csv(folder / "acts.csv")
paid = acts[acts["grants"].notna()]
said["pandas_types"] = {name: str(acts[name].dtype) for name in ("decided_entry", "cost_minor", "observed_minor", "estimated")}
said["pandas"] = by_asset(paid.groupby("asset")["cost_minor"].sum().items())
said["pandas_rows"] = len(acts)

focus = pandas.read_csv(folder / "focus.csv", dtype={"EffectiveCost": str})
used = focus[focus["CommitmentDiscountStatus"] == "Used"]
said["focus"] = by_asset(used.groupby("x_Asset")["x_CostMinor"].sum().items())
assert all(int(text.replace(".", "")) == minor for text, minor in zip(focus["EffectiveCost"], focus["x_CostMinor"]))

entries, errors, _ = loader.load_file(str(folder / "books.beancount"))
if errors:
    sys.exit(f"beancount: {errors[0]}")
sums = {}
for entry in entries:
    if isinstance(entry, Transaction) and not entry.narration.endswith("ing balances"):
        for posting in entry.postings:
            account = posting.account
            if (account.startswith("Expenses:Credit:") and account.endswith(":Spent")) or ":Overrun:" in account:
                number, currency = posting.units
                sums[currency] = sums.get(currency, 0) + int(f"{number:f}".replace(".", ""))
said["beancount"] = by_asset(sums.items())
print(json.dumps(said))
