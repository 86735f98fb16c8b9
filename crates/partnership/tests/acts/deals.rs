//! The example deals, run: what their commitments come to on given days, each amount worked out by hand from the deal's own text.
//!
//! Not here: whether they parse (`memorandum::examples`).

use super::*;

/// Founds a partnership on a deal on the day on which it begins, between its own parties.
fn founded(file: &str) -> House {
    let path = std::path::PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../examples").join(file);
    let text = std::fs::read_to_string(path).unwrap();
    let terms = Arc::new(Terms::read(&text).unwrap());
    let at = Timestamp::start_of(terms.memorandum().header.effective);
    House::founded_over(&text, [(terms.digest(), terms)].into(), at)
}

/// A deal, and on days in order what accounts hold. Units: cents, and thousandths of an hour.
type Deal<'a> = (&'a str, &'a [(&'a str, &'a [(&'a str, i128)])]);

const DEALS: &[Deal<'_>] = &[
    (
        "deals/amazon-anthropic.md",
        &[
            // 20 billion on milestones, and 100 billion to be spent in ten years: intentions.
            (
                "2026-04-20",
                &[
                    ("memo:commitment:investment-on-milestones:undrawn", 2_000_000_000_000),
                    ("memo:minimum:aws-spend:open", 10_000_000_000_000),
                    // What was paid before is history.
                    ("memo:commitment:investment-2026:undrawn", 0),
                ],
            ),
            // Nothing is consumed through here, so all of it falls short on the day, and nothing is owed.
            (
                "2036-04-20",
                &[
                    ("memo:minimum:aws-spend:shortfall", 10_000_000_000_000),
                    ("memo:minimum:aws-spend:open", 0),
                    ("minimum:aws-spend:shortfall", 0),
                ],
            ),
        ],
    ),
    (
        "deals/google-anthropic.md",
        &[("2026-04-24", &[("memo:commitment:investment-on-conditions:undrawn", 3_000_000_000_000)])],
    ),
    (
        "deals/nvidia-openai.md",
        &[
            ("2025-09-22", &[("memo:commitment:investment-by-gigawatt:undrawn", 10_000_000_000_000)]),
            (
                "2026-03-01",
                &[
                    ("memo:commitment:investment-by-gigawatt:undrawn", 0),
                    ("memo:commitment:investment-by-gigawatt:lapsed", 10_000_000_000_000),
                ],
            ),
        ],
    ),
    (
        "deals/azure-commitment.md",
        &[
            (
                "2026-01-01",
                &[("minimum:commitment:open", 1_000_000_000), ("capacity:throughput:owed", 2_600_000)],
            ),
            // January to April have begun: four times a hundred units of 260 dollars.
            ("2026-04-15", &[("capacity:throughput:owed", 10_400_000)]),
            ("2026-12-31", &[("capacity:throughput:owed", 31_200_000), ("minimum:commitment:shortfall", 0)]),
            // Two million by the first year, five by the second, ten by the third, and nothing was consumed.
            (
                "2027-01-01",
                &[("minimum:commitment:shortfall", 200_000_000), ("capacity:throughput:owed", 31_200_000)],
            ),
            (
                "2028-01-01",
                &[("minimum:commitment:shortfall", 500_000_000), ("minimum:commitment:open", 500_000_000)],
            ),
            (
                "2029-01-01",
                &[("minimum:commitment:shortfall", 1_000_000_000), ("minimum:commitment:open", 0)],
            ),
        ],
    ),
    (
        "deals/oracle-openai.md",
        &[
            ("2025-09-10", &[("memo:minimum:computing-power:open", 30_000_000_000_000)]),
            ("2031-12-31", &[("memo:minimum:computing-power:shortfall", 0)]),
            ("2032-01-01", &[("memo:minimum:computing-power:shortfall", 30_000_000_000_000)]),
        ],
    ),
    (
        "deals/startup-credits.md",
        &[
            ("2026-01-01", &[("credit:credits:available", 200_000)]),
            ("2026-12-31", &[("credit:credits:available", 200_000), ("credit:credits:breakage", 0)]),
            ("2027-01-01", &[("credit:credits:available", 0), ("credit:credits:breakage", 200_000)]),
        ],
    ),
    (
        "deals/uk-airr.md",
        &[
            ("2026-01-01", &[("credit:hours:available", 150_000_000)]),
            ("2026-07-01", &[("credit:hours:available", 0), ("credit:hours:breakage", 150_000_000)]),
        ],
    ),
];

#[test]
fn every_deal_comes_to_what_its_text_says_on_each_day() {
    for (file, days) in DEALS {
        let mut house = founded(file);
        for (day, accounts) in *days {
            house.at = format!("{day}T00:00:00Z").parse().unwrap();
            house.run(Command::Tick);
            for (account, expected) in *accounts {
                assert_eq!(house.net(account), *expected, "{file}: `{account}` on {day}");
            }
        }
        second::check(&house.leaves, house.partnership.state());
    }
}
