//! The parts of a replay as lines, but for the ids of acts. Not here: the spelling of a line.

use super::budgets::{budget, change_fields};
use super::dues::{read_said_due, read_said_paid, said_due, said_paid};
use super::line::{Expected, Fields, Line, hash, moment, number};
use super::log_keys::{log_fields, log_succession, write_log_succession};
use crate::act_id::ActId;
use crate::acts::{Amending, AtOnce, Effect, Held, Kept, Kind, Open, Waiting};
use crate::budgets::Change;
use crate::fold::Replay;
use crate::founding::Keys;
use crate::keys::{self, Succession};
use crate::log_keys::LogChange;
use crate::repeats::Repeats;
use crate::totals::{Asked, Counts, Drawn, Erased, Lease, Proposed, Version};
use record::note::Verifier;
use std::io;

impl Replay {
    /// Writes all of it but the ids. Whoever adds a field to [`Replay`] names it here, or this does not build.
    pub(super) fn write_parts(&self, to: super::ToLine<'_>) -> io::Result<()> {
        let Self {
            entries,
            at,
            origin,
            keys,
            books,
            seen: _,
            open,
            waiting: _,
            amending: _,
            repeats,
            at_once,
            versions: _,
            proposed: _,
            asked: _,
            drawn: _,
            attested: _,
            witnesses,
            revoked,
            successions,
            log_successions,
            booked,
            last_due: _,
            dued: _,
            words: _,
            paid: _,
            undelivered: _,
            reconciled: _,
            withdrawn: _,
            kept: _,
            erased: _,
            budgets,
            digested,
            begun,
            named,
            lease,
            counts,
        } = self;
        Line::of("at").field(entries).field(at).plain(origin).field(digested).maybe(*begun).end(to)?;
        counts.numbers().into_iter().fold(Line::of("counts"), |line, count| line.field(count)).end(to)?;
        keys.write(to)?;
        successions.iter().try_for_each(|succession| write_succession(succession, to))?;
        log_successions.iter().try_for_each(|one| write_log_succession(one, to))?;
        for (digest, index) in named {
            Line::of("named").hash(digest).field(index).end(to)?;
        }
        self.write_agreed(to)?;
        for (party, vkey) in witnesses {
            Line::of("witness").spelled(party).spelled(vkey).end(to)?;
        }
        revoked.iter().try_for_each(|vkey| Line::of("revoked").spelled(vkey).end(to))?;
        booked.iter().try_for_each(|clause| Line::of("booked").spelled(clause).end(to))?;
        self.write_erased(to)?;
        self.write_dues(to)?;
        budgets.write(to)?;
        self.write_undelivered(to)?;
        self.write_reconciled(to)?;
        self.write_withdrawn(to)?;
        lease.iter().try_for_each(|lease| write_lease(lease, to))?;
        books.write(to)?;
        for (id, open) in open.iter() {
            write_open(id, open, to)?;
        }
        self.write_waiting(to)?;
        repeats.write(to)?;
        at_once.iter().try_for_each(|at_once| write_at_once(at_once, to))
    }

    /// The versions of the memorandum, and who was asked and has attested under which.
    fn write_agreed(&self, to: super::ToLine<'_>) -> io::Result<()> {
        for version in &self.versions {
            let Version { digest, index, number, signed_by } = version;
            let line = Line::of("version").hash(digest).field(index).maybe(*number);
            line.all_plain(signed_by).end(to)?;
        }
        for Proposed { index, under, number, digest } in &self.proposed {
            Line::of("proposed").field(index).field(under).field(number).hash(digest).end(to)?;
        }
        for (Asked { under, kind, of, went_on, by }, index) in &self.asked {
            let line = Line::of("asked").field(under).field(kind.name()).maybe(of.as_ref());
            line.field(went_on).field(index).all_plain(by).end(to)?;
        }
        for Drawn { index, at, under, clause, attested } in &self.drawn {
            Line::of("drawn").field(index).field(at).field(under).plain(clause).end(to)?;
            attested.iter().try_for_each(|by| Line::of("drawn-by").all_plain(by).end(to))?;
        }
        for ((clause, evidence), by) in &self.attested {
            Line::of("attested").spelled(clause).hash(evidence).all_spelled(by).end(to)?;
        }
        Ok(())
    }

