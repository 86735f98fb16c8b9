//! The fields of each kind of clause that is observed.
//!
//! Not here: reading a value (`memorandum::read`), or what follows from it.

use crate::memorandum::clause::{Area, REQUIREMENT_ACTS};
use crate::memorandum::fields::{AMOUNT_SOURCE, Field, Row, Shape, may, must};

const QUANTITY: Shape = Shape::Count { min: 1, max: u64::MAX };
const STARTS: Field = may("starts", Shape::Date, "the header's `effective`", "the first day");
const UNTIL: Field = may("until", Shape::Condition, "nothing ends it", "what ends it");
const MODELS: Field = may("models", Shape::Models, "every model", "the models it is about");
const EXCEPTIONS: Field = may("exceptions", Shape::Texts, "none", "what is left out of it, in words");

/// The fields of one part of a `vesting`.
pub(in crate::memorandum) const VEST: &[Field] = &[
    must("when", Shape::Condition, "when it vests"),
    may("quantity", QUANTITY, "not said", "how much it is"),
    may("what", Shape::Text, "not said", "what it is, in words"),
];

/// `vesting`
pub(in crate::memorandum) const VESTING: Row = Row {
    name: "vesting",
    area: Area::Investment,
    meaning: "Something that passes to a party in parts, each when its condition holds: shares, warrants, options. It is observed: Countersign shows which parts have vested by what was attested, and books nothing.",
    fields: &[
        must("from", Shape::Party, "who grants it"),
        must("to", Shape::Party, "whose it becomes"),
        must("what", Shape::Text, "what vests, in words"),
        may("quantity", QUANTITY, "not said", "how much of it in all; the parts add up to it"),
        AMOUNT_SOURCE,
        must("tranches", Shape::Tranches, "the parts"),
        may("lapses", Shape::Date, "never", "the first day on which nothing more of it vests"),
    ],
    example: "kind = \"vesting\"\nforce = \"binding\"\nsource = \"signed\"\nfrom = \"northwind\"\nto = \"halcyon\"\nwhat = \"warrants on Northwind's shares\"\nquantity = 3000\ntranches = [\n  { quantity = 1000, when = 2026-07-01 },\n  { quantity = 2000, when = { all_of = [\n    { date = 2027-01-01 },\n    { milestone = \"the second site is in service\", attested_by = [\"northwind\", \"halcyon\"] },\n  ] } },\n]\nlapses = 2030-01-01\n",
};

/// `first-refusal`
pub(in crate::memorandum) const FIRST_REFUSAL: Row = Row {
    name: "first-refusal",
    area: Area::Cloud,
    meaning: "A right to be offered something before anyone else may have it. It is observed, and refuses nothing.",
    fields: &[
        must("by", Shape::Party, "who must offer"),
        must("to", Shape::Party, "who may take it or refuse"),
        must("what", Shape::Text, "what is offered, in words"),
        may("answer_within", Shape::Duration, "not said", "how long the answer may take"),
        STARTS,
        UNTIL,
    ],
    example: "kind = \"first-refusal\"\nforce = \"binding\"\nsource = \"signed\"\nby = \"halcyon\"\nto = \"northwind\"\nwhat = \"new computing capacity\"\nanswer_within = \"P30D\"\nuntil = 2030-01-01\n",
};

/// `exclusivity`
pub(in crate::memorandum) const EXCLUSIVITY: Row = Row {
    name: "exclusivity",
    area: Area::Cloud,
    meaning: "A promise to have something from, or give it to, one party alone. It is observed, and refuses nothing. Two that promise the same to different parties for the same time are an error.",
    fields: &[
        must("by", Shape::Party, "who is bound"),
        must("to", Shape::Party, "to whom"),
        must("what", Shape::Text, "for what, in words"),
        MODELS,
        EXCEPTIONS,
        STARTS,
        UNTIL,
    ],
    example: "kind = \"exclusivity\"\nforce = \"binding\"\nsource = \"signed\"\nby = \"halcyon\"\nto = \"northwind\"\nwhat = \"serving of its interface to others\"\nexceptions = [\"customers in national security\"]\nuntil = { earlier_of = [\n  { date = 2030-01-01 },\n  { milestone = \"the panel has found general intelligence\", attested_by = [\"northwind\", \"halcyon\"] },\n] }\n",
};

