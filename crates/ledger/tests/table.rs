//! The contract of a book as tables: one row a call, what it answers at its end. Accounts, then transfers, then
//! balances; the order of errors is part of the contract.
//!
//! ```text
//! account  NAME  ASSET  LIMIT                                               => ANSWER
//! VERB  ID  REF  DEBIT  CREDIT  ASSET  AMOUNT                               => ANSWER, or `linked` to the next row
//! lapsed   AT                                                               => IDS
//! balance  NAME  DEBITS_PENDING  DEBITS_POSTED  CREDITS_PENDING  CREDITS_POSTED
//! ```
//! REF is the expiry of a reserve (`@500`), the reservation of a post, void or lapse, and `-` for a move.
#![expect(clippy::unwrap_used, reason = "a row that cannot be read is a broken test")]

use ledger::{
    AccountId, Amount, AssetId, Book, Limit, Operation, Transfer, TransferError, TransferId, trial_balance,
};

const MAX: &str = "170141183460469231731687303715884105727";

#[test]
fn a_move_is_posted_on_both_sides() {
    check(
        "
        account  bank   USD  none                    => ok
        account  grant  USD  within                  => ok
        move     1.0  -     bank   grant  USD  100   => ok
        balance  bank   0  100  0  0
        balance  grant  0  0    0  100
        ",
    );
}

#[test]
fn a_reservation_is_posted_in_whole_or_in_part_and_the_rest_returns() {
    check(
        "
        account  bank   USD  none                    => ok
        account  grant  USD  within                  => ok
        account  spent  USD  none                    => ok
        move     1.0  -     bank   grant  USD  100   => ok
        reserve  2.0  @500  grant  spent  USD  60    => ok
        balance  grant  60  0   0   100
        balance  spent  0   0   60  0
        post     2.1  2.0   grant  spent  USD  45    => ok
        balance  grant  0   45  0   100
        balance  spent  0   0   0   45
        reserve  3.0  @500  grant  spent  USD  55    => ok
        post     3.1  3.0   grant  spent  USD  55    => ok
        balance  grant  0   100 0   100
        ",
    );
}

#[test]
fn nothing_may_be_reserved_and_posted() {
    check(
        "
        account  bank   USD  none                    => ok
        account  grant  USD  within                  => ok
        reserve  1.0  @500  grant  bank   USD  0     => ok
        post     1.1  1.0   grant  bank   USD  1     => post_exceeds_reserved 1.0 by 1
        post     1.1  1.0   grant  bank   USD  0     => ok
        reserve  2.0  @500  grant  bank   USD  0     => ok
        void     2.1  2.0   grant  bank   USD  0     => ok
        move     3.0  -     grant  bank   USD  0     => zero grant bank
        ",
    );
}

#[test]
fn void_and_lapse_give_the_whole_amount_back() {
    check(
        "
        account  bank   USD  none                    => ok
        account  grant  USD  within                  => ok
        move     1.0  -     bank   grant  USD  10    => ok
        reserve  2.0  @500  grant  bank   USD  10    => ok
        void     2.1  2.0   grant  bank   USD  9     => pending_differs 2.0 amount
        void     2.1  2.0   grant  bank   USD  10    => ok
        balance  grant  0  0   0  10
        reserve  3.0  @500  grant  bank   USD  10    => ok
        lapse    3.1  3.0   grant  bank   USD  11    => pending_differs 3.0 amount
        lapse    3.1  3.0   grant  bank   USD  10    => ok
        balance  grant  0  0   0  10
        balance  bank   0  10  0  0
        ",
    );
}

#[test]
fn a_reservation_ends_once_and_is_then_forgotten() {
    check(
        "
        account  a  USD  none             => ok
        account  b  USD  none             => ok
        reserve  1.0  @500  a  b  USD  5  => ok
        post     1.1  1.0   a  b  USD  5  => ok
        post     1.2  1.0   a  b  USD  5  => pending_unknown 1.0
        void     1.2  1.0   a  b  USD  5  => pending_unknown 1.0
        lapse    1.2  1.0   a  b  USD  5  => pending_unknown 1.0
        reserve  1.0  @900  a  b  USD  7  => ok
        lapsed   899                      =>
        lapsed   900                      => 1.0
        ",
    );
}

