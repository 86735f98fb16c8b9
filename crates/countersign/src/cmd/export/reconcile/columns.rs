//! Which column of an invoice says what. Not here: how a value is read (`invoice`).

use clap::ValueEnum;
use std::str::FromStr;

/// What an invoice is written as, where it is one of the exports' own forms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cmd) enum Form {
    /// FOCUS 1.2 rows, as `export focus` writes them.
    Focus,
    /// One row per act, as `export csv` writes them.
    Csv,
}

/// What a column says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Says {
    /// The act's id.
    Act,
    /// What is asked for it.
    Amount,
    /// In what.
    Asset,
    /// On which day, in UTC.
    Date,
    /// For which model.
    Model,
    /// How much of it.
    Quantity,
    /// What the quantity counts.
    Unit,
    /// Whether it was used, or is what was left of a grant when it expired.
    Status,
}

impl Says {
    const NAMED: [(&'static str, Self); 7] = [
        ("act", Self::Act),
        ("amount", Self::Amount),
        ("asset", Self::Asset),
        ("date", Self::Date),
        ("model", Self::Model),
        ("quantity", Self::Quantity),
        ("unit", Self::Unit),
    ];

    fn name(self) -> &'static str {
        Self::NAMED.iter().find(|(_, says)| *says == self).map_or("status", |(name, _)| name)
    }
}

/// One column by its name: `act=RequestId`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cmd) struct Column {
    says: Says,
    named: String,
}

impl FromStr for Column {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let names = Says::NAMED.map(|(name, _)| name).join(", ");
        let (what, named) = text.split_once('=').ok_or_else(|| {
            format!("`{text}` names no column; write `amount=Cost`, with one of {names} before the sign")
        })?;
        let (_, says) = Says::NAMED
            .into_iter()
            .find(|(name, _)| *name == what)
            .ok_or_else(|| format!("`{what}` is nothing that a column says here; there are {names}"))?;
        if named.is_empty() {
            return Err(format!("`{text}` names no column after the sign"));
        }
        Ok(Self { says, named: named.to_owned() })
    }
}

/// The columns that are looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Columns {
    /// What each says, by which names it may go, and whether it must be there.
    wanted: Vec<(Says, Vec<String>, bool)>,
}

/// Where the columns of one file stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    places: Vec<(Says, usize, String)>,
}

const FOCUS: [(Says, &[&str]); 8] = [
    (Says::Act, &["x_ActId"]),
    (Says::Amount, &["EffectiveCost"]),
    (Says::Asset, &["x_Asset", "BillingCurrency"]),
    (Says::Date, &["ChargePeriodStart"]),
    (Says::Model, &["ResourceId"]),
    (Says::Quantity, &["ConsumedQuantity"]),
    (Says::Unit, &["ConsumedUnit"]),
    (Says::Status, &["CommitmentDiscountStatus"]),
];

const CSV: [(Says, &[&str]); 5] = [
    (Says::Act, &["act"]),
    (Says::Amount, &["cost"]),
    (Says::Asset, &["asset"]),
    (Says::Date, &["settled_at"]),
    (Says::Model, &["model"]),
];

impl Columns {
    /// Those of a form, and in their place those that are named.
    ///
    /// Errors: one thing is said by two columns.
    pub(super) fn of(form: Option<Form>, named: &[Column]) -> Result<Self, String> {
        let form: &[(Says, &[&str])] = match form {
            Some(Form::Focus) => &FOCUS,
            Some(Form::Csv) => &CSV,
            None if named.is_empty() => &FOCUS,
            None => &[],
        };
        let own = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let mut wanted: Vec<(Says, Vec<String>, bool)> =
            form.iter().map(|(says, names)| (*says, own(names), *says == Says::Amount)).collect();
        for (place, Column { says, named: column }) in named.iter().enumerate() {
            if named.iter().take(place).any(|before| before.says == *says) {
                return Err(format!("`{}` is said by two columns; name one", says.name()));
            }
            wanted.retain(|(known, ..)| known != says);
            wanted.push((*says, vec![column.clone()], true));
        }
        if !wanted.iter().any(|(says, ..)| *says == Says::Amount) {
            return Err("no column says the amount; name it by `--columns amount=…`".to_owned());
        }
        Ok(Self { wanted })
    }

