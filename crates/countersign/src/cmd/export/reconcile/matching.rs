//! An invoice held against the acts of a record, as these come: what agrees, and what differs and by how much.
//!
//! Acts that a row names are compared each by itself. Where rows name none, what is left is compared by day, model and asset
//! (`groups`). Not here: reading either side, or how it is told.

use super::exact::Exact;
use super::groups::Groups;
use super::invoice::{Asked, Invoice, Unit};
use super::report::{Kind, Matched, Sums, Why, add, less};
use jiff::civil::Date;
use ledger::AssetId;
use partnership::act::Usage;
use partnership::ids::ActId;
use std::ops::Range;

/// What the record has of one act that was charged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Charged {
    pub(super) act: ActId,
    /// The entry that settled it.
    pub(super) entry: u64,
    /// The days on which it was decided and ended, in UTC.
    pub(super) days: [Date; 2],
    /// The model that was called; of a grant's rest, its clause.
    pub(super) model: String,
    pub(super) asset: AssetId,
    /// How many decimals the asset has.
    pub(super) scale: u8,
    pub(super) cost: Exact,
    pub(super) usage: Option<Usage>,
}

impl Charged {
    /// How much of it the record counts, in a unit.
    pub(super) fn quantity(&self, unit: Unit) -> Option<Exact> {
        let usage = self.usage?;
        match unit {
            Unit::Tokens => Exact::whole(usage.input_tokens)?.plus(Exact::whole(usage.output_tokens)?),
            Unit::InputTokens => Exact::whole(usage.input_tokens),
            Unit::CachedInputTokens => Exact::whole(usage.cached_input_tokens),
            Unit::OutputTokens => Exact::whole(usage.output_tokens),
            Unit::Requests => Exact::whole(1),
        }
    }
}

/// One difference, in exact amounts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) kind: Kind,
    pub(super) of: Of,
    pub(super) lines: Vec<u64>,
    pub(super) why: Vec<Why>,
    pub(super) ours: Sums,
    pub(super) theirs: Sums,
    pub(super) money: Sums,
}

/// What a difference is of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Of {
    /// An act, and the entry that settled it where there is one.
    Act(ActId, Option<u64>),
    /// A day and a model, with all acts of ours: their entries and what each cost.
    Group(Date, String, Vec<(ActId, u64, Exact)>),
}

/// All that was found. Shape: differences in the order of the invoice's lines, then those that only the record has in the order of entries.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Findings {
    pub(super) matched: Matched,
    pub(super) differences: Vec<Found>,
    pub(super) ours: Sums,
    pub(super) theirs: Sums,
}

/// How many differences are told at most; all are held. So many are no differences but another invoice.
pub(super) const DIFFERENCES_MAX: usize = 100_000;

impl Findings {
    /// Adds a difference.
    ///
    /// Errors: there are too many.
    pub(super) fn differs(&mut self, found: Found) -> Result<(), String> {
        if self.differences.len() == DIFFERENCES_MAX {
            return Err(format!(
                "more than {DIFFERENCES_MAX} differences; see that the invoice is of this record, period and party, or take a shorter period"
            ));
        }
        self.differences.push(found);
        Ok(())
    }
}

/// An invoice that is being held against a record.
#[derive(Debug)]
pub(super) struct Matching {
    rows: Vec<Asked>,
    /// Which rows were met by an act.
    met: Vec<bool>,
    /// Days and models, where rows name no act.
    groups: Option<Groups>,
    found: Findings,
}

impl Matching {
    /// Errors: the sum of the rows does not fit.
    pub(super) fn of(invoice: Invoice) -> Result<Self, String> {
        let rows = invoice.rows;
        let mut found = Findings::default();
        for row in &rows {
            add(&mut found.theirs, &row.asset, row.amount)?;
        }
        let actless = rows.partition_point(|row| row.act.is_none());
        let groups = if actless == 0 { None } else { Some(Groups::of(rows.get(..actless).unwrap_or(&[]))?) };
        let mut met = vec![false; rows.len()];
        met.iter_mut().take(actless).for_each(|met| *met = true);
        Ok(Self { rows, met, groups, found })
    }

    /// Whether a row names this act.
    pub(super) fn names(&self, act: ActId) -> bool {
        !self.places(act).is_empty()
    }

    fn places(&self, act: ActId) -> Range<usize> {
        let first = self.rows.partition_point(|row| row.act < Some(act));
        let rest = self.rows.get(first..).unwrap_or(&[]);
        first..first.saturating_add(rest.partition_point(|row| row.act == Some(act)))
    }

