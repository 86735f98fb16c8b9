//! What was verified, for a person and for a program.
//!
//! Not here: the verifying.

use super::{Depth, Verified};
use ledger::{Amount, AssetId};
use record::hash::{base64, hex};
use record::note::Verifier;
use replay::{Account, Succession, Sums};
use serde_json::{Value, json};
use std::fmt::Write as _;

impl Verified {
    /// The report for a person. Shape: lines, without the last newline.
    pub(crate) fn text(&self) -> String {
        let mut lines = vec![
            format!("{} holds{}: every byte{} is accounted for", self.origin, self.as_far_as(), self.since()),
            row("entries", &self.entries()),
            row("root", &base64(&self.audited.root)),
            row("acts", &self.acts()),
            row("settled", &self.settlements()),
            row("reserved", &self.reservations()),
            row("memorandum", &self.memorandum()),
            row("clauses", self.clauses()),
            row("balances", "debits equal credits in every asset, and no limit was broken"),
        ];
        lines.extend(
            self.replay.accounts().map(|account| format!("    {}  {}", account.name, self.balance(&account))),
        );
        lines.extend(
            self.replay
                .open()
                .map(|open| format!("    open: {}, {} since {}", open.id, open.kind.name(), open.at)),
        );
        lines.extend(self.lease().map(|lease| row("lease", &lease)));
        lines.extend(self.audited.leftovers.iter().map(|path| format!("    left by a cut write: {path}")));
        lines.extend(self.before.as_ref().map(|before| row("before", &before.text())));
        lines.extend(self.replay.successions().iter().map(|succession| {
            let (party, index, by) = (&succession.party, succession.index, by(succession));
            row("key", &format!("of {party} since entry {index}, by {by}: {}", succession.to))
        }));
        lines.extend(self.replay.log_successions().iter().map(|one| {
            let by = if one.handed.is_some() {
                "the key before it and the operator"
            } else {
                "the operator and the other parties, the key before it being lost"
            };
            row("key", &format!("of the log since entry {}, by {by}: {}", one.index, one.to))
        }));
        lines.push(row("keys", self.keys()));
        lines.extend(self.saved.map(|state| row("saved", &format!("sha256 {}", base64(&state)))));
        lines.join("\n")
    }

    /// The report for a program.
    pub(crate) fn json(&self) -> Value {
        let counts = self.replay.counts();
        json!({
            "holds": true,
            "origin": self.origin,
            "entries": self.audited.entries,
            "checkpoint_size": self.audited.checkpoint.as_ref().map(|head| head.size),
            "root": base64(&self.audited.root),
            "acts": { "allowed": counts.allowed, "refused": counts.refused, "waited": counts.waited },
            "settled": seen(self.ended()),
            "reservations": seen(self.reserved()),
            "lease": self.replay.lease().map(|lease| json!({
                "calls": lease.calls,
                "expires": lease.expires.to_string(),
                "amounts": lease.amounts.iter().map(|(asset, amount)| json!({
                    "amount": self.display(*amount, asset),
                    "asset": asset,
                })).collect::<Vec<_>>(),
            })),
            "open": self.replay.open().map(|open| open.id.to_string()).collect::<Vec<_>>(),
            "memorandum": self.replay.versions().last().map(|version| json!({
                "version": self.terms.as_ref().map(partnership::Terms::version),
                "digest": hex(&version.digest),
                "signed_by": version.signed_by,
            })),
            "clauses_judged": self.depth == Depth::Clauses,
            "balances": self.replay.accounts().map(|account| self.account(&account)).collect::<Vec<_>>(),
            "keys_verified": self.trusted.is_given(),
            "before": self.before.as_ref().map(|before| json!({
                "entries": before.head.size,
                "root": base64(&before.head.root),
                "state": base64(&before.state),
            })),
            "saved": self.saved.map(|state| base64(&state)),
            "log_key_changes": self.replay.log_successions().iter().map(|one| json!({
                "entry": one.index,
                "from": one.from.vkey(),
                "vkey": one.to.vkey(),
                "recovered": one.handed.is_none(),
            })).collect::<Vec<_>>(),
            "key_changes": self.replay.successions().iter().map(|succession| json!({
                "party": succession.party,
                "entry": succession.index,
                "from": succession.from.vkey(),
                "vkey": succession.to.vkey(),
                "recovered": succession.recovery.is_some(),
            })).collect::<Vec<_>>(),
        })
    }

    fn entries(&self) -> String {
        let covered = self.audited.checkpoint.as_ref().map_or(0, |head| head.size);
        let beyond = self.audited.entries.saturating_sub(covered);
        let unsigned =
            if beyond > 0 { format!("; the last {beyond} nobody has signed yet") } else { String::new() };
        format!("{}, of which {covered} are under the checkpoint{unsigned}", self.audited.entries)
    }

    fn acts(&self) -> String {
        let counts = self.replay.counts();
        format!("{} allowed, {} refused, {} made to wait", counts.allowed, counts.refused, counts.waited)
    }

