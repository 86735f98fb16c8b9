//! Several memoranda side by side: sums by asset and party, and promises to be first or alone that cannot all be kept.

use partnership::memorandum::Memorandum;
use partnership::memorandum::together::{Conflict, NotTwo, Place, Together};

use super::read;

fn head(name: &str, with: &str) -> String {
    format!(
        "# {name}\n\n```toml memorandum\ntitle = \"{name}\"\nversion = 1\nparties = [\n  {{ id = \"{with}\", name = \"The party {with}\", role = \"operator\" }},\n  {{ id = \"alder\", name = \"Alder Research\", role = \"research\" }},\n]\neffective = 2026-01-01\nforce = \"non-binding\"\n```\n"
    )
}

fn block(id: &str, kind: &str, fields: &str) -> String {
    format!("\n```toml clause {id}\nkind = \"{kind}\"\nsource = \"signed\"\n{fields}\n```\n")
}

/// A memorandum between `alder` and another party.
fn memorandum(with: &str, clauses: &[String]) -> Memorandum {
    read(&format!("{}{}", head(&format!("Alder and {with}"), with), clauses.concat()))
}

fn together(memoranda: &[&Memorandum]) -> Together {
    Together::of(memoranda).unwrap()
}

/// What is found, with the line and column of each place in its own file.
fn shown(memoranda: &[&Memorandum], found: &Together) -> String {
    let at = |place: &Place| {
        let text = &memoranda.get(place.memorandum).unwrap().text;
        assert_eq!(&text[place.span.clone()], place.clause.as_str(), "a place is a clause's id");
        assert!(text[..place.span.start].ends_with("```toml clause "), "and that of its block");
        let before = &text[..place.span.start];
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap().chars().count() + 1;
        format!("{}:{line}:{column}", place.memorandum)
    };
    let clash = |sort: &str, one: &Conflict| {
        let [a, b] = &one.places;
        format!("{sort} {} {} {}: {}\n  help: {}\n", one.code, at(a), at(b), one.message, one.help)
    };
    let mut lines = Vec::new();
    lines.extend(
        found.parties.iter().map(|party| format!("party {} {:?} {:?}\n", party.id, party.name, party.of)),
    );
    lines.extend(found.notes.iter().map(|note| format!("note {note}\n")));
    for sum in &found.sums {
        let (binding, intended) = (sum.binding.display(sum.scale), sum.intended.display(sum.scale));
        let parts: Vec<_> = sum.parts.iter().map(|part| at(&part.place)).collect();
        let (party, side, asset) = (&sum.party, sum.side.as_str(), &sum.asset);
        lines.push(format!("{party} {side} {binding} + {intended} {asset} of {}\n", parts.join(" ")));
    }
    lines.extend(found.uncounted.iter().map(|one| format!("uncounted {} {}\n", at(&one.place), one.why)));
    lines.extend(found.conflicts.iter().map(|one| clash("clash", one)));
    lines.extend(found.alike.iter().map(|one| clash("alike", one)));
    lines.concat()
}

fn codes(found: &[Conflict]) -> Vec<&str> {
    found.iter().map(|one| one.code.strip_prefix("memorandum::").unwrap()).collect()
}