#[test]
fn a_limited_account_is_never_overdrawn_and_pending_debits_count() {
    check(
        "
        account  bank   USD  none                    => ok
        account  grant  USD  within                  => ok
        account  other  USD  within                  => ok
        move     1.0  -     grant  bank   USD  1     => exceeds_credits grant by 1
        move     1.0  -     bank   grant  USD  100   => ok
        reserve  2.0  @500  grant  bank   USD  60    => ok
        move     3.0  -     grant  bank   USD  41    => exceeds_credits grant by 1
        reserve  3.0  @500  grant  bank   USD  55    => exceeds_credits grant by 15
        move     3.0  -     grant  bank   USD  40    => ok
        reserve  4.0  @500  bank   other  USD  9     => ok
        move     5.0  -     other  bank   USD  9     => exceeds_credits other by 9
        post     4.1  4.0   bank   other  USD  9     => ok
        move     5.0  -     other  bank   USD  9     => ok
        balance  bank   0   109  60  49
        balance  grant  60  40   0   100
        balance  other  0   9    0   9
        ",
    );
}

#[test]
fn linked_transfers_see_one_another_and_stand_or_fall_together() {
    check(
        "
        account  bank   USD  none                    => ok
        account  grant  USD  within                  => ok
        account  spent  USD  within                  => ok
        move     1.0  -     bank   grant  USD  10    => linked
        reserve  1.1  @500  grant  spent  USD  10    => linked
        post     1.2  1.1   grant  spent  USD  8     => linked
        move     1.3  -     spent  bank   USD  9     => exceeds_credits spent by 1
        balance  bank   0  0   0  0
        balance  grant  0  0   0  0
        move     1.0  -     bank   grant  USD  10    => linked
        reserve  1.1  @500  grant  spent  USD  10    => linked
        post     1.2  1.1   grant  spent  USD  8     => linked
        move     1.3  -     spent  bank   USD  8     => ok
        balance  bank   0  10  0  8
        balance  grant  0  8   0  10
        balance  spent  0  8   0  8
        reserve  2.0  @500  grant  spent  USD  1     => linked
        reserve  2.0  @500  grant  spent  USD  1     => id_taken 2.0
        reserve  2.0  @500  grant  spent  USD  1     => linked
        post     2.1  2.0   grant  spent  USD  1     => linked
        void     2.2  2.0   grant  spent  USD  1     => pending_unknown 2.0
        reserve  2.0  @500  grant  spent  USD  1     => linked
        void     2.1  2.0   grant  spent  USD  1     => linked
        reserve  2.0  @700  grant  spent  USD  2     => ok
        lapsed   500                                 =>
        lapsed   700                                 => 2.0
        balance  grant  2  8   0  10
        ",
    );
}

#[test]
fn a_reservation_replaced_while_linked_keeps_only_its_new_expiry() {
    check(
        "
        account  a  USD  none             => ok
        account  b  USD  none             => ok
        reserve  1.0  @500  a  b  USD  1  => ok
        void     1.1  1.0   a  b  USD  1  => linked
        reserve  1.0  @900  a  b  USD  2  => ok
        lapsed   899                      =>
        lapsed   900                      => 1.0
        ",
    );
}

#[test]
fn lapsed_reservations_come_by_expiry_then_id() {
    check(
        "
        account  a  USD  none             => ok
        account  b  USD  none             => ok
        reserve  9.0  @100  a  b  USD  1  => ok
        reserve  2.1  @300  a  b  USD  1  => ok
        reserve  2.0  @300  a  b  USD  1  => ok
        reserve  1.0  @301  a  b  USD  1  => ok
        reserve  3.0  @-7   a  b  USD  1  => ok
        lapsed   -8                       =>
        lapsed   99                       => 3.0
        lapsed   300                      => 3.0 9.0 2.0 2.1
        lapse    9.9  9.0   a  b  USD  1  => ok
        lapsed   301                      => 3.0 2.0 2.1 1.0
        ",
    );
}

#[test]
fn opening_again_is_harmless_only_when_nothing_differs() {
    check(
        "
        account  a  USD   within                  => ok
        account  b  USD   none                    => ok
        move     1.0  -   b  a  USD  5            => ok
        account  a  USD   within                  => ok
        account  a  USD   none                    => open_differs a
        account  a  GPUH  within                  => open_differs a
        balance  a  0  0  0  5
        ",
    );
}

