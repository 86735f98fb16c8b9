//! The table of every block and every field: what the reader checks against, and what `docs/MEMORANDUM.md` is written from.
//!
//! Not here: reading a value (`read`), or what follows from it.

use super::clause::{Area, REQUIREMENT_ACTS};
use super::observed::rows;

/// What a field may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    Text,
    Cedar,
    Word(&'static [&'static str]),
    Words(&'static [&'static str]),
    Count { min: u64, max: u64 },
    Flag,
    Date,
    Duration,
    Announced,
    Sealed,
    Money,
    Price,
    Percent,
    Asset,
    Milestones,
    Party,
    Parties,
    Clauses,
    Models,
    Applications,
    Digest,
    Signatories,
    Assets,
    Keys,
    Bounds,
    Condition,
    Conditions,
    Texts,
    Tranches,
    Units,
}

impl Shape {
    /// The shape in words, with an example; also what a reader is told who wrote something else.
    pub(super) fn describe(self) -> String {
        let text = match self {
            Self::Text => "text, not empty",
            Self::Cedar => "text in Cedar, in `'''` quotes",
            Self::Word(words) => return format!("one of {}", listed(words)),
            Self::Words(words) => return format!("a list out of {}", listed(words)),
            Self::Count { min, max: u64::MAX } => return format!("a whole number from {min}"),
            Self::Count { min, max } => return format!("a whole number from {min} to {max}"),
            Self::Flag => "`true` or `false`",
            Self::Date => "a date: `2026-01-31`",
            Self::Duration => "an ISO 8601 duration of days, weeks, months or years: `\"P30D\"`",
            Self::Announced => "a year, month or day as text: `\"2023\"`, `\"2023-01\"`, `\"2023-01-23\"`",
            Self::Sealed => {
                "a sealed amount with its asset, as `countersign fund seal` prints it: `\"<44 characters of base64> USD\"`"
            }
            Self::Money => "an amount with its asset: `\"5000000.00 USD\"`",
            Self::Price => "a price of up to 12 decimals with its asset: `\"0.50 CREDIT\"`",
            Self::Percent => "a part of a whole, of up to six decimals: `\"20%\"`",
            Self::Asset => "an asset's id: `\"USD\"`",
            Self::Milestones => "a list of `{ by = 2026-06-30, amount = \"…\" }`, in order",
            Self::Party => "a party's id",
            Self::Parties => "a list of parties' ids, not empty: `[\"a\", \"b\"]`",
            Self::Clauses => "a list of clauses' ids",
            Self::Models => "a list of model ids, not empty; `[\"*\"]` is every model",
            Self::Applications => "a list of applications' names, not empty: `[\"assistant\"]`",
            Self::Digest => "a SHA-256 digest: 64 lower-case hexadecimal digits",
            Self::Signatories => "a list of `{ id = \"…\", name = \"…\", role = \"…\" }`, two or more",
            Self::Assets => "a table of assets and their decimals: `{ GPUH = 3 }`",
            Self::Keys => "a table of parties and their vkeys",
            Self::Bounds => "a table: `{ image = 1500 }`",
            Self::Condition => {
                "a condition: a date, or a table such as `{ milestone = \"…\", attested_by = [\"a\"] }`"
            }
            Self::Units => "a table of units and their prices: `{ \"gpu-hour:h100\" = \"2.50 CREDIT\" }`",
            Self::Texts => "a list of texts, not empty",
            Self::Tranches => "a list of `{ when = …, quantity = …, what = \"…\" }`, not empty",
            Self::Conditions => "a list of two conditions or more",
        };
        text.to_owned()
    }
}

fn listed(words: &[&str]) -> String {
    words.iter().map(|word| format!("`\"{word}\"`")).collect::<Vec<_>>().join(", ")
}

/// Whether a field has to be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    /// It has.
    Must,
    /// It may be left out; the text says what holds then.
    May(&'static str),
}