    /// How often acts ended, by how, in the order of the words.
    fn ended(&self) -> [(&'static str, u64); 5] {
        let counts = self.replay.counts();
        [
            ("cancelled", counts.cancelled),
            ("done", counts.done),
            ("failed", counts.failed),
            ("lapsed", counts.lapsed),
            ("lost", counts.lost),
        ]
    }

    /// Reservations made, and those that ended: posted, void or lapsed.
    fn reserved(&self) -> [(&'static str, u64); 4] {
        let counts = self.replay.counts();
        [
            ("made", counts.reserved),
            ("posted", counts.posted),
            ("void", counts.void),
            ("lapsed", counts.run_out),
        ]
    }

    fn settlements(&self) -> String {
        let mut text = String::new();
        for (ended, count) in self.ended().into_iter().filter(|(_, count)| *count > 0) {
            let written = write!(text, "{count} {ended}, ");
            debug_assert!(written.is_ok(), "a string takes all text");
        }
        format!("{text}{} still open; none twice", self.replay.open().count())
    }

    fn reservations(&self) -> String {
        let [(_, made), ended @ ..] = self.reserved();
        let open = ended.iter().fold(made, |open, (_, count)| open.saturating_sub(*count));
        let ended: Vec<_> = ended.iter().map(|(what, count)| format!("{count} {what}")).collect();
        format!(
            "{made} times: {}, {open} still open; none twice, none beyond what was there",
            ended.join(", ")
        )
    }

    fn memorandum(&self) -> String {
        match (self.replay.versions().last(), &self.terms) {
            (Some(version), Some(terms)) => {
                let (number, digest) = (terms.version(), hex(&version.digest));
                format!("version {number}, signed by {}, sha256 {digest}", version.signed_by.join(" and "))
            }
            _ => "none is in force yet".to_owned(),
        }
    }

    /// Which bytes were read, where not all were.
    fn since(&self) -> String {
        self.before.as_ref().map(|before| format!(" since entry {}", before.head.size)).unwrap_or_default()
    }

    /// How far what holds was looked into.
    fn as_far_as(&self) -> &'static str {
        match self.depth {
            Depth::Clauses => "",
            Depth::Entries => ", as far as the entries tell",
        }
    }

    /// Whether the clauses were asked again.
    fn clauses(&self) -> &'static str {
        match self.depth {
            Depth::Clauses => "every decision and settlement judged again, policies and prices included",
            Depth::Entries => {
                "versions, approvals and draws compared; whether each act should have been allowed, refused or made to wait not judged (policies, bounds of funds, prices, registrations); give `--policies`"
            }
        }
    }

    /// What may have been done and not recorded, if the record ends in a crash.
    fn lease(&self) -> Option<String> {
        let lease = self.replay.lease()?;
        let shown = |(asset, amount): &(String, i128)| {
            format!(", of {} {asset} at most", self.display(*amount, asset))
        };
        let amounts: String = lease.amounts.iter().map(shown).collect();
        Some(format!("a crash may leave up to {} calls under way unrecorded{amounts}", lease.calls))
    }

    fn balance(&self, account: &Account<'_>) -> String {
        let (asset, sums) = (account.asset, account.sums);
        let net = self.display(net(&sums), asset);
        if sums.debits_pending == 0 {
            format!("{net} {asset}")
        } else {
            format!("{net} {asset}, {} of it reserved", self.display(sums.debits_pending, asset))
        }
    }

    fn account(&self, account: &Account<'_>) -> Value {
        let Account { name, asset, sums } = *account;
        let shown = |minor: i128| json!({ "amount": self.display(minor, asset), "asset": asset });
        json!({
            "name": name,
            "asset": asset,
            "available": shown(net(&sums).saturating_sub(sums.debits_pending)),
            "pending": shown(sums.debits_pending),
            "posted_debits": shown(sums.debits_posted),
            "posted_credits": shown(sums.credits_posted),
        })
    }

    /// An amount with the decimals that the memorandum gives its asset.
    fn display(&self, minor: i128, asset: &str) -> String {
        let header = self.terms.as_ref().map(|terms| &terms.memorandum().header);
        let scale = header.and_then(|header| header.scale(&AssetId::from(asset))).unwrap_or(0);
        Amount::new(minor).display(scale).to_string()
    }

    fn keys(&self) -> &'static str {
        let counts = |key: &Verifier| self.trusted.has(key);
        let logs = self.replay.log_successions().last().map(|one| &one.to);
        if self.trusted.is_given() && self.replay.vkeys().chain(logs).all(counts) {
            "exactly those of your file"
        } else if self.trusted.is_given() {
            "those of your file, and those that came after them as told above"
        } else {
            "as served, not verified; give `--vkeys FILE`"
        }
    }
}

/// By what one key came after another.
fn by(succession: &Succession) -> &'static str {
    match succession.recovery {
        None => "the key before it",
        Some(_) => "its recovery key and the other parties",
    }
}

fn row(name: &str, what: &str) -> String {
    format!("  {name:<11} {what}")
}

/// Posted credits less posted debits.
fn net(sums: &Sums) -> i128 {
    sums.credits_posted.saturating_sub(sums.debits_posted)
}

/// The counts that are not zero, as an object.
fn seen<const N: usize>(counts: [(&'static str, u64); N]) -> Value {
    counts
        .into_iter()
        .filter(|(_, count)| *count > 0)
        .map(|(what, count)| (what.to_owned(), json!(count)))
        .collect()
}