/// `licence`
pub(in crate::memorandum) const LICENCE: Row = Row {
    name: "licence",
    area: Area::Cloud,
    meaning: "A right to use something. It is observed, and refuses nothing. An exclusive one beside another of the same thing to another party for the same time is an error.",
    fields: &[
        must("from", Shape::Party, "who licenses"),
        must("to", Shape::Party, "to whom"),
        must("what", Shape::Text, "what, in words"),
        may("scope", Shape::Text, "any use", "for which use, in words"),
        may("exclusive", Shape::Flag, "`false`", "whether nobody else is given the same"),
        STARTS,
        UNTIL,
    ],
    example: "kind = \"licence\"\nforce = \"binding\"\nsource = \"signed\"\nfrom = \"halcyon\"\nto = \"northwind\"\nwhat = \"the weights of joint models\"\nscope = \"use in Northwind's products\"\nuntil = 2032-01-01\n",
};

/// `early-access`
pub(in crate::memorandum) const EARLY_ACCESS: Row = Row {
    name: "early-access",
    area: Area::Cloud,
    meaning: "A promise to show or give something to some before all others. It is observed, and refuses nothing. Two that promise the same to different parties for the same time are an error.",
    fields: &[
        must("by", Shape::Party, "who shows it"),
        must("to", Shape::Parties, "who sees it first"),
        must("what", Shape::Text, "what, in words"),
        MODELS,
        may("lead", Shape::Duration, "not said", "how long before others"),
        EXCEPTIONS,
        STARTS,
        UNTIL,
    ],
    example: "kind = \"early-access\"\nforce = \"binding\"\nsource = \"signed\"\nby = \"halcyon\"\nto = [\"northwind\"]\nwhat = \"new models\"\nlead = \"P14D\"\n",
};

/// `consultation`
pub(in crate::memorandum) const CONSULTATION: Row = Row {
    name: "consultation",
    area: Area::Governance,
    meaning: "Notice that one party gives others before it does something. It is observed, and refuses nothing; what must wait for an approval is a `requirement`.",
    fields: &[
        must("by", Shape::Party, "who gives notice"),
        must("with", Shape::Parties, "who is consulted"),
        may(
            "acts",
            Shape::Words(REQUIREMENT_ACTS),
            "none of these",
            "the acts it is about; needed without `about`",
        ),
        may("about", Shape::Text, "the acts alone", "what else it is about, in words; needed without `acts`"),
        may("notice", Shape::Duration, "not said", "how long before"),
    ],
    example: "kind = \"consultation\"\nforce = \"binding\"\nsource = \"signed\"\nby = \"halcyon\"\nwith = [\"northwind\"]\nacts = [\"amend\"]\nabout = \"the sale of a majority of its shares\"\nnotice = \"P30D\"\n",
};

/// `termination`
pub(in crate::memorandum) const TERMINATION: Row = Row {
    name: "termination",
    area: Area::General,
    meaning: "Who may end the memorandum, and how. It is observed: it ends by its `term`, or by an amendment.",
    fields: &[
        must("by", Shape::Parties, "who may"),
        may("notice", Shape::Duration, "at once", "notice before it ends"),
        may("grounds", Shape::Texts, "no grounds are needed", "what gives the right, in words"),
        may(
            "cure",
            Shape::Duration,
            "none",
            "how long the other side has to put a ground right; needs `grounds`",
        ),
    ],
    example: "kind = \"termination\"\nforce = \"binding\"\nsource = \"signed\"\nby = [\"northwind\", \"halcyon\"]\nnotice = \"P30D\"\ngrounds = [\"a payment that is overdue\"]\ncure = \"P60D\"\n",
};

/// `survival`
pub(in crate::memorandum) const SURVIVAL: Row = Row {
    name: "survival",
    area: Area::General,
    meaning: "Clauses that outlive the memorandum, and for how long. A binding one holds as the `survives` of a `term` does, to which it adds an end.",
    fields: &[
        must("clauses", Shape::Clauses, "which"),
        may("lasts", Shape::Duration, "for ever", "for how long after the end"),
    ],
    example: "kind = \"survival\"\nforce = \"binding\"\nsource = \"signed\"\nclauses = [\"launch-credits\"]\nlasts = \"P2Y\"\n",
};