    /// Takes the rows of an act.
    fn meet(&mut self, act: ActId) -> Vec<Asked> {
        let places = self.places(act);
        if let Some(met) = self.met.get_mut(places.clone()) {
            met.fill(true);
        }
        self.rows.get(places).unwrap_or(&[]).to_vec()
    }

    /// An act that the record charges, in what is reconciled.
    ///
    /// Errors: a sum does not fit.
    pub(super) fn charged(&mut self, charged: &Charged) -> Result<(), String> {
        add(&mut self.found.ours, &charged.asset, charged.cost)?;
        if self.names(charged.act) {
            let rows = self.meet(charged.act);
            return self.compare(charged, &rows);
        }
        if let Some(groups) = &mut self.groups {
            return groups.charged(charged);
        }
        if charged.cost.is_zero() {
            return Ok(());
        }
        let ours = Sums::from([(charged.asset.clone(), charged.cost)]);
        let why = Why::new("not-asked", "the record charges it, and no row names it");
        self.found.differs(Found {
            kind: Kind::OursOnly,
            of: Of::Act(charged.act, Some(charged.entry)),
            lines: Vec::new(),
            why: vec![why],
            money: less(&Sums::new(), &ours)?,
            ours,
            theirs: Sums::new(),
        })
    }

    /// An act that the record does not charge in what is reconciled, and that rows name.
    ///
    /// Errors: a sum does not fit.
    pub(super) fn uncharged(&mut self, act: ActId, entry: Option<u64>, why: Why) -> Result<(), String> {
        let rows = self.meet(act);
        let theirs = sums(&rows)?;
        if theirs.values().all(|amount| amount.is_zero()) {
            return Ok(());
        }
        self.found.differs(Found {
            kind: Kind::TheirsOnly,
            of: Of::Act(act, entry),
            lines: lines(&rows),
            why: vec![why],
            ours: Sums::new(),
            money: less(&theirs, &Sums::new())?,
            theirs,
        })
    }

    fn compare(&mut self, charged: &Charged, rows: &[Asked]) -> Result<(), String> {
        let theirs = sums(rows)?;
        let ours = Sums::from([(charged.asset.clone(), charged.cost)]);
        let money = less(&theirs, &ours)?;
        let mut why = Vec::new();
        why.extend(amounts_differ(charged, rows, &theirs));
        why.extend(dates_differ(charged, rows));
        why.extend(models_differ(charged, rows));
        why.extend(quantities_differ(charged, rows));
        if why.is_empty() {
            self.found.matched.acts = self.found.matched.acts.saturating_add(1);
            return Ok(());
        }
        let (of, lines) = (Of::Act(charged.act, Some(charged.entry)), lines(rows));
        self.found.differs(Found { kind: Kind::Differing, of, lines, why, ours, theirs, money })
    }

    /// What was found, when the record has been read to its end. `stands` says how an act stands that has not ended, if there is one.
    ///
    /// Errors: a sum does not fit; or what was found does not add up to the difference of the totals, which would be a fault of ours.
    pub(super) fn end(mut self, stands: impl Fn(ActId) -> Option<Why>) -> Result<Findings, String> {
        let unmet = self.rows.iter().zip(&self.met).filter(|(_, met)| !**met);
        let mut left: Vec<ActId> = unmet.filter_map(|(row, _)| row.act).collect();
        left.dedup();
        for act in left {
            let unknown = || Why::new("unknown", "no act of the record has this id");
            self.uncharged(act, None, stands(act).unwrap_or_else(unknown))?;
        }
        if let Some(groups) = self.groups.take() {
            groups.end(&mut self.found)?;
        }
        let Findings { differences, ours, theirs, .. } = &mut self.found;
        differences
            .sort_by_key(|found| (found.lines.is_empty(), found.lines.first().copied(), entry_of(&found.of)));
        let mut explained = Sums::new();
        for (asset, amount) in differences.iter().flat_map(|found| &found.money) {
            add(&mut explained, asset, *amount)?;
        }
        explained.retain(|_, amount| !amount.is_zero());
        if explained != less(theirs, ours)? {
            return Err("the differences do not add up to that of the totals; please report it".to_owned());
        }
        Ok(self.found)
    }
}

fn entry_of(of: &Of) -> Option<u64> {
    match of {
        Of::Act(_, entry) => *entry,
        Of::Group(_, _, acts) => acts.first().map(|(_, entry, _)| *entry),
    }
}

fn sums(rows: &[Asked]) -> Result<Sums, String> {
    let mut sums = Sums::new();
    for row in rows {
        add(&mut sums, &row.asset, row.amount)?;
    }
    Ok(sums)
}

pub(super) fn lines(rows: &[Asked]) -> Vec<u64> {
    rows.iter().map(|row| row.line).collect()
}

