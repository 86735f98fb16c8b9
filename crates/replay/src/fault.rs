//! What does not hold, in words. Not here: where in the record; whoever hands in the entries knows that.

use crate::act_id::ActId;

/// A text that is not spelled as the format spells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("byte {at}: expected {}", .expected.replace('\n', "\\n"))]
pub struct Misspelt {
    /// The first byte that is out of place, from zero.
    pub at: usize,
    /// What had to stand there.
    pub expected: &'static str,
}

/// Why an entry cannot follow the entries before it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The envelope is not one of this format, or of a kind that is not replayed.
    #[error("the envelope is not in the format's one spelling: {0}")]
    Envelope(Misspelt),
    /// The parties' part is not one of its kind.
    #[error("the `{kind}` entry is not in the format's one spelling: {misspelt}")]
    Spelling {
        /// The kind that the envelope gives.
        kind: &'static str,
        /// Where, and what had to stand there.
        misspelt: Misspelt,
    },
    /// The envelope shows another hour than that of the entry's time.
    #[error("the envelope's hour is not that of the entry's time")]
    Hour,
    /// The first entry is no genesis, or a later one is.
    #[error("a record begins with one genesis entry and has no other")]
    Genesis,
    /// An erasure that is of nobody and of no whole months.
    #[error(
        "act `{0}` erases neither what is an end user's nor what is of the months before the first of one"
    )]
    Erases(ActId),
    /// Time went back.
    #[error("the entry's time lies before the time of the entry before it")]
    TimeWentBack,
    /// A public key does not parse.
    #[error("the key of `{0}` is not a vkey of Ed25519")]
    BadKey(String),
    /// A party has two keys, or two parties have one.
    #[error("the key of `{0}` is not one of its own; each party signs with one key")]
    SharedKey(String),
    /// A signature under the memorandum does not verify, or stands twice.
    #[error("the signature of `{0}` under the memorandum does not verify")]
    BadSignature(String),
    /// Nobody signed.
    #[error("nobody has signed the memorandum")]
    Unsigned,
    /// The first entry does something else than to move.
    #[error("the first entry opens accounts by moves, and reserves nothing")]
    Opening,
    /// An act of this id was decided, and does not wait.
    #[error("act `{0}` was decided before")]
    DecidedBefore(ActId),
    /// An act that waited is made to wait again.
    #[error("act `{0}` is made to wait twice")]
    WaitsTwice(ActId),
    /// What is decided under a waiting act's id is another act.
    #[error("act `{0}` is not the act that waited under this id")]
    Another(ActId),
    /// An act went on without the approvals it waits for.
    #[error("act `{0}` went on without the approval of {1}")]
    Unapproved(ActId, String),
    /// An act waits for nobody.
    #[error("act `{0}` waits for nobody's approval")]
    WaitsForNobody(ActId),
    /// An act waits whose kind never does.
    #[error("act `{0}` waits for approvals, and only amendments, changes of the register and erasures do")]
    NeverWaits(ActId),
    /// A decision names another version of the memorandum than the one in force.
    #[error("act `{0}` was decided under another version of the memorandum than the one in force")]
    AnotherVersion(ActId),
    /// An amendment is not the next version.
    #[error("act `{0}` is an amendment whose version is not the one after the version in force")]
    NotNext(ActId),
    /// A tranche or grant is booked that was.
    #[error("act `{0}` books `{1}`, which was drawn or has expired before")]
    BookedBefore(ActId, String),
    /// Something is booked or declared before its day, or the day is none.
    #[error("act `{0}` books or declares what is not due yet")]
    NotYetDue(ActId),
    /// A party gives its word on a reconciliation twice, or of what is no month and no year.
    #[error("act `{0}` attests a reconciliation that its party had attested, or that is of no period")]
    Reconciled(ActId),
    /// A party withdraws from another version than the one in force, for a second time, or from a day that has passed.
    #[error(
        "act `{0}` withdraws from what is not in force, or was withdrawn from before, or from a day that has passed"
    )]
    Withdrawal(ActId),
    /// A notice is recorded as undelivered by another than the clerk, twice, or in a way that no clerk writes.
    #[error("act `{0}` records a notice as undelivered that was, or is not the clerk's, or is misspelt")]
    Undelivered(ActId),
    /// The clerk erases something of its own accord, another than the clerk what is due, or what was erased before.
    #[error("act `{0}` erases what is due by a clause, and is not the clerk's, or not due")]
    Undue(ActId),
    /// What is due by a clause has ended otherwise than as done.
    #[error("act `{0}` erases what is due by a clause, and ends otherwise than as done")]
    Undone(ActId),
    /// The digest that approvals are signed over is not that of the act.
    #[error("act `{0}` waits under a digest that is not its own")]
    Digest(ActId),
    /// An amendment that never waited.
    #[error("act `{0}` is an amendment that nobody was asked to approve")]
    Unasked(ActId),
    /// An approval of something that does not wait, over another digest, by a party that is not asked, or a second one.
    #[error("act `{0}` approves what does not wait for it")]
    Misplaced(ActId),
    /// A call is allowed with an idempotency key that belongs to another act.
    #[error("act `{0}` is allowed with the idempotency key of act `{1}`")]
    Repeated(ActId, ActId),
    /// A party's signature does not verify.
    #[error("act `{0}`: the signature does not verify with the key of party `{1}`")]
    Signature(ActId, String),
    /// Something settled that was not open, or twice.
    #[error("act `{0}` is settled but was not open")]
    NotOpen(ActId),
    /// A settlement names another decision.
    #[error("act `{0}` is settled under another decision than its own, or as an act of another kind")]
    AnotherDecision(ActId),
    /// An act that is settled at once is not settled by the next entry.
    #[error("act `{0}` is done at once, and another entry stands between its decision and its settlement")]
    Interrupted(ActId),
    /// An act lapsed before its time was up, or has no such time.
    #[error("act `{0}` cannot have ended as `lapsed` then")]
    TooEarly(ActId),
    /// A decision reserves that allows no call, or does something else than reserve.
    #[error("act `{0}`: only a model call that is allowed reserves, and its decision does nothing else")]
    Reserves(ActId),
    /// A call that is allowed has no time of lapse, or something else has one.
    #[error("act `{0}`: a model call that is allowed lapses at some time, and nothing else does")]
    Lapses(ActId),
    /// A reservation is held for another time than the warrant, or the warrant is over as it is given.
    #[error("act `{0}`: what it reserves is held until its warrant lapses, and that lies after its decision")]
    Until(ActId),
    /// A call reserves something else than what is available to it.
    #[error(
        "act `{0}`: a call reserves what is available, to be spent, of a grant or of its key's budget, in one asset"
    )]
    Reserved(ActId),
    /// A settlement moves what none of its kind and ending moves.
    #[error("act `{0}`: leg {1} is nothing that a settlement of this kind and ending moves")]
    Moves(ActId, u16),
    /// A settlement leaves out what it must move.
    #[error("act `{0}`: its settlement does not move all that it books")]
    Short(ActId),
    /// Something is still reserved when the act is settled.
    #[error("act `{0}` is settled and still holds a reservation")]
    StillHeld(ActId),
    /// What is charged is not what the grants paid, or something is charged that costs nothing.
    #[error("act `{0}`: what it is charged is not what was posted from grants")]
    Charge(ActId),
    /// An account holds another asset.
    #[error("account `{account}` holds `{holds}`, not `{asset}`")]
    Asset {
        /// The account.
        account: String,
        /// Its asset.
        holds: String,
        /// The transfer's asset.
        asset: String,
    },
    /// A transfer from an account to itself.
    #[error("account `{0}` is both debited and credited by one transfer")]
    SameAccount(String),
    /// An amount below zero.
    #[error("leg {0} moves less than nothing")]
    Negative(u16),
    /// A move of nothing.
    #[error("leg {0} is a move of nothing")]
    Zero(u16),
    /// The leg of a transfer is that of a reservation that is alive.
    #[error("leg {0} has the number of a reservation that is alive")]
    LegTaken(u16),
    /// A transfer ends a reservation that is not alive.
    #[error("leg {0} ends a reservation that is not alive")]
    NotHeld(u16),
    /// A transfer does not repeat what it ends.
    #[error("leg {0} does not repeat the accounts of the reservation that it ends")]
    Differs(u16),
    /// More is posted than was reserved, or another amount given back.
    #[error("leg {0} ends a reservation with another amount than it may")]
    Amount(u16),
    /// A guarded account is overdrawn.
    #[error("account `{0}` is overdrawn")]
    Overdrawn(String),
    /// Sums beyond 128 bits.
    #[error("the sums of asset `{0}` do not fit in 128 bits")]
    Overflow(String),
    /// A key is to cosign that is another's or has another name, or is revoked and did not cosign.
    #[error("act `{0}`: the key is not one by which the party may cosign, or does")]
    Witness(ActId),
    /// A party's key gives way to one that is no key of its name, or is somebody's already or was, or there is no such party.
    #[error("act `{0}`: the key is none that may come after the one of party `{1}`")]
    PartyKey(ActId, String),
    /// The log's key gives way to one that is no key of the log, or is somebody's already or was, or without the signatures that takes.
    #[error("act `{0}`: the log's key cannot give way so")]
    LogKey(ActId),
    /// A budget is set, raised or removed as it cannot be, or a key has the id of another's purse.
    #[error("act `{0}`: no budget can be set, raised or removed so")]
    Budget(ActId),
    /// A call leaves a budget out that limits it, or reserves something else of it than of grants.
    #[error("act `{0}`: it does not reserve of each budget that limits it as much as of grants")]
    Limits(ActId),
    /// The clock did not step back.
    #[error("the clock did not step back")]
    Clock,
    /// A tally of nothing, or out of order.
    #[error("a tally counts above zero, each key once and in order")]
    Tally,
    /// The digest differs from the recorded one.
    #[error("the state's digest differs from the one recorded here")]
    Diverged,
    /// No digest where one was due.
    #[error("a state-digest was due before this entry")]
    DigestDue,
    /// A lease lasts too long, or for no time, or caps nothing, or its assets are out of order.
    #[error("a lease lasts a day at most, and its caps are above zero, each asset once and in order")]
    Lease,
}
