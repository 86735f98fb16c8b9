//! What was verified, for a person and for a program.
//!
//! Not here: the verifying.

use super::Verified;
use ledger::{AccountId, AssetId, Balance};
use partnership::State;
use record::hash::base64;
use serde_json::{Value, json};
use std::fmt::Write as _;

impl Verified {
    /// The report for a person. Shape: lines, without the last newline.
    pub(crate) fn text(&self) -> String {
        let mut lines = vec![
            format!("{} holds: every byte is accounted for", self.origin),
            row("entries", &self.entries()),
            row("root", &base64(&self.audited.root)),
            row("acts", &self.acts()),
            row("settled", &self.settlements()),
            row("reserved", &self.reservations()),
            row("memorandum", &self.memorandum()),
            row("balances", "debits equal credits in every asset, and no limit was broken"),
        ];
        lines.extend(
            self.state
                .book()
                .accounts()
                .map(|(name, asset, _, balance)| format!("    {name}  {}", self.balance(asset, &balance))),
        );
        lines.extend(
            self.state
                .open()
                .map(|(id, open)| format!("    open: {id}, {} since {}", open.act.deed.name(), open.at)),
        );
        lines.extend(self.lease().map(|lease| row("lease", &lease)));
        lines.extend(self.audited.leftovers.iter().map(|path| format!("    left by a cut write: {path}")));
        lines.push(row("keys", self.keys()));
        lines.join("\n")
    }

    /// The report for a program.
    pub(crate) fn json(&self) -> Value {
        let accounts = self.state.book().accounts();
        json!({
            "holds": true,
            "origin": self.origin,
            "entries": self.audited.entries,
            "checkpoint_size": self.audited.checkpoint.as_ref().map(|head| head.size),
            "root": base64(&self.audited.root),
            "acts": { "allowed": self.counts.allowed, "refused": self.counts.refused, "waited": self.counts.waited },
            "settled": self.counts.ended,
            "reservations": self.counts.reservations,
            "lease": self.state.lease().map(|lease| json!({
                "calls": lease.calls,
                "expires": lease.expires,
                "amounts": lease.amounts.iter().map(|(asset, amount)| json!({
                    "amount": amount.display(scale(&self.state, asset)),
                    "asset": asset.as_ref(),
                })).collect::<Vec<_>>(),
            })),
            "open": self.state.open().map(|(id, _)| id.to_string()).collect::<Vec<_>>(),
            "memorandum": self.state.versions().last().map(|version| json!({
                "version": version.version,
                "digest": version.digest.hex(),
                "signed_by": version.signatures.iter().map(|(party, _)| party.as_str()).collect::<Vec<_>>(),
            })),
            "balances": accounts.map(|line| account(&self.state, line)).collect::<Vec<_>>(),
            "keys_verified": self.keys_given,
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
        let counts = &self.counts;
        format!("{} allowed, {} refused, {} made to wait", counts.allowed, counts.refused, counts.waited)
    }

    fn settlements(&self) -> String {
        let mut text = String::new();
        for (ended, count) in &self.counts.ended {
            let written = write!(text, "{count} {ended}, ");
            debug_assert!(written.is_ok(), "a string takes all text");
        }
        format!("{text}{} still open; none twice", self.state.open().count())
    }

    fn reservations(&self) -> String {
        let count = |what: &str| self.counts.reservations.get(what).copied().unwrap_or(0);
        let ended = ["posted", "void", "lapsed"];
        let open = ended.iter().fold(count("made"), |open, what| open.saturating_sub(count(what)));
        let ended: Vec<_> = ended.iter().map(|what| format!("{} {what}", count(what))).collect();
        format!(
            "{} times: {}, {open} still open; none twice, none beyond what was there",
            count("made"),
            ended.join(", ")
        )
    }

    fn memorandum(&self) -> String {
        self.state.versions().last().map_or_else(
            || "none is in force yet".to_owned(),
            |version| {
                let signed: Vec<_> = version.signatures.iter().map(|(party, _)| party.as_str()).collect();
                let (number, digest) = (version.version, version.digest.hex());
                format!("version {number}, signed by {}, sha256 {digest}", signed.join(" and "))
            },
        )
    }

    /// What may have been done and not recorded, if the record ends in a crash.
    fn lease(&self) -> Option<String> {
        let lease = self.state.lease()?;
        let shown = |(asset, amount): (&AssetId, &ledger::Amount)| {
            format!(", of {} {asset} at most", amount.display(scale(&self.state, asset)))
        };
        let amounts: String = lease.amounts.iter().map(shown).collect();
        Some(format!("a crash may leave up to {} calls under way unrecorded{amounts}", lease.calls))
    }

    fn balance(&self, asset: &AssetId, balance: &Balance) -> String {
        let net = ledger::Amount::new(balance.net()).display(scale(&self.state, asset));
        let held = balance.debits_pending;
        if held.is_zero() {
            format!("{net} {asset}")
        } else {
            format!("{net} {asset}, {} of it reserved", held.display(scale(&self.state, asset)))
        }
    }

    fn keys(&self) -> &'static str {
        if self.keys_given {
            "exactly those of your file"
        } else {
            "as served, not verified; give `--vkeys FILE`"
        }
    }
}

fn row(name: &str, what: &str) -> String {
    format!("  {name:<11} {what}")
}

fn account(state: &State, line: (&AccountId, &AssetId, ledger::Limit, Balance)) -> Value {
    let (name, asset, _, balance) = line;
    let shown = |amount: ledger::Amount| json!({ "amount": amount.display(scale(state, asset)), "asset": asset.as_ref() });
    json!({
        "name": name.as_ref(),
        "asset": asset.as_ref(),
        "available": shown(ledger::Amount::new(balance.available())),
        "pending": shown(balance.debits_pending),
        "posted_debits": shown(balance.debits_posted),
        "posted_credits": shown(balance.credits_posted),
    })
}

fn scale(state: &State, asset: &AssetId) -> u8 {
    state.terms().and_then(|terms| terms.memorandum().header.scale(asset)).unwrap_or(0)
}