/// Promises of `alder` to the other party of each memorandum.
#[test]
fn promises_to_be_first_or_alone_clash_where_they_are_about_the_same_at_the_same_time() {
    let alone = |to: &str, more: &str| {
        block("one", "exclusivity", &format!("by = \"alder\"\nto = \"{to}\"\nwhat = \"the weights\"\n{more}"))
    };
    let early = |to: &str, more: &str| {
        block(
            "one",
            "early-access",
            &format!("by = \"alder\"\nto = [\"{to}\"]\nwhat = \"The  Weights\"\n{more}"),
        )
    };
    let first = |to: &str, more: &str| {
        block(
            "one",
            "first-refusal",
            &format!("by = \"alder\"\nto = \"{to}\"\nwhat = \"the weights\"\n{more}"),
        )
    };
    let licence = |to: &str, more: &str| {
        block("one", "licence", &format!("from = \"alder\"\nto = \"{to}\"\nwhat = \"the weights\"\n{more}"))
    };
    let (b, c) = ("birch", "cedar");
    // The one of birch | the one of cedar | what clashes | what is to be read
    let table: [(String, String, &[&str], &[&str]); 18] = [
        (alone(b, ""), alone(c, ""), &["exclusivity-clash"], &[]),
        (alone(b, ""), early(c, ""), &["exclusivity-clash"], &[]),
        (alone(b, ""), first(c, ""), &["exclusivity-clash"], &[]),
        (licence(b, ""), alone(c, ""), &["exclusivity-clash"], &[]),
        (early(b, ""), early(c, ""), &["early-access-clash"], &[]),
        (first(b, ""), first(c, ""), &["first-refusal-clash"], &[]),
        (early(b, ""), first(c, ""), &["first-refusal-clash"], &[]),
        (licence(b, "exclusive = true"), licence(c, ""), &["licence-clash"], &[]),
        (licence(b, ""), licence(c, ""), &[], &[]),
        (licence(b, ""), early(c, ""), &[], &[]),
        // Other words: for people to read.
        (alone(b, ""), alone(c, "").replace("the weights", "the models"), &[], &["exclusivity-clash"]),
        (
            licence(b, "exclusive = true\nscope = \"search\""),
            licence(c, "scope = \"games\""),
            &[],
            &["licence-clash"],
        ),
        // Models that have nothing in common, and times that never meet.
        (alone(b, "models = [\"m-1\"]"), alone(c, "models = [\"m-2\"]"), &[], &[]),
        (
            alone(b, "models = [\"m-1\"]"),
            early(c, "models = [\"m-2\", \"m-1\"]"),
            &["exclusivity-clash"],
            &[],
        ),
        (alone(b, "until = 2027-01-01"), alone(c, "starts = 2027-01-01"), &[], &[]),
        (alone(b, "until = 2027-01-02"), alone(c, "starts = 2027-01-01"), &["exclusivity-clash"], &[]),
        // Somebody else's promise.
        (
            alone(b, ""),
            alone(c, "").replace("by = \"alder\"\nto = \"cedar\"", "by = \"cedar\"\nto = \"alder\""),
            &[],
            &[],
        ),
        (alone(b, ""), String::new(), &[], &[]),
    ];
    for (one, other, clash, alike) in table {
        let (one, other) = (memorandum(b, &[one]), memorandum(c, &[other]));
        for pair in [[&one, &other], [&other, &one]] {
            let found = together(&pair);
            assert_eq!(codes(&found.conflicts), clash, "{}{}", one.text, other.text);
            assert_eq!(codes(&found.alike), alike, "{}{}", one.text, other.text);
        }
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "two memoranda, clause by clause")]
fn a_clash_has_both_places_and_amounts_are_added_by_asset_and_no_further() {
    let grant = |amount: &str, more: &str| {
        block(
            "grant",
            "compute-credit",
            &format!("from = \"alder\"\nto = \"birch\"\namount = \"{amount}\"\nmodels = [\"m-1\"]\n{more}"),
        )
    };
    let pays = |id: &str, from: &str, to: &str, amount: &str, more: &str| {
        block(
            id,
            "cash-tranche",
            &format!("from = \"{from}\"\nto = \"{to}\"\namount = \"{amount}\"\ndue = 2026-07-01\n{more}"),
        )
    };
    let alone = |to: &str, more: &str| {
        block(
            "l",
            "exclusivity",
            &format!("by = \"alder\"\nto = \"{to}\"\nwhat = \"the hosting of models\"\n{more}"),
        )
    };
    let birch = memorandum(
        "birch",
        &[
            grant("10.000000000 CREDIT", ""),
            pays("paid", "birch", "alder", "100.00 USD", "force = \"binding\""),
            pays("given", "alder", "birch", "7.00 USD", ""),
            pays("before", "birch", "alder", "900.00 USD", "already_paid = true"),
            alone("birch", "exceptions = [\"what runs on devices\"]"),
            block("more", "undisclosed", "about = \"a later round\""),
        ],
    );
    let cedar = memorandum(
        "cedar",
        &[
            pays("paid", "cedar", "alder", "250.00 USD", ""),
            pays("in-euros", "cedar", "alder", "3.00 EUR", ""),
            block(
                "least",
                "minimum-consumption",
                "by = \"alder\"\nto = \"cedar\"\namount = \"40.00 USD\"\nstarts = 2026-01-01\nends = 2027-01-01",
            ),
            block(
                "room",
                "capacity",
                "from = \"cedar\"\nto = \"alder\"\nwhat = \"units\"\nquantity = 2\nprice = \"1.50 USD\"\nevery = \"P1M\"\nstarts = 2026-01-01\nends = 2026-04-01",
            ),
            block(
                "open-room",
                "capacity",
                "from = \"cedar\"\nto = \"alder\"\nwhat = \"units\"\nquantity = 2\nprice = \"1.50 USD\"\nevery = \"P1M\"\nstarts = 2026-01-01",
            ),
            block(
                "share",
                "revenue-share",
                "from = \"alder\"\nto = \"cedar\"\nrate = \"20%\"\nasset = \"USD\"\nevery = \"P3M\"\nstarts = 2026-01-01",
            ),
            block(
                "capped",
                "revenue-share",
                "from = \"alder\"\nto = \"cedar\"\nrate = \"20%\"\nasset = \"EUR\"\ncap = \"5.00 EUR\"\nevery = \"P3M\"\nstarts = 2026-01-01",
            ),
            alone("cedar", ""),
            block(
                "guess",
                "undisclosed",
                "about = \"the whole\"\nreported = \"1000.00 USD\"\nreported_by = \"the press\"",
            ),
        ],
    );
    let pair = [&birch, &cedar];
    insta::assert_snapshot!(shown(&pair, &together(&pair)));
}

