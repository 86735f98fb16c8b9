//! A sentence for each kind of clause that is observed.
//!
//! Not here: the words that all sentences share (`memorandum::explain`).

use super::{
    Consultation, EarlyAccess, Exclusivity, FirstRefusal, Licence, Period, Survival, Termination, Vest,
    Vesting,
};
use crate::memorandum::explain::{Teller, clauses, models, ticked};

impl Teller<'_> {
    pub(in crate::memorandum) fn vesting(&self, vesting: &Vesting) -> String {
        let Vesting { from, to, what, quantity, tranches, lapses } = vesting;
        let much = quantity.map_or_else(String::new, |quantity| format!("{quantity} of "));
        let tranches: Vec<String> = tranches.iter().map(|vest| self.vest(vest)).collect();
        let lapses =
            lapses.map_or_else(String::new, |date| format!("; what has not vested before {date} lapses"));
        format!(
            "{} {} {} {much}{what}, which vests in {}: {}{lapses}; it is observed, and nothing is booked",
            self.name(from),
            self.does("grants", "grant"),
            self.name(to),
            counted(tranches.len(), "part"),
            tranches.join("; "),
        )
    }

    fn vest(&self, vest: &Vest) -> String {
        let Vest { what, quantity, when } = vest;
        let part = match (quantity, what) {
            (Some(quantity), Some(what)) => format!("{quantity} ({what})"),
            (Some(quantity), None) => quantity.to_string(),
            (None, Some(what)) => what.clone(),
            (None, None) => "a part whose size is not said".to_owned(),
        };
        format!("{part} when {}", self.condition(when))
    }

    pub(in crate::memorandum) fn termination(&self, end: &Termination) -> String {
        let grounds = match end.grounds.as_slice() {
            [] => " without giving grounds".to_owned(),
            grounds => format!(" on these grounds: {}", quoted(grounds)),
        };
        let cure = end
            .cure
            .as_deref()
            .map_or_else(String::new, |cure| format!(", if they are not put right within {cure}"));
        let notice = end
            .notice
            .as_deref()
            .map_or_else(|| "at once".to_owned(), |notice| format!("with notice of {notice}"));
        format!("{} may end the memorandum {notice}{grounds}{cure}", self.any(&end.by))
    }

    pub(in crate::memorandum) fn survival(&self, survival: &Survival) -> String {
        let lasts = survival
            .lasts
            .as_deref()
            .map_or_else(|| "without an end".to_owned(), |lasts| format!("for {lasts}"));
        let outlive = if survival.clauses.len() == 1 {
            self.does("outlives", "outlive")
        } else {
            self.does("outlive", "outlive")
        };
        format!("{} {outlive} the memorandum {lasts}", clauses(&survival.clauses))
    }

    pub(in crate::memorandum) fn first_refusal(&self, right: &FirstRefusal) -> String {
        let FirstRefusal { by, to, what, answer_within, period } = right;
        let answer = answer_within
            .as_deref()
            .map_or_else(String::new, |within| format!(", which answers within {within}"));
        let (by, to) = (self.name(by), self.name(to));
        format!("{by} {} offer {what} to {to} before anyone else{answer}, {}", self.must, self.period(period))
    }

    pub(in crate::memorandum) fn exclusivity(&self, promise: &Exclusivity) -> String {
        let Exclusivity { by, to, what, models, exceptions, period } = promise;
        let of = about(models);
        let (by, to) = (self.name(by), self.name(to));
        format!(
            "{by} {} turn to {to} alone for {what}{of}, {}{}",
            self.must,
            self.period(period),
            but(exceptions)
        )
    }

    pub(in crate::memorandum) fn licence(&self, licence: &Licence) -> String {
        let Licence { from, to, what, scope, exclusive, period } = licence;
        let alone = if *exclusive { "alone" } else { "and may license it to others" };
        let scope = scope.as_deref().map_or_else(|| "for any use".to_owned(), |scope| format!("for {scope}"));
        format!(
            "{} {} {what} to {} {alone}, {scope}, {}",
            self.name(from),
            self.does("licenses", "license"),
            self.name(to),
            self.period(period),
        )
    }

    pub(in crate::memorandum) fn consultation(&self, consultation: &Consultation) -> String {
        let Consultation { by, with, acts, about, notice } = consultation;
        let notice = notice.as_deref().map_or_else(String::new, |notice| format!(" {notice}"));
        let acts = ticked(acts.iter().map(String::as_str));
        let about = [acts, about.clone().unwrap_or_default()];
        let about: Vec<String> = about.into_iter().filter(|part| !part.is_empty()).collect();
        format!(
            "{} {} consult {}{notice} before {}",
            self.name(by),
            self.must,
            self.each(with),
            about.join(" and ")
        )
    }

    pub(in crate::memorandum) fn early_access(&self, promise: &EarlyAccess) -> String {
        let EarlyAccess { by, to, what, models, lead, exceptions, period } = promise;
        let lead = lead.as_deref().map_or_else(String::new, |lead| format!("{lead} "));
        format!(
            "{} {} give {} {what}{} {lead}before all others, {}{}",
            self.name(by),
            self.must,
            self.each(to),
            about(models),
            self.period(period),
            but(exceptions),
        )
    }

    fn period(&self, period: &Period) -> String {
        let until = period
            .until
            .as_ref()
            .map_or_else(|| "without an end".to_owned(), |until| format!("until {}", self.condition(until)));
        format!("from {} {until}", period.starts)
    }
}

fn about(of: &[String]) -> String {
    if of.is_empty() { String::new() } else { format!(" of {}", models(of)) }
}

fn but(exceptions: &[String]) -> String {
    if exceptions.is_empty() { String::new() } else { format!("; left out: {}", quoted(exceptions)) }
}

fn quoted(texts: &[String]) -> String {
    texts.iter().map(|text| format!("“{text}”")).collect::<Vec<_>>().join(", ")
}

fn counted(count: usize, what: &str) -> String {
    if count == 1 { format!("one {what}") } else { format!("{count} {what}s") }
}