/// In which way the amounts of an act differ.
fn amounts_differ(charged: &Charged, rows: &[Asked], theirs: &Sums) -> Vec<Why> {
    let Charged { asset, scale, cost, .. } = charged;
    let mut why = Vec::new();
    let foreign: Vec<&str> = theirs
        .iter()
        .filter(|(theirs, amount)| *theirs != asset && !amount.is_zero())
        .map(|(asset, _)| asset.as_ref())
        .collect();
    if !foreign.is_empty() {
        let foreign = foreign.join(" and ");
        why.push(Why::new("asset", format!("it is asked in {foreign}, and the record charges {asset}")));
    }
    let own: Vec<&Asked> = rows.iter().filter(|row| row.asset == *asset).collect();
    let asked = theirs.get(asset).copied().unwrap_or_default();
    let is_in_another = own.is_empty() && !foreign.is_empty();
    if asked == *cost || is_in_another {
        return why;
    }
    let amounts: Vec<Exact> = own.iter().map(|row| row.amount).collect();
    if is_repeated(&amounts, asked, *cost) {
        why.push(Why::new("twice", format!("it is asked {} times", own.len())));
        return why;
    }
    let decimals = own.iter().map(|row| row.decimals).min().unwrap_or_default();
    why.push(amount_differs(asked, *cost, (*scale, decimals, own.len())));
    why
}

/// Whether amounts ask the same several times.
fn is_repeated(amounts: &[Exact], asked: Exact, cost: Exact) -> bool {
    if amounts.len() < 2 || cost.is_zero() {
        return false;
    }
    let times = i128::try_from(amounts.len()).unwrap_or(i128::MAX);
    let is_multiple = (2..=times).any(|times| cost.times(times) == Some(asked));
    let mut each = amounts.to_vec();
    each.sort_unstable();
    each.dedup();
    let once = each.iter().try_fold(Exact::ZERO, |sum, amount| sum.plus(*amount));
    is_multiple || each.len() < amounts.len() && once == Some(cost)
}

/// By how much one sum differs from the other, and whether rounding `parts` numbers can have made it. `scale` is that of the asset,
/// `decimals` how many are written at least.
pub(super) fn amount_differs(asked: Exact, cost: Exact, (scale, decimals, parts): (u8, u8, usize)) -> Why {
    let difference = asked.minus(cost).unwrap_or_default();
    let by = difference.size().display(scale);
    let more = if difference.is_negative() { "less" } else { "more" };
    let sides = format!("asked {}, charged {}", asked.display(scale), cost.display(scale));
    let rounded = decimals.min(scale);
    if parts > 0 && difference.is_rounding(rounded, parts) {
        return Why::new(
            "rounding",
            format!("{sides}: {by} {more}, as rounding to {rounded} decimals makes it"),
        );
    }
    Why::new("amount", format!("{sides}: {by} {more}"))
}

fn dates_differ(charged: &Charged, rows: &[Asked]) -> Option<Why> {
    let [began, ended] = charged.days;
    let row = rows.iter().find(|row| row.day.is_some_and(|day| day != began && day != ended))?;
    let day = row.day?;
    let ran = if began == ended { format!("on {began}") } else { format!("from {began} to {ended}") };
    Some(Why::new("date", format!("it is dated {day}, and the act ran {ran}")))
}

fn models_differ(charged: &Charged, rows: &[Asked]) -> Option<Why> {
    let other = rows.iter().filter_map(|row| row.model.as_deref()).find(|model| *model != charged.model)?;
    Some(Why::new("model", format!("it is asked for `{other}`, and the act is of `{}`", charged.model)))
}

/// A quantity agrees where all rows have the whole of it, or where they have parts of it.
fn quantities_differ(charged: &Charged, rows: &[Asked]) -> Option<Why> {
    let units: std::collections::BTreeSet<Unit> =
        rows.iter().filter_map(|row| row.quantity.map(|(unit, _)| unit)).collect();
    units.into_iter().find_map(|unit| {
        let counted = charged.quantity(unit)?;
        let mut asked =
            rows.iter().filter_map(|row| row.quantity.filter(|(of, _)| *of == unit)).map(|(_, of)| of);
        let sum = asked.clone().try_fold(Exact::ZERO, Exact::plus);
        let differs = sum != Some(counted) && asked.any(|asked| asked != counted);
        differs.then(|| {
            let sum = sum.map_or_else(|| "too many".to_owned(), |sum| sum.display(0));
            Why::new(
                "quantity",
                format!("it asks for {sum} {}, and the record counted {}", unit.name(), counted.display(0)),
            )
        })
    })
}
