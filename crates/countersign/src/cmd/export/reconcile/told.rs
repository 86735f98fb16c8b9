//! A reconciliation as a person reads it. Not here: how it is told to programs (`report`).

use super::report::{Difference, Kind, Money, Report};
use crate::cmd::said::table;

/// How many acts of a group, and lines of an invoice, are told; programs are told all.
const TOLD_MAX: usize = 10;

impl Report {
    /// What agrees and what does not, and what each difference makes.
    pub(in crate::cmd) fn shown(&self) -> String {
        let period = self.period.as_deref().unwrap_or("the whole record");
        let of = self.party.as_ref().map(|party| format!(", acts of {party}")).unwrap_or_default();
        let mut text = format!("{} rows against {}, {period}{of}\n", self.invoice.rows, self.origin);
        let groups = match self.matched.groups {
            0 => String::new(),
            groups => format!(", {groups} days and models"),
        };
        text.push_str(&format!("matched      {} acts{groups}\n", self.matched.acts));
        text.push_str(&format!("differing    {}\n", self.differing));
        text.push_str(&format!("theirs only  {}\n", self.theirs_only));
        text.push_str(&format!("ours only    {}\n", self.ours_only));
        if self.invoice.blank > 0 {
            text.push_str(&format!(
                "{} rows have neither amount nor asset and ask for nothing\n",
                self.invoice.blank
            ));
        }
        if self.invoice.uncounted > 0 {
            text.push_str(&format!(
                "{} quantities are in units that the record does not count, and were not compared\n",
                self.invoice.uncounted
            ));
        }
        for difference in &self.differences {
            text.push('\n');
            text.push_str(&difference.shown());
        }
        let rows = self.totals.iter().map(|total| {
            let all = [&total.asset, &total.ours, &total.theirs, &total.difference];
            all.map(|text| plain(text)).to_vec()
        });
        text.push('\n');
        text.push_str(&table(&["total", "ours", "theirs", "difference"], &rows.collect::<Vec<_>>()));
        text
    }
}

impl Difference {
    fn shown(&self) -> String {
        let kind = match self.kind {
            Kind::Differing => "differing",
            Kind::TheirsOnly => "theirs only",
            Kind::OursOnly => "ours only",
        };
        let mut of = Vec::new();
        of.extend(listed("line", self.lines.iter().map(ToString::to_string)));
        of.extend(self.act.as_ref().map(|act| format!("act {act}")));
        of.extend(self.entry.map(|entry| format!("entry {entry}")));
        of.extend(self.day.clone());
        of.extend(self.model.as_ref().map(|model| format!("model `{}`", plain(model))));
        let mut text = format!("{kind}: {}\n", of.join(", "));
        for why in &self.why {
            text.push_str(&format!("  {}: {}\n", why.code, plain(&why.text)));
        }
        text.push_str(&format!("  ours {}, theirs {}", sum(&self.ours), sum(&self.theirs)));
        if self.money.is_empty() {
            text.push_str("; no money\n");
        } else {
            text.push_str(&format!("; it makes {}\n", sum(&self.money)));
        }
        let acts = self.acts.iter().map(|act| format!("{} ({}, entry {})", act.act, act.amount, act.entry));
        if let Some(acts) = listed("act", acts) {
            text.push_str(&format!("  {acts}\n"));
        }
        text
    }
}

/// So many of them as are told, and how many more there are.
fn listed(what: &str, all: impl ExactSizeIterator<Item = String>) -> Option<String> {
    let count = all.len();
    let told: Vec<String> = all.take(TOLD_MAX).collect();
    let more = count.saturating_sub(told.len());
    let more = if more > 0 { format!(" and {more} more (`--json` has all)") } else { String::new() };
    let plural = if count == 1 { "" } else { "s" };
    (count > 0).then(|| format!("{what}{plural} {}{more}", told.join(", ")))
}

fn sum(money: &[Money]) -> String {
    if money.is_empty() {
        return "nothing".to_owned();
    }
    let each = money.iter().map(|money| format!("{} {}", money.amount, plain(&money.asset)));
    each.collect::<Vec<_>>().join(" and ")
}

/// Text of an invoice as it may stand on a terminal.
fn plain(text: &str) -> String {
    crate::cmd::said::safe(text)
}