    /// The applications that there are or were, and what was erased of them because it was due.
    fn write_erased(&self, to: super::ToLine<'_>) -> io::Result<()> {
        for (name, Kept { audiences, since, erased }) in &self.kept {
            let line = Line::of("kept").spelled(name).field(since).maybe(*erased);
            line.all_spelled(audiences).end(to)?;
        }
        for Erased { index, at, under, clause, application, audiences, before } in &self.erased {
            let line = Line::of("erased").field(index).field(at).field(under).field(before);
            line.plain(clause).plain(application).all_plain(audiences).end(to)?;
        }
        Ok(())
    }

    /// The acts that wait for approvals.
    fn write_waiting(&self, to: super::ToLine<'_>) -> io::Result<()> {
        for (id, Waiting { kind, who, what, digest, by, given }) in &self.waiting {
            let line = Line::of("waiting").field(id).field(kind.name());
            line.spelled(who).hash(what).hash(digest).all_spelled(by).end(to)?;
            Line::of("given").field(id).all_spelled(given).end(to)?;
        }
        for (id, Amending { version, digest, approved_by }) in &self.amending {
            let line = Line::of("amending").field(id).field(version).hash(digest);
            line.all_spelled(approved_by).end(to)?;
        }
        Ok(())
    }

    /// Reads a line of which the word is this.
    pub(super) fn read_part(&mut self, word: &str, fields: &mut Fields<'_>) -> Result<(), Expected> {
        match word {
            "at" => {
                (self.entries, self.at, self.origin) = (fields.number()?, fields.moment()?, fields.plain()?);
                (self.digested, self.begun) = (fields.number()?, fields.maybe(number)?);
            }
            "counts" => {
                let numbers: Result<Vec<u64>, _> = (0..COUNTS).map(|_| fields.number()).collect();
                self.counts = Counts::of(&numbers?).ok_or("twelve counts")?;
            }
            "party" => self.keys.read(fields)?,
            "succession" => {
                let succession = succession(fields)?;
                self.keys.former.push(succession.from.clone());
                self.successions.push(succession);
            }
            "log-succession" => self.log_successions.push(log_succession(fields)?),
            "kept" => {
                let (name, since, erased) = (fields.spelled()?, fields.moment()?, fields.maybe(moment)?);
                let audiences = fields.all_spelled().into_iter().collect();
                self.kept.insert(name, Kept { audiences, since, erased });
            }
            "erased" => {
                let (index, at, under) = (fields.number()?, fields.moment()?, fields.number()?);
                let (before, clause, application) = (fields.moment()?, fields.plain()?, fields.plain()?);
                let audiences = fields.all_plain();
                self.erased.push(Erased { index, at, under, clause, application, audiences, before });
            }
            "witness" => self.witnesses.push((fields.spelled()?, fields.spelled()?)),
            "revoked" => self.revoked.push(fields.spelled()?),
            "booked" => {
                self.booked.insert(fields.spelled()?);
            }
            "lease" => {
                let (expires, calls) = (fields.moment()?, fields.number()?);
                self.lease = Some(Lease { expires, calls, amounts: Vec::new() });
            }
            "lent" => {
                let lease = self.lease.as_mut().ok_or("a `lease` before it")?;
                lease.amounts.push((fields.plain()?, fields.number()?));
            }
            "budget" | "raise" | "budget-removed" => self.budgets.read(word, fields)?,
            _ => return self.read_agreed(word, fields),
        }
        Ok(())
    }