    /// Where they stand among these heads.
    ///
    /// Errors: one that must be there is not, or a name stands twice.
    pub(super) fn find(&self, heads: &[String]) -> Result<Found, String> {
        let mut places = Vec::new();
        for (says, names, must) in &self.wanted {
            let found = names.iter().find_map(|name| {
                let place = heads.iter().position(|head| head == name)?;
                Some((place, name))
            });
            let Some((place, name)) = found else {
                if *must {
                    let names = names.join("` or `");
                    let (what, heads) = (says.name(), heads.join(", "));
                    return Err(format!(
                        "no column is named `{names}`; name the one with the {what} by `--columns {what}=…`. There are: {heads}"
                    ));
                }
                continue;
            };
            if heads.iter().filter(|head| *head == name).count() > 1 {
                return Err(format!("two columns are named `{name}`; name one otherwise"));
            }
            places.push((*says, place, name.clone()));
        }
        let found = Found { places };
        let by_day = found.place(Says::Date).and_then(|_| found.place(Says::Model));
        if found.place(Says::Act).is_none() && by_day.is_none() {
            return Err(
                "no column has the acts' ids, and none both days and models; name them by `--columns act=…` or `--columns date=…,model=…`"
                    .to_owned(),
            );
        }
        Ok(found)
    }
}

impl Found {
    /// The place of the column that says this.
    pub(super) fn place(&self, says: Says) -> Option<usize> {
        self.places.iter().find(|(known, ..)| *known == says).map(|(_, place, _)| *place)
    }

    /// The name of the column that says this.
    pub(super) fn name(&self, says: Says) -> &str {
        self.places.iter().find(|(known, ..)| *known == says).map_or("", |(_, _, name)| name.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(form: Option<Form>, named: &[&str]) -> Result<Columns, String> {
        let named: Result<Vec<Column>, String> = named.iter().map(|text| text.parse()).collect();
        Columns::of(form, &named?)
    }

    fn found(form: Option<Form>, named: &[&str], heads: &str) -> Result<Found, String> {
        columns(form, named)?.find(&heads.split(',').map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn columns_are_found_by_the_forms_names_and_by_those_that_are_given_in_their_place() {
        let own = found(None, &[], "EffectiveCost,BillingCurrency,x_Asset,x_ActId").unwrap();
        assert_eq!(
            (own.place(Says::Amount), own.place(Says::Asset), own.place(Says::Date)),
            (Some(0), Some(2), None)
        );
        let strangers =
            found(None, &[], "ResourceId,EffectiveCost,ChargePeriodStart,BillingCurrency").unwrap();
        assert_eq!((strangers.name(Says::Asset), strangers.place(Says::Act)), ("BillingCurrency", None));
        let billed =
            found(Some(Form::Focus), &["amount=BilledCost"], "x_ActId,EffectiveCost,BilledCost").unwrap();
        assert_eq!(billed.place(Says::Amount), Some(2));
        let theirs =
            found(None, &["date=Day", "model=Sku", "amount=Net = due"], "Net = due,Sku,Day,x_ActId").unwrap();
        assert_eq!(
            (theirs.place(Says::Amount), theirs.place(Says::Act)),
            (Some(0), None),
            "nothing is guessed"
        );
    }

    #[test]
    fn columns_that_are_missing_or_said_twice_are_told_with_what_to_do() {
        for (form, named, heads, why) in [
            (None, &["cost"][..], "a", "write `amount=Cost`"),
            (None, &["price=a"], "a", "there are act, amount, asset, date, model, quantity, unit"),
            (None, &["amount="], "a", "names no column after"),
            (None, &["act=a"], "a", "no column says the amount"),
            (None, &["amount=a", "amount=b"], "a,b", "said by two columns"),
            (None, &["amount=a"], "a", "none both days and models"),
            (None, &["amount=a", "date=d"], "a,d", "none both days and models"),
            (None, &["amount=a", "act=x"], "a,b", "no column is named `x`"),
            (Some(Form::Csv), &[], "act,price", "no column is named `cost`"),
            (Some(Form::Csv), &[], "act,cost,cost", "two columns are named `cost`"),
        ] {
            let error = found(form, named, heads).unwrap_err();
            assert!(error.contains(why), "{named:?}: {error}");
        }
    }
}