/// One field of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) shape: Shape,
    pub(super) need: Need,
    pub(super) meaning: &'static str,
}

/// One kind of clause.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row {
    pub(super) name: &'static str,
    pub(super) area: Area,
    pub(super) meaning: &'static str,
    pub(super) fields: &'static [Field],
    pub(super) example: &'static str,
}

pub(super) const fn must(name: &'static str, shape: Shape, meaning: &'static str) -> Field {
    Field { name, shape, need: Need::Must, meaning }
}

pub(super) const fn may(
    name: &'static str,
    shape: Shape,
    without: &'static str,
    meaning: &'static str,
) -> Field {
    Field { name, shape, need: Need::May(without), meaning }
}

/// The audiences of applications.
pub(super) const AUDIENCES: &[&str] = &["consumer", "business"];
/// What a `retention` may keep.
pub(super) const KEEPS: &[&str] = &["keys", "content"];

const FORCES: &[&str] = &["binding", "non-binding"];
const TOKENS: Shape = Shape::Count { min: 0, max: 1_000_000_000 };

/// The fields of the header.
pub(super) const HEADER: &[Field] = &[
    must("title", Shape::Text, "the memorandum's name"),
    must("version", Shape::Count { min: 1, max: u64::MAX }, "1 for the first, one more with each amendment"),
    must(
        "parties",
        Shape::Signatories,
        "who agrees; exactly one has the role `operator` and runs the service",
    ),
    must("effective", Shape::Date, "the first day (UTC) on which it may be in force"),
    may(
        "prevails",
        Shape::Word(&["prose", "blocks"]),
        "`prose`",
        "which is right where prose and block disagree",
    ),
    may("force", Shape::Word(FORCES), "every clause states its own", "the force of clauses that state none"),
    may(
        "threshold",
        Shape::Count { min: 1, max: u32::MAX as u64 },
        "all parties",
        "how many parties must sign",
    ),
    may(
        "assets",
        Shape::Assets,
        "the built-in ones",
        "further assets; built in are USD 2, EUR 2, GBP 2 and CREDIT 9",
    ),
    may("previous", Shape::Digest, "version 1", "SHA-256 of the version before; needed from version 2 on"),
    may("vkeys", Shape::Keys, "as the record says", "the parties' signing keys"),
    may(
        "recovery",
        Shape::Keys,
        "no recovery",
        "keys that replace a lost signing key, each with the approval of all other parties",
    ),
];

/// The fields of every clause.
pub(super) const COMMON: &[Field] = &[
    must("kind", Shape::Text, "one of the kinds below"),
    may("force", Shape::Word(FORCES), "the header's", "`binding` is enforced, `non-binding` only observed"),
    must("source", Shape::Word(SOURCES), "where the terms come from"),
];

const SOURCES: &[&str] = &["signed", "disclosed", "reported", "inferred"];

/// For each kind that has an amount.
pub(super) const AMOUNT_SOURCE: Field =
    may("amount_source", Shape::Word(SOURCES), "the clause's `source`", "where the amount comes from");

/// The fields of a condition, which holds exactly one of `date`, `milestone`, `earlier_of` and `all_of`.
pub(super) const CONDITION: &[Field] = &[
    may("date", Shape::Date, "another form", "it holds from this day on"),
    may("milestone", Shape::Text, "another form", "what must be reached, in words"),
    may(
        "attested_by",
        Shape::Parties,
        "no milestone",
        "who must each attest the milestone over the same digest; needed with `milestone`",
    ),
    may(
        "id",
        Shape::Text,
        "the clause has one milestone",
        "the milestone's name, by which it is attested; needed where the clause has several",
    ),
    may("earlier_of", Shape::Conditions, "another form", "it holds as soon as one of these does"),
    may("all_of", Shape::Conditions, "another form", "it holds when each of these does"),
];