    fn read_agreed(&mut self, word: &str, fields: &mut Fields<'_>) -> Result<(), Expected> {
        match word {
            "version" => {
                let (digest, index, number) = (fields.hash()?, fields.number()?, fields.maybe(number)?);
                self.versions.push(Version { digest, index, number, signed_by: fields.all_plain() });
            }
            "named" => {
                self.named.insert(fields.hash()?, fields.number()?);
            }
            "proposed" => {
                let (index, under, number) = (fields.number()?, fields.number()?, fields.number()?);
                self.proposed.push(Proposed { index, under, number, digest: fields.hash()? });
            }
            "asked" => {
                let (under, kind, of) = (fields.number()?, kind(fields)?, fields.maybe(text)?);
                let (went_on, index) = (boolean(fields)?, fields.number()?);
                self.asked.insert(Asked { under, kind, of, went_on, by: fields.all_plain() }, index);
            }
            "drawn" => {
                let (index, at, under) = (fields.number()?, fields.moment()?, fields.number()?);
                let (clause, attested) = (fields.plain()?, Vec::new());
                self.drawn.push(Drawn { index, at, under, clause, attested });
            }
            "drawn-by" => {
                let drawn = self.drawn.last_mut().ok_or("a `drawn` before it")?;
                drawn.attested.push(fields.all_plain());
            }
            "attested" => {
                let evidence = (fields.spelled()?, fields.hash()?);
                self.attested.insert(evidence, fields.all_spelled());
            }
            "reconciled" => {
                self.reconciled.insert((fields.hash()?, fields.spelled()?));
            }
            "withdrawn" => self.read_withdrawn(fields)?,
            "undelivered" => {
                self.undelivered.insert((fields.spelled()?, fields.spelled()?));
            }
            "due-last" | "due-booked" | "due-word" | "due-paid" => return self.read_dues(word, fields),
            _ => return self.read_act(word, fields),
        }
        Ok(())
    }

    fn read_act(&mut self, word: &str, fields: &mut Fields<'_>) -> Result<(), Expected> {
        match word {
            "account" => self.books.read(fields)?,
            "open" => {
                let (id, kind, index, at) = (fields.id()?, kind(fields)?, fields.number()?, fields.moment()?);
                let (lapses, key, is_due) = (fields.maybe(moment)?, fields.maybe(hash)?, boolean(fields)?);
                self.open.open(id, Open { kind, index, at, lapses, is_due, key, held: Vec::new() });
            }
            "held" => {
                let held = self.open.held_mut(fields.id()?).ok_or("an `open` before it")?;
                let (leg, debit, credit) = (fields.number()?, fields.number()?, fields.number()?);
                if !self.books.has(debit) || !self.books.has(credit) {
                    return Err("the places of two accounts before it");
                }
                held.push(Held { leg, debit, credit, amount: fields.number()? });
            }
            "waiting" => {
                let (id, kind, who) = (fields.id()?, kind(fields)?, fields.spelled()?);
                let (what, digest, by) = (fields.hash()?, fields.hash()?, fields.all_spelled());
                self.waiting.insert(id, Waiting { kind, who, what, digest, by, given: Vec::new() });
            }
            "given" => {
                let waiting = self.waiting.get_mut(&fields.id()?).ok_or("a `waiting` before it")?;
                waiting.given = fields.all_spelled();
            }
            "amending" => {
                let (id, version, digest) = (fields.id()?, fields.number()?, fields.hash()?);
                self.amending.insert(id, Amending { version, digest, approved_by: fields.all_spelled() });
            }
            "taken" => self.repeats.read(fields)?,
            "queued" => self.repeats.in_order.push_back((fields.number()?, fields.hash()?)),
            "at-once" => self.at_once = Some(AtOnce { id: fields.id()?, effect: effect(fields)? }),
            _ => return Err("a word that begins a line of a replay"),
        }
        Ok(())
    }
}

