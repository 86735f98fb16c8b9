//! The parts of a replay as lines, but for the ids of acts. Not here: the spelling of a line.

use super::line::{Expected, Fields, Line, hash, moment, number};
use crate::act_id::ActId;
use crate::acts::{Amending, AtOnce, Effect, Held, Kind, Open, Waiting};
use crate::fold::Replay;
use crate::founding::Keys;
use crate::repeats::Repeats;
use crate::totals::{Asked, Counts, Drawn, Lease, Proposed, Version};
use std::io;

impl Replay {
    /// Writes all of it but the ids. Whoever adds a field to [`Replay`] writes it here, or this does not build.
    pub(super) fn write_parts(&self, to: super::ToLine<'_>) -> io::Result<()> {
        let Self {
            entries,
            at,
            origin,
            keys,
            books,
            seen: _,
            open,
            waiting,
            amending,
            repeats,
            at_once,
            versions,
            proposed,
            asked,
            drawn,
            attested,
            witnesses,
            revoked,
            booked,
            digested,
            begun,
            named,
            lease,
            counts,
        } = self;
        Line::of("at").field(entries).field(at).plain(origin).field(digested).maybe(*begun).end(to)?;
        counts.numbers().into_iter().fold(Line::of("counts"), |line, count| line.field(count)).end(to)?;
        keys.write(to)?;
        for version in versions {
            let Version { digest, index, number, signed_by } = version;
            let line = Line::of("version").hash(digest).field(index).maybe(*number);
            line.all_plain(signed_by).end(to)?;
        }
        for (digest, index) in named {
            Line::of("named").hash(digest).field(index).end(to)?;
        }
        for Proposed { index, under, number, digest } in proposed {
            Line::of("proposed").field(index).field(under).field(number).hash(digest).end(to)?;
        }
        for (Asked { under, kind, went_on, by }, index) in asked {
            let line = Line::of("asked").field(under).field(kind.name()).field(went_on).field(index);
            line.all_plain(by).end(to)?;
        }
        for Drawn { index, at, under, clause, attested } in drawn {
            Line::of("drawn").field(index).field(at).field(under).plain(clause).end(to)?;
            attested.iter().try_for_each(|by| Line::of("drawn-by").all_plain(by).end(to))?;
        }
        for ((clause, evidence), by) in attested {
            Line::of("attested").spelled(clause).hash(evidence).all_spelled(by).end(to)?;
        }
        for (party, vkey) in witnesses {
            Line::of("witness").spelled(party).spelled(vkey).end(to)?;
        }
        revoked.iter().try_for_each(|vkey| Line::of("revoked").spelled(vkey).end(to))?;
        booked.iter().try_for_each(|clause| Line::of("booked").spelled(clause).end(to))?;
        if let Some(Lease { expires, calls, amounts }) = lease {
            Line::of("lease").field(expires).field(calls).end(to)?;
            amounts
                .iter()
                .try_for_each(|(asset, amount)| Line::of("lent").plain(asset).field(amount).end(to))?;
        }
        books.write(to)?;
        for (id, open) in open.iter() {
            write_open(id, open, to)?;
        }
        for (id, Waiting { kind, who, what, digest, by, given }) in waiting {
            let line = Line::of("waiting").field(id).field(kind.name());
            line.spelled(who).hash(what).hash(digest).all_spelled(by).end(to)?;
            Line::of("given").field(id).all_spelled(given).end(to)?;
        }
        for (id, Amending { version, digest, approved_by }) in amending {
            let line = Line::of("amending").field(id).field(version).hash(digest);
            line.all_spelled(approved_by).end(to)?;
        }
        repeats.write(to)?;
        at_once.iter().try_for_each(|at_once| write_at_once(at_once, to))
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
                let (under, kind) = (fields.number()?, kind(fields)?);
                let (went_on, index) = (boolean(fields)?, fields.number()?);
                self.asked.insert(Asked { under, kind, went_on, by: fields.all_plain() }, index);
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
            _ => return self.read_act(word, fields),
        }
        Ok(())
    }

    fn read_act(&mut self, word: &str, fields: &mut Fields<'_>) -> Result<(), Expected> {
        match word {
            "account" => self.books.read(fields)?,
            "open" => {
                let (id, kind, index, at) = (fields.id()?, kind(fields)?, fields.number()?, fields.moment()?);
                let (lapses, key) = (fields.maybe(moment)?, fields.maybe(hash)?);
                self.open.open(id, Open { kind, index, at, lapses, key, held: Vec::new() });
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
    let Open { kind, index, at, lapses, key, held } = open;
    let line = Line::of("open").field(id).field(kind.name()).field(index).field(at);
    line.maybe(*lapses).maybe(key.as_ref().map(|key| record::hash::base64(key))).end(to)?;
    held.iter().try_for_each(|Held { leg, debit, credit, amount }| {
        Line::of("held").field(id).field(leg).field(debit).field(credit).field(amount).end(to)
    })
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
        Effect::Key(id, None) => line.field("key").spelled(id),
        Effect::Key(id, Some((asset, amount))) => {
            line.field("budget").spelled(id).spelled(asset).field(amount)
        }
        Effect::Witness { vkey, party, counts } => {
            line.field("witness").spelled(vkey).spelled(party).field(counts)
        }
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
        "key" => Effect::Key(fields.spelled()?, None),
        "budget" => Effect::Key(fields.spelled()?, Some((fields.spelled()?, fields.number()?))),
        "witness" => {
            let (vkey, party, counts) = (fields.spelled()?, fields.spelled()?, boolean(fields)?);
            Effect::Witness { vkey, party, counts }
        }
        "other" => Effect::Other,
        _ => return Err("what an act comes to"),
    })
}

fn kind(fields: &mut Fields<'_>) -> Result<Kind, Expected> {
    Kind::of(fields.field()?.as_bytes()).ok_or("a kind of act")
}

fn boolean(fields: &mut Fields<'_>) -> Result<bool, Expected> {
    fields.field()?.parse().map_err(|_| "`true` or `false`")
}

impl Keys {
    fn write(&self, to: super::ToLine<'_>) -> io::Result<()> {
        self.0.iter().try_for_each(|(party, key)| Line::of("party").spelled(party).field(key.vkey()).end(to))
    }

    fn read(&mut self, fields: &mut Fields<'_>) -> Result<(), Expected> {
        let (party, vkey) = (fields.spelled()?, fields.field()?);
        self.0.push((party, record::note::Verifier::parse(vkey).map_err(|_| "a vkey")?));
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