/// Every kind of clause.
pub(super) const KINDS: &[Row] = &[
    Row {
        name: "compute-credit",
        area: Area::Investment,
        meaning: "A grant that pays for calls. It is spent by reservations, never beyond its amount; what is left at its expiry is gone.",
        fields: &[
            must("from", Shape::Party, "who grants"),
            must("to", Shape::Party, "whose applications spend"),
            must("amount", Shape::Money, "the whole grant, more than zero"),
            AMOUNT_SOURCE,
            must("models", Shape::Models, "what it may be spent on"),
            may("starts", Shape::Date, "the header's `effective`", "the first day on which it may be spent"),
            may(
                "expires",
                Shape::Date,
                "never",
                "the first day on which it may no longer be spent; not together with `duration`",
            ),
            may("duration", Shape::Duration, "never", "how long after `starts` it expires"),
            may(
                "burn_order",
                Shape::Count { min: 0, max: u32::MAX as u64 },
                "100",
                "grants with a lower number are spent first",
            ),
            may(
                "expiry_applies",
                Shape::Word(&["reserve", "settle"]),
                "`reserve`",
                "whether a call under way at the expiry is still paid for (`reserve`) or not (`settle`)",
            ),
        ],
        example: "kind = \"compute-credit\"\nforce = \"binding\"\nsource = \"signed\"\nfrom = \"northwind\"\nto = \"halcyon\"\namount = \"1000.000000000 CREDIT\"\nmodels = [\"*\"]\nduration = \"P1Y\"\n",
    },
    Row {
        name: "cash-tranche",
        area: Area::Investment,
        meaning: "A payment in money that falls due on a date or on a milestone. It is booked once, never before its condition holds.",
        fields: &[
            must("from", Shape::Party, "who pays"),
            must("to", Shape::Party, "who is paid"),
            must("amount", Shape::Money, "how much, more than zero"),
            AMOUNT_SOURCE,
            may(
                "due",
                Shape::Date,
                "a milestone",
                "the day on which it falls due; either this or `milestone`",
            ),
            may("milestone", Shape::Text, "a date", "what must be reached, in words"),
            may(
                "attested_by",
                Shape::Parties,
                "a date",
                "who must each attest the milestone over the same digest; needed with `milestone`",
            ),
            may("lapses", Shape::Date, "never", "the first day on which it can no longer fall due"),
            may(
                "already_paid",
                Shape::Flag,
                "`false`",
                "paid before this memorandum: shown, never paid from here",
            ),
        ],
        example: "kind = \"cash-tranche\"\nforce = \"binding\"\nsource = \"signed\"\nfrom = \"northwind\"\nto = \"halcyon\"\namount = \"250000.00 USD\"\nmilestone = \"the first joint model is released\"\nattested_by = [\"northwind\", \"halcyon\"]\n",
    },
    Row {
        name: "rate-card",
        area: Area::Investment,
        meaning: "Prices of calls. A card that names a model goes before one for `*`; a later card replaces an earlier one from its day on, and calls made before keep their price.",
        fields: &[
            may(
                "models",
                Shape::Models,
                "only `units` are priced",
                "what is priced; with `input` and `output`",
            ),
            may("input", Shape::Price, "only `units` are priced", "the price of input, for so many tokens"),
            may(
                "cached_input",
                Shape::Price,
                "that of `input`",
                "the price of input that the upstream had cached, for so many tokens; not above `input`",
            ),
            may("output", Shape::Price, "only `units` are priced", "the price of output, for so many tokens"),
            may("request", Shape::Price, "nothing", "the price of each request, on top"),
            AMOUNT_SOURCE,
            may(
                "list_input",
                Shape::Price,
                "not said",
                "the price of input by the list; nothing is charged by it",
            ),
            may("list_cached_input", Shape::Price, "not said", "the same of cached input"),
            may("list_output", Shape::Price, "not said", "the same of output"),
            may("list_request", Shape::Price, "not said", "the same of each request"),
            may("units", Shape::Units, "only calls are priced", "prices of what is no call, for one of each"),
            may(
                "per",
                Shape::Count { min: 1, max: 1_000_000_000 },
                "1000000",
                "how many tokens the prices of input and output are for",
            ),
            may("from", Shape::Date, "the header's `effective`", "the first day on which the prices hold"),
        ],
        example: "kind = \"rate-card\"\nforce = \"binding\"\nsource = \"signed\"\nmodels = [\"smollm2-135m-instruct\"]\ninput = \"0.50 CREDIT\"\ncached_input = \"0.05 CREDIT\"\noutput = \"1.50 CREDIT\"\nlist_input = \"0.60 CREDIT\"\nlist_output = \"1.80 CREDIT\"\nunits = { \"gpu-hour:h100\" = \"2.50 CREDIT\" }\n",
    },
    Row {
        name: "minimum-consumption",
        area: Area::Investment,
        meaning: "What one party is to consume by certain days, counted as its calls are settled and charged. What falls short on a day is owed to the other party, once, and is booked on that day; consumption beyond the whole is not counted. Where it is not binding it is counted all the same, and nothing is owed.",
        fields: &[
            must("by", Shape::Party, "whose applications consume"),
            must("to", Shape::Party, "who is owed what falls short"),
            must(
                "amount",
                Shape::Money,
                "how much in all, in the asset in which calls are charged; more than zero",
            ),
            AMOUNT_SOURCE,
            may("models", Shape::Models, "every model", "the models whose calls count"),
            may("starts", Shape::Date, "the header's `effective`", "the first day on which calls count"),
            must(
                "ends",
                Shape::Date,
                "the first day on which they no longer count, and on which the whole is due",
            ),
            may(
                "milestones",
                Shape::Milestones,
                "only the end",
                "how much is to be consumed since the start before each of these days",
            ),
        ],
        example: "kind = \"minimum-consumption\"\nforce = \"binding\"\nsource = \"signed\"\nby = \"halcyon\"\nto = \"northwind\"\namount = \"1000.000000000 CREDIT\"\nends = 2027-01-01\nmilestones = [{ by = 2026-07-01, amount = \"400.000000000 CREDIT\" }]\n",
    },
    Row {
        name: "capacity",
        area: Area::Investment,
        meaning: "Capacity that is rented and paid for whether it is used or not. On the first day of each period its price for that period is owed, for a whole period even where the last one is cut short.",
        fields: &[
            must("from", Shape::Party, "who provides it"),
            must("to", Shape::Party, "who pays"),
            must("what", Shape::Text, "what the units are, in words"),
            must("quantity", Shape::Count { min: 1, max: 1_000_000_000 }, "how many units"),
            must("price", Shape::Money, "the price of one unit for one period, more than zero"),
            AMOUNT_SOURCE,
            must("every", Shape::Duration, "how long a period lasts"),
            may("starts", Shape::Date, "the header's `effective`", "the first day of the first period"),
            may("ends", Shape::Date, "never", "the first day on which no period begins any more"),
        ],
        example: "kind = \"capacity\"\nforce = \"binding\"\nsource = \"signed\"\nfrom = \"northwind\"\nto = \"halcyon\"\nwhat = \"provisioned throughput units\"\nquantity = 15\nprice = \"260.00 USD\"\nevery = \"P1M\"\n",
    },
    Row {
        name: "revenue-share",
        area: Area::Investment,
        meaning: "A part of what one party earns, owed to the other. The party that earns declares its revenue when a period is over, under its signature; the part is worked out exactly, rounded once, half to even, and stops at the cap.",
        fields: &[
            must("from", Shape::Party, "who earns and shares"),
            must("to", Shape::Party, "who is owed the share"),
            must("rate", Shape::Percent, "which part of the revenue"),
            AMOUNT_SOURCE,
            must("asset", Shape::Asset, "what the revenue is counted in"),
            may("cap", Shape::Money, "no bound", "the most that is shared in all, more than zero"),
            must("every", Shape::Duration, "how long a period lasts"),
            may("starts", Shape::Date, "the header's `effective`", "the first day of the first period"),
            may("ends", Shape::Date, "never", "the first day of which the revenue is shared no more"),
            may(
                "until",
                Shape::Condition,
                "nothing ends it but its days and its cap",
                "what ends it: no period is shared that begins on the day on which this came to hold, or later",
            ),
        ],
        example: "kind = \"revenue-share\"\nforce = \"binding\"\nsource = \"disclosed\"\nfrom = \"halcyon\"\nto = \"northwind\"\nrate = \"20%\"\namount_source = \"reported\"\nasset = \"USD\"\ncap = \"5000000.00 USD\"\nevery = \"P3M\"\nuntil = { milestone = \"the panel has found general intelligence\", attested_by = [\"northwind\", \"halcyon\"] }\n",
    },
    Row {
        name: "undisclosed",
        area: Area::Investment,
        meaning: "Something agreed whose terms are not public. It is shown with what others report about it, and moves nothing. A sealed amount is a commitment: whoever is given its opening can check that this amount was agreed and no other.",
        fields: &[
            must("about", Shape::Text, "what it is about"),
            may("reported", Shape::Money, "unknown", "the amount that others report"),
            may("reported_by", Shape::Text, "unknown", "who reports it; needed with `reported`"),
            may("announced", Shape::Announced, "unknown", "when it was announced"),
            may("sealed", Shape::Sealed, "not committed to", "the amount agreed, sealed"),
        ],
        example: "kind = \"undisclosed\"\nforce = \"non-binding\"\nsource = \"disclosed\"\nabout = \"an option on a later round\"\nannounced = \"2025-11\"\n",
    },
    rows::VESTING,
    Row {
        name: "policy",
        area: Area::Governance,
        meaning: "Rules over calls, in Cedar, checked strictly against the vocabulary below. A binding `forbid` that holds refuses the call; a non-binding one is recorded as a deviation. A `forbid` that cannot be evaluated counts as one that holds.",
        fields: &[must("cedar", Shape::Cedar, "one or more Cedar policies")],
        example: "kind = \"policy\"\nforce = \"binding\"\nsource = \"signed\"\ncedar = '''\nforbid (principal, action == Action::\"infer\", resource)\nwhen { principal.audience == \"consumer\" && context.tools > 0 };\n'''\n",
    },
    Row {
        name: "requirement",
        area: Area::Governance,
        meaning: "Approvals that certain acts need before they take effect, each over the digest of the exact act.",
        fields: &[
            must("acts", Shape::Words(REQUIREMENT_ACTS), "the acts"),
            must("approved_by", Shape::Parties, "who must approve each of them"),
        ],
        example: "kind = \"requirement\"\nforce = \"binding\"\nsource = \"signed\"\nacts = [\"application-add\"]\napproved_by = [\"northwind\", \"halcyon\"]\n",
    },
    Row {
        name: "retention",
        area: Area::Governance,
        meaning: "What is kept of calls, for how long at least, and when it is erased by itself: the keys that prove what was asked and answered, and where a binding clause says so the request and the answer themselves. It is counted by months, from the moment a month is over. Of several clauses that cover a call, the longest `at_least` holds before any `erase_after`, and otherwise the shortest `erase_after`. A binding `at_least` refuses an erasure that comes too early, and a non-binding one is recorded as a deviation; neither is erased by itself before. Only a binding `erase_after` erases. All of it goes on when the memorandum has ended.",
        fields: &[
            may("applications", Shape::Applications, "all applications", "whose calls it is about"),
            may(
                "audiences",
                Shape::Words(AUDIENCES),
                "both",
                "the audiences of the applications whose calls it is about",
            ),
            may(
                "keep",
                Shape::Word(KEEPS),
                "`keys`",
                "what is kept: the keys that prove what request and answer were, or with them the request and the answer themselves, encrypted in the operator's vault. What is not binding keeps no content",
            ),
            may(
                "erase_after",
                Shape::Duration,
                "never",
                "how long after its month is over it is erased by itself",
            ),
            may(
                "at_least",
                Shape::Duration,
                "no time",
                "how long after its month is over nobody erases it: a legal minimum",
            ),
        ],
        example: "kind = \"retention\"\nforce = \"binding\"\nsource = \"signed\"\naudiences = [\"consumer\"]\nkeep = \"keys\"\nerase_after = \"P1Y\"\nat_least = \"P30D\"\n",
    },
    Row {
        name: "service",
        area: Area::Cloud,
        meaning: "Models that the operator serves, to whom, and the bounds by which a call is reserved.",
        fields: &[
            must("by", Shape::Party, "who serves: the operator"),
            must("to", Shape::Parties, "whose applications may call"),
            must("models", Shape::Models, "what is served"),
            must(
                "context_tokens",
                Shape::Count { min: 1, max: 1_000_000_000 },
                "most tokens of input and output together",
            ),
            may(
                "max_output_tokens",
                Shape::Count { min: 1, max: 1_000_000_000 },
                "512",
                "most tokens of output where the caller sets none",
            ),
            may(
                "input_overhead_tokens",
                TOKENS,
                "64",
                "most tokens that the model's template adds to an input",
            ),
            may("per_message_tokens", TOKENS, "16", "most tokens that the template adds to each message"),
            may(
                "input_bounds",
                Shape::Bounds,
                "no images",
                "most tokens that one part counts for, by its sort; a part without a bound is refused",
            ),
            may("priced", Shape::Flag, "`true`", "whether a call needs a rate card"),
        ],
        example: "kind = \"service\"\nforce = \"binding\"\nsource = \"signed\"\nby = \"northwind\"\nto = [\"halcyon\"]\nmodels = [\"smollm2-135m-instruct\"]\ncontext_tokens = 2048\ninput_bounds = { image = 1500 }\n",
    },
    rows::FIRST_REFUSAL,
    rows::EXCLUSIVITY,
    rows::LICENCE,
    rows::EARLY_ACCESS,
    Row {
        name: "accountable",
        area: Area::Governance,
        meaning: "The one person who answers for clauses on one side.",
        fields: &[
            must("party", Shape::Party, "the side"),
            must("person", Shape::Text, "the person's name"),
            must("role", Shape::Text, "the person's office"),
            may("clauses", Shape::Clauses, "all clauses", "what the person answers for"),
            may("since", Shape::Date, "the header's `effective`", "the first day"),
            may("until", Shape::Date, "open", "the first day no longer"),
        ],
        example: "kind = \"accountable\"\nforce = \"binding\"\nsource = \"signed\"\nparty = \"halcyon\"\nperson = \"Ada Example\"\nrole = \"head of research\"\n",
    },
    rows::CONSULTATION,
    Row {
        name: "amendment",
        area: Area::General,
        meaning: "How the memorandum itself is changed. At most one.",
        fields: &[
            must("approved_by", Shape::Parties, "who must sign a new version"),
            may("notice", Shape::Duration, "none", "notice before a new version takes effect"),
        ],
        example: "kind = \"amendment\"\nforce = \"binding\"\nsource = \"signed\"\napproved_by = [\"northwind\", \"halcyon\"]\nnotice = \"P30D\"\n",
    },
    Row {
        name: "term",
        area: Area::General,
        meaning: "How long the memorandum runs. At most one.",
        fields: &[
            may("starts", Shape::Date, "the header's `effective`", "the first day"),
            may("ends", Shape::Date, "open", "the first day no longer"),
            may("notice", Shape::Duration, "none", "notice to end it earlier"),
            may("survives", Shape::Clauses, "none", "clauses that go on after it"),
        ],
        example: "kind = \"term\"\nforce = \"binding\"\nsource = \"signed\"\nends = 2030-01-01\nnotice = \"P90D\"\n",
    },
    rows::TERMINATION,
    rows::SURVIVAL,
];