fn write_open(id: ActId, open: &Open, to: super::ToLine<'_>) -> io::Result<()> {
    let Open { kind, index, at, lapses, is_due, key, held } = open;
    let line = Line::of("open").field(id).field(kind.name()).field(index).field(at);
    let line = line.maybe(*lapses).maybe(key.as_ref().map(|key| record::hash::base64(key)));
    line.field(is_due).end(to)?;
    held.iter().try_for_each(|Held { leg, debit, credit, amount }| {
        Line::of("held").field(id).field(leg).field(debit).field(credit).field(amount).end(to)
    })
}

fn write_lease(Lease { expires, calls, amounts }: &Lease, to: super::ToLine<'_>) -> io::Result<()> {
    Line::of("lease").field(expires).field(calls).end(to)?;
    amounts.iter().try_for_each(|(asset, amount)| Line::of("lent").plain(asset).field(amount).end(to))
}

fn write_at_once(AtOnce { id, effect }: &AtOnce, to: super::ToLine<'_>) -> io::Result<()> {
    let line = Line::of("at-once").field(id);
    let line = match effect {
        Effect::Approve(act, party) => line.field("approve").field(act).spelled(party),
        Effect::Attest { clause, evidence, party } => {
            line.field("attest").spelled(clause).hash(evidence).spelled(party)
        }
        Effect::Draw(clause) => line.field("draw").spelled(clause),
        Effect::Expire(clause) => line.field("expire").spelled(clause),
        Effect::Due(said) => said_due(line.field("due"), said),
        Effect::Pay(said) => said_paid(line.field("pay"), said),
        Effect::Key(id, None) => line.field("key").spelled(id),
        Effect::Key(id, Some((asset, amount))) => {
            line.field("budget").spelled(id).spelled(asset).field(amount)
        }
        Effect::Witness { vkey, party, counts } => {
            line.field("witness").spelled(vkey).spelled(party).field(counts)
        }
        Effect::Party(change) => {
            let keys::Change { party, to, recovery, under } = &**change;
            line.field("party").spelled(party).field(to.vkey()).maybe(recovery.as_ref()).field(under)
        }
        Effect::Budget(change) => change_fields(line, change),
        Effect::Log(change) => log_fields(line.field("log"), &change.0),
        Effect::Application(name, audience) => line.field("application").spelled(name).spelled(audience),
        Effect::Other => line.field("other"),
    };
    line.end(to)
}

fn effect(fields: &mut Fields<'_>) -> Result<Effect, Expected> {
    Ok(match fields.field()? {
        "approve" => Effect::Approve(fields.id()?, fields.spelled()?),
        "attest" => {
            let (clause, evidence, party) = (fields.spelled()?, fields.hash()?, fields.spelled()?);
            Effect::Attest { clause, evidence, party }
        }
        "draw" => Effect::Draw(fields.spelled()?),
        "expire" => Effect::Expire(fields.spelled()?),
        "due" => Effect::Due(Box::new(read_said_due(fields)?)),
        "pay" => Effect::Pay(Box::new(read_said_paid(fields)?)),
        "budget-set" => Effect::Budget(Box::new(Change::Set(fields.spelled()?, budget(fields)?))),
        "budget-raise" => {
            let (id, amount, until) = (fields.spelled()?, fields.number()?, fields.moment()?);
            Effect::Budget(Box::new(Change::Raise(id, amount, until)))
        }
        "budget-remove" => Effect::Budget(Box::new(Change::Remove(fields.spelled()?))),
        "key" => Effect::Key(fields.spelled()?, None),
        "budget" => Effect::Key(fields.spelled()?, Some((fields.spelled()?, fields.number()?))),
        "witness" => {
            let (vkey, party, counts) = (fields.spelled()?, fields.spelled()?, boolean(fields)?);
            Effect::Witness { vkey, party, counts }
        }
        "party" => {
            let (party, to) = (fields.spelled()?, verifier(fields)?);
            let (recovery, under) = (fields.maybe(text)?, fields.number()?);
            Effect::Party(Box::new(keys::Change { party, to, recovery, under }))
        }
        "log" => Effect::Log(Box::new(LogChange(log_succession(fields)?))),
        "application" => Effect::Application(fields.spelled()?, fields.spelled()?),
        "other" => Effect::Other,
        _ => return Err("what an act comes to"),
    })
}

