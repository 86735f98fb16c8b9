//! Plain-text accounting: what hledger's and Beancount's forms have in common. Not here: the forms themselves.

use super::rows::{Books, Posting, Transaction, View};

/// What a transaction is told by, beside its postings: names and values that need no escaping in either form.
pub(super) fn facts(transaction: &Transaction) -> Vec<(&'static str, String)> {
    let clauses: Vec<&str> = transaction.clauses.iter().map(partnership::ids::ClauseId::as_str).collect();
    let facts = [
        ("act", transaction.act.map(|act| act.to_string())),
        ("entry", Some(transaction.index.to_string())),
        ("party", transaction.party.as_ref().map(ToString::to_string)),
        ("application", transaction.application.as_ref().map(ToString::to_string)),
        ("clauses", Some(clauses.join(" ")).filter(|clauses| !clauses.is_empty())),
    ];
    facts.into_iter().filter_map(|(name, value)| Some((name, plain(&value?)))).collect()
}

/// Text without what either form gives a meaning to. What stands for it is a `?`; the exact text is in `csv` and `jsonl`.
pub(super) fn plain(text: &str) -> String {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || " ._:/@*+-".contains(letter);
    text.chars().map(|letter| if is_plain(letter) { letter } else { '?' }).collect()
}

/// The balances that are not nothing, as postings.
pub(super) fn balances(books: &Books) -> Vec<Posting> {
    let posting = |(account, asset, minor): (&ledger::AccountId, &ledger::AssetId, i128)| Posting {
        account: account.clone(),
        asset: asset.clone(),
        minor,
    };
    books.nets().map(posting).filter(|posting| posting.minor != 0).collect()
}

/// The lines at the head of a form, each after its mark of a comment.
pub(super) fn head(view: &View<'_>, tool: &str) -> [String; 3] {
    [
        format!("Countersign: {}", plain(&view.about())),
        "Posted amounts only; what is reserved for what is under way is in no books.".to_owned(),
        format!("Check it with: {tool}"),
    ]
}

#[cfg(test)]
mod tests {
    #[test]
    fn nothing_that_a_form_gives_a_meaning_to_is_left() {
        assert_eq!(super::plain("infer a/b:c by d"), "infer a/b:c by d");
        assert_eq!(super::plain("a;b|c\"d\\e\nf,g(h)\t\u{e9}"), "a?b?c?d?e?f?g?h???");
    }
}
