//! What was measured, by figure and by who was measured; told as one table or as JSON, as medians over rounds.
//!
//! Not here: any measurement.

use crate::numbers::{median, shown};
use serde_json::{Map, Value, json};

/// Measurements in the order they were first made.
#[derive(Debug, Default)]
pub(crate) struct Table {
    columns: Vec<String>,
    rows: Vec<Row>,
    /// What the others are divided by, and who is divided.
    ratio: Option<(String, String)>,
    notes: Vec<String>,
}

#[derive(Debug)]
struct Row {
    figure: String,
    /// For each column what the rounds gave.
    values: Vec<Vec<f64>>,
}

impl Table {
    /// A table that has a last column: what is measured of `of` for one of `by`.
    pub(crate) fn with_ratio(of: &str, by: &str) -> Self {
        Self { ratio: Some((of.to_owned(), by.to_owned())), ..Self::default() }
    }

    /// Takes one measurement.
    pub(crate) fn note(&mut self, figure: &str, column: &str, value: f64) {
        let column = place(&mut self.columns, |name| name == column, || column.to_owned());
        let row = place(&mut self.rows, |row| row.figure == figure, || Row::new(figure));
        if let Some(row) = self.rows.get_mut(row) {
            while row.values.len() <= column {
                row.values.push(Vec::new());
            }
            if let Some(values) = row.values.get_mut(column) {
                values.push(value);
            }
        }
    }

    /// Adds a sentence below the table.
    pub(crate) fn remark(&mut self, sentence: impl Into<String>) {
        self.notes.push(sentence.into());
    }

    /// The median of a figure over all rounds.
    pub(crate) fn median(&self, figure: &str, column: &str) -> Option<f64> {
        let column = self.columns.iter().position(|name| name == column)?;
        let row = self.rows.iter().find(|row| row.figure == figure)?;
        median(row.values.get(column)?)
    }

    /// The table in Markdown, its columns aligned, its sentences below.
    pub(crate) fn text(&self) -> String {
        let mut lines = vec![self.head()];
        lines.extend(self.rows.iter().map(|row| self.line(row)));
        let mut text = aligned(&lines);
        for note in &self.notes {
            text.push_str(&format!("\n{note}\n"));
        }
        text
    }

    /// The same as JSON: `{figures: [{figure, values: {column: {median, rounds}}, ratio}], notes}`.
    pub(crate) fn json(&self) -> Value {
        let figure = |row: &Row| {
            let values: Map<String, Value> = self
                .columns
                .iter()
                .zip(&row.values)
                .filter(|(_, rounds)| !rounds.is_empty())
                .map(|(column, rounds)| (column.clone(), json!({"median": median(rounds), "rounds": rounds})))
                .collect();
            json!({ "figure": row.figure, "values": values, "ratio": self.quotient(row) })
        };
        json!({ "figures": self.rows.iter().map(figure).collect::<Vec<_>>(), "notes": self.notes })
    }

    fn head(&self) -> Vec<String> {
        let ratio = self.ratio.iter().map(|(of, by)| format!("{of} / {by}"));
        std::iter::once("figure".to_owned()).chain(self.columns.iter().cloned()).chain(ratio).collect()
    }

    fn line(&self, row: &Row) -> Vec<String> {
        let mut line = vec![row.figure.clone()];
        for column in 0..self.columns.len() {
            let value = row.values.get(column).and_then(|rounds| median(rounds));
            line.push(value.map_or_else(|| "-".to_owned(), shown));
        }
        if self.ratio.is_some() {
            line.push(
                self.quotient(row).map_or_else(|| "-".to_owned(), |ratio| format!("{}×", shown(ratio))),
            );
        }
        line
    }

    fn quotient(&self, row: &Row) -> Option<f64> {
        let (of, by) = self.ratio.as_ref()?;
        let (of, by) = (self.median(&row.figure, of)?, self.median(&row.figure, by)?);
        (by > 0.0).then(|| of / by)
    }
}

impl Row {
    fn new(figure: &str) -> Self {
        Self { figure: figure.to_owned(), values: Vec::new() }
    }
}

/// Where it stands, added at the end where it is new.
fn place<T>(list: &mut Vec<T>, is: impl Fn(&T) -> bool, new: impl FnOnce() -> T) -> usize {
    if let Some(place) = list.iter().position(is) {
        return place;
    }
    list.push(new());
    list.len().saturating_sub(1)
}

/// Lines of cells as a Markdown table, the first of them its head.
fn aligned(lines: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = lines.iter().filter_map(|line| line.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let columns = lines.first().map_or(0, Vec::len);
    let mut text = String::new();
    for (number, line) in lines.iter().enumerate() {
        for (column, cell) in line.iter().enumerate() {
            let pad = " ".repeat(width(column).saturating_sub(cell.chars().count()));
            let cell = if column == 0 { format!("{cell}{pad}") } else { format!("{pad}{cell}") };
            text.push_str(&format!("| {cell} "));
        }
        text.push_str("|\n");
        if number == 0 {
            let rules = (0..columns).map(|column| {
                let dashes = "-".repeat(width(column).max(3).saturating_sub(usize::from(column > 0)));
                if column == 0 { format!("|{dashes}--") } else { format!("|{dashes}-:-") }.replace(":-", "-:")
            });
            text.push_str(&rules.collect::<String>());
            text.push_str("|\n");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::with_ratio("ours", "theirs");
        for (ours, theirs) in [(8.0, 2.0), (100.0, 4.0), (9.0, 3.0)] {
            table.note("CPU, µs", "theirs", theirs);
            table.note("CPU, µs", "ours", ours);
        }
        table.note("syncs", "ours", 0.25);
        table.remark("Two rounds.");
        table
    }

    #[test]
    fn each_cell_is_the_median_of_its_rounds_and_the_ratio_that_of_the_medians() {
        let text = table().text();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.first(), Some(&"| figure  | theirs |  ours | ours / theirs |"), "{text}");
        assert_eq!(lines.get(2), Some(&"| CPU, µs |   3.00 |  9.00 |         3.00× |"), "{text}");
        assert_eq!(lines.get(3), Some(&"| syncs   |      - | 0.250 |             - |"), "{text}");
        assert!(text.ends_with("\nTwo rounds.\n"));
    }

    #[test]
    fn json_tells_every_round() {
        let json = table().json();
        assert_eq!(json["figures"][0]["values"]["ours"]["rounds"], json!([8.0, 100.0, 9.0]));
        assert_eq!(json["figures"][0]["ratio"], json!(3.0));
        assert_eq!(json["figures"][1]["values"], json!({"ours": {"median": 0.25, "rounds": [0.25]}}));
    }
}