/// The keys that gave way are those of the successions, so they are not written twice.
fn write_succession(succession: &Succession, to: super::ToLine<'_>) -> io::Result<()> {
    let Succession { index, under, party, from, to: next, recovery } = succession;
    let line = Line::of("succession").field(index).field(under).plain(party);
    line.field(from.vkey()).field(next.vkey()).maybe(recovery.as_ref()).end(to)
}

fn succession(fields: &mut Fields<'_>) -> Result<Succession, Expected> {
    let (index, under, party) = (fields.number()?, fields.number()?, fields.plain()?);
    let (from, to, recovery) = (verifier(fields)?, verifier(fields)?, fields.maybe(text)?);
    Ok(Succession { index, under, party, from, to, recovery })
}

pub(super) fn verifier(fields: &mut Fields<'_>) -> Result<Verifier, Expected> {
    Verifier::parse(fields.field()?).map_err(|_| "a vkey")
}

pub(super) fn text(field: &str) -> Result<String, Expected> {
    Ok(field.to_owned())
}

fn kind(fields: &mut Fields<'_>) -> Result<Kind, Expected> {
    Kind::of(fields.field()?.as_bytes()).ok_or("a kind of act")
}

pub(super) fn boolean(fields: &mut Fields<'_>) -> Result<bool, Expected> {
    fields.field()?.parse().map_err(|_| "`true` or `false`")
}

impl Keys {
    fn write(&self, to: super::ToLine<'_>) -> io::Result<()> {
        let line =
            |(party, key): &(Box<[u8]>, Verifier)| Line::of("party").spelled(party).field(key.vkey()).end(to);
        self.now.iter().try_for_each(line)
    }

    fn read(&mut self, fields: &mut Fields<'_>) -> Result<(), Expected> {
        self.now.push((fields.spelled()?, verifier(fields)?));
        Ok(())
    }
}

/// How many counts there are.
const COUNTS: usize = 12;

impl Counts {
    /// In the order in which they are declared.
    fn numbers(self) -> [u64; COUNTS] {
        let Self { allowed, refused, waited, done, failed, cancelled, lost, lapsed, .. } = self;
        let Self { reserved, posted, void, run_out, .. } = self;
        [allowed, refused, waited, done, failed, cancelled, lost, lapsed, reserved, posted, void, run_out]
    }

    fn of(numbers: &[u64]) -> Option<Self> {
        let numbers: [u64; COUNTS] = numbers.try_into().ok()?;
        let [
            allowed,
            refused,
            waited,
            done,
            failed,
            cancelled,
            lost,
            lapsed,
            reserved,
            posted,
            void,
            run_out,
        ] = numbers;
        Some(Self {
            allowed,
            refused,
            waited,
            done,
            failed,
            cancelled,
            lost,
            lapsed,
            reserved,
            posted,
            void,
            run_out,
        })
    }
}

impl Repeats {
    fn write(&self, to: super::ToLine<'_>) -> io::Result<()> {
        for (key, (act, at)) in &self.taken {
            Line::of("taken").hash(key).field(act).field(at).end(to)?;
        }
        self.in_order.iter().try_for_each(|(at, key)| Line::of("queued").field(at).hash(key).end(to))
    }

    fn read(&mut self, fields: &mut Fields<'_>) -> Result<(), Expected> {
        self.taken.insert(fields.hash()?, (fields.id()?, fields.number()?));
        Ok(())
    }
}