#[test]
fn one_asset_at_two_scales_is_two_sums_and_names_that_mislead_are_said() {
    let pays = block(
        "paid",
        "cash-tranche",
        "from = \"alder\"\nto = \"PARTY\"\namount = \"1.00 PTS\"\ndue = 2026-07-01",
    );
    let with = |party: &str, scale: u8, name: &str| {
        let text =
            head("Points", party).replace("force =", &format!("assets = {{ PTS = {scale} }}\nforce ="));
        let text = text.replace("Alder Research", name);
        read(&format!("{text}{}", pays.replace("PARTY", party)))
    };
    let (two, three) = (with("birch", 2, "Alder Research"), with("cedar", 3, "alder  research"));
    let other = with("birch", 2, "Another Alder");
    let sums = |pair: [&Memorandum; 2]| {
        let found = together(&pair);
        found
            .sums
            .iter()
            .map(|sum| (sum.party.to_string(), sum.scale, sum.intended.minor()))
            .collect::<Vec<_>>()
    };
    assert_eq!(sums([&two, &three]), [("alder".to_owned(), 2, 100), ("alder".to_owned(), 3, 1000)]);
    let found = together(&[&two, &other]);
    assert_eq!(found.parties.iter().map(|party| party.id.as_str()).collect::<Vec<_>>(), ["birch"]);
    assert_eq!(found.notes.len(), 1, "{:?}", found.notes);
    assert!(found.notes[0].contains("not taken for the same party"), "{:?}", found.notes);
    let renamed = with("fir", 2, "Alder Research");
    let renamed = read(&renamed.text.replace("The party fir", "The party birch"));
    let found = together(&[&two, &renamed]);
    assert!(found.notes[0].contains("give it one id"), "{:?}", found.notes);
}

#[test]
fn versions_of_one_memorandum_and_one_text_are_not_two() {
    let one = memorandum("birch", &[]);
    let next = format!("version = 2\nprevious = \"{}\"", one.digest_hex());
    let next = read(&one.text.replace("version = 1", &next));
    let other = memorandum("cedar", &[]);
    assert_eq!(Together::of(&[&other, &one, &next]), Err(NotTwo::Versions(1, 2)));
    assert_eq!(Together::of(&[&next, &other, &one]), Err(NotTwo::Versions(0, 2)));
    assert_eq!(Together::of(&[&one, &other, &one]), Err(NotTwo::Same(0, 2)));
}

#[test]
fn example_deals_of_one_party_are_read_side_by_side() {
    let deal = |name: &str| {
        let path = super::tests().join("../../../../examples").join(name);
        read(&std::fs::read_to_string(path).unwrap())
    };
    for (name, files) in [
        (
            "openai",
            vec![
                "deals/nvidia-openai.md",
                "deals/oracle-openai.md",
                "deals/amd-openai.md",
                "microsoft-openai/history/2026-04.md",
            ],
        ),
        ("anthropic", vec!["deals/amazon-anthropic.md", "deals/google-anthropic.md"]),
        ("cloud", vec!["deals/azure-commitment.md", "deals/startup-credits.md"]),
    ] {
        let memoranda: Vec<Memorandum> = files.into_iter().map(deal).collect();
        let memoranda: Vec<&Memorandum> = memoranda.iter().collect();
        insta::assert_snapshot!(format!("together-{name}"), shown(&memoranda, &together(&memoranda)));
    }
}