/// Each row breaks its own rule and all later ones that it can break along with it.
#[test]
fn errors_come_in_order_of_precedence() {
    check(
        "
        account  usd    USD   within                      => ok
        account  rich   USD   none                        => ok
        account  poor   USD   within                      => ok
        account  gpuh   GPUH  within                      => ok
        reserve  7.0  @500  rich   poor   USD   10        => ok
        move     7.0  -     gone   lost   EUR   -1        => not_open gone
        move     7.0  -     gpuh   lost   EUR   -1        => not_open lost
        move     7.0  -     gone   gone   EUR   -1        => not_open gone
        move     7.0  -     gpuh   gpuh   EUR   -1        => assets_differ gpuh holds GPUH not EUR
        move     7.0  -     gpuh   usd    USD   -1        => assets_differ gpuh holds GPUH not USD
        move     7.0  -     usd    gpuh   USD   -1        => assets_differ gpuh holds GPUH not USD
        move     7.0  -     usd    usd    USD   -1        => same_account usd
        move     7.0  -     usd    poor   USD   -1        => negative -1
        post     7.0  8.0   usd    poor   USD   -1        => negative -1
        move     7.0  -     usd    poor   USD   0         => zero usd poor
        move     7.0  -     usd    poor   USD   1         => id_taken 7.0
        reserve  7.0  @500  usd    poor   USD   1         => id_taken 7.0
        post     7.0  8.0   usd    poor   USD   1         => id_taken 7.0
        post     7.0  7.0   rich   poor   USD   11        => id_taken 7.0
        post     7.1  8.0   usd    poor   USD   11        => pending_unknown 8.0
        post     7.1  7.0   usd    rich   USD   11        => pending_differs 7.0 debit account
        post     7.1  7.0   rich   usd    USD   11        => pending_differs 7.0 credit account
        void     7.1  7.0   usd    rich   USD   11        => pending_differs 7.0 debit account
        void     7.1  7.0   rich   usd    USD   11        => pending_differs 7.0 credit account
        void     7.1  7.0   rich   poor   USD   11        => pending_differs 7.0 amount
        post     7.1  7.0   rich   poor   USD   13        => post_exceeds_reserved 7.0 by 3
        move     8.0  -     usd    rich   USD   MAX       => exceeds_credits usd by MAX
        reserve  8.0  @500  usd    rich   USD   MAX       => exceeds_credits usd by MAX
        move     8.0  -     rich   usd    USD   MAX       => overflow USD
        reserve  8.0  @500  rich   usd    USD   MAX       => overflow USD
        post     7.1  7.0   rich   poor   USD   10        => ok
        ",
    );
}

#[test]
fn an_asset_may_fill_128_bits_and_no_more() {
    check(
        "
        account  a  USD  none                 => ok
        account  b  USD  none                 => ok
        account  c  USD  none                 => ok
        account  d  EUR  none                 => ok
        account  e  EUR  none                 => ok
        reserve  1.0  @500  a  b  USD  MAX    => ok
        move     2.0  -     b  c  USD  1      => overflow USD
        reserve  2.0  @500  c  b  USD  1      => overflow USD
        move     2.0  -     d  e  EUR  MAX    => ok
        post     1.1  1.0   a  b  USD  MAX    => ok
        move     2.0  -     b  c  USD  1      => overflow USD
        balance  a  0  MAX  0  0
        ",
    );
}

#[test]
fn messages_name_what_is_wrong_and_what_to_do() {
    let id = TransferId { act: 0x019a_b123_4567_789a_bcde_f012_3456_789a, leg: 7 };
    let rows = [
        (TransferError::NotOpen("grant".into()), "account `grant` is not open; open it first"),
        (
            TransferError::ExceedsCredits { account: "grant".into(), by: Amount::new(15) },
            "account `grant` would exceed its credits by 15 minor units",
        ),
        (
            TransferError::IdTaken(id),
            "transfer id `019ab123-4567-789a-bcde-f0123456789a/7` names a live reservation; choose another id",
        ),
    ];
    for (error, message) in rows {
        assert_eq!(error.to_string(), message);
    }
}

/// Runs a table over a new book, and after each row adds the book up.
fn check(table: &str) {
    let mut book = Book::new();
    let mut linked = Vec::new();
    for line in table.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let line = line.replace("MAX", MAX);
        let (row, expected) = line.split_once("=>").unwrap_or((&line, ""));
        let words: Vec<&str> = row.split_whitespace().collect();
        let answer = run(&mut book, &mut linked, &words, expected.trim() == "linked");
        assert_eq!(answer, expected.trim(), "row `{line}`");
        assert!(trial_balance(&book).values().all(|sums| sums.agrees()), "uneven after `{line}`");
    }
    assert!(linked.is_empty(), "the last row is linked to nothing");
}

fn run(book: &mut Book, linked: &mut Vec<Transfer>, words: &[&str], more: bool) -> String {
    match words {
        ["account", name, asset, limit] => {
            answer(book.open(&name_of(name), &AssetId::from(*asset), limit_of(limit)))
        }
        ["lapsed", at] => {
            let ids = book.lapsed(at.parse().unwrap());
            ids.into_iter().map(short).collect::<Vec<_>>().join(" ")
        }
        ["balance", name, sums @ ..] => {
            let balance = book.balance(&name_of(name)).unwrap();
            let actual = [
                balance.debits_pending,
                balance.debits_posted,
                balance.credits_pending,
                balance.credits_posted,
            ];
            assert_eq!(actual.map(|sum| sum.minor().to_string()), *sums, "balance of `{name}`");
            String::new()
        }
        _ => {
            linked.push(transfer(words));
            if more { "linked".into() } else { apply(book, &std::mem::take(linked)) }
        }
    }
}

fn apply(book: &mut Book, linked: &[Transfer]) -> String {
    let before = book.clone();
    let checked = book.check(linked);
    assert_eq!(*book, before, "a check changes nothing");
    let applied = book.apply(linked);
    assert_eq!(applied, checked, "what is checked is what is applied");
    assert!(applied.is_ok() || *book == before, "a refusal changes nothing");
    answer(applied)
}

fn transfer(words: &[&str]) -> Transfer {
    let [verb, id, reference, debit, credit, asset, amount] = words else {
        unreachable!("a transfer has seven words: {words:?}")
    };
    let operation = match *verb {
        "move" => Operation::Move,
        "reserve" => Operation::Reserve { expires_at: reference.strip_prefix('@').unwrap().parse().unwrap() },
        "post" => Operation::Post { pending: id_of(reference) },
        "void" => Operation::Void { pending: id_of(reference) },
        "lapse" => Operation::Lapse { pending: id_of(reference) },
        _ => unreachable!("`{verb}` is no verb"),
    };
    Transfer {
        id: id_of(id),
        operation,
        debit: name_of(debit),
        credit: name_of(credit),
        asset: AssetId::from(*asset),
        amount: Amount::new(amount.parse().unwrap()),
    }
}

fn answer(result: Result<(), TransferError>) -> String {
    let Err(error) = result else { return "ok".into() };
    match error {
        TransferError::OpenDiffers(account) => format!("open_differs {account}"),
        TransferError::NotOpen(account) => format!("not_open {account}"),
        TransferError::AssetsDiffer { account, holds, asset } => {
            format!("assets_differ {account} holds {holds} not {asset}")
        }
        TransferError::SameAccount(account) => format!("same_account {account}"),
        TransferError::Negative(amount) => format!("negative {}", amount.minor()),
        TransferError::Zero { debit, credit } => format!("zero {debit} {credit}"),
        TransferError::IdTaken(id) => format!("id_taken {}", short(id)),
        TransferError::PendingUnknown(id) => format!("pending_unknown {}", short(id)),
        TransferError::PendingDiffers { pending, field } => {
            format!("pending_differs {} {field}", short(pending))
        }
        TransferError::PostExceedsReserved { pending, by } => {
            format!("post_exceeds_reserved {} by {}", short(pending), by.minor())
        }
        TransferError::ExceedsCredits { account, by } => {
            format!("exceeds_credits {account} by {}", by.minor())
        }
        TransferError::Overflow(asset) => format!("overflow {asset}"),
    }
}

fn name_of(word: &str) -> AccountId {
    AccountId::from(word)
}

fn limit_of(word: &str) -> Limit {
    match word {
        "none" => Limit::None,
        "within" => Limit::DebitsWithinCredits,
        _ => unreachable!("`{word}` is no limit"),
    }
}

fn id_of(word: &str) -> TransferId {
    let (act, leg) = word.split_once('.').unwrap();
    TransferId { act: act.parse().unwrap(), leg: leg.parse().unwrap() }
}

fn short(id: TransferId) -> String {
    format!("{}.{}", id.act, id.leg)
}
