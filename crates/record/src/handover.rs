//! How a log's key hands over to the next: a signed note by both, so that whoever knows the key before believes the one after it and need not
//! read an entry.
//!
//! The notes of a record lie in one file, a line for each, in their order. Not here: the act that says the same on the record, with who agreed.

use crate::hash::{base64, from_base64};
use crate::note::Verifier;

/// The path of the file.
pub const HANDOVER: &str = "handover";

/// The kind of act by which a key hands over.
const CHANGE: &str = "log-key-change";
/// The kind of act by which one comes after another that is lost.
const RECOVER: &str = "log-key-recover";

/// One key of a log that came after another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handover {
    /// The key before.
    pub from: Verifier,
    /// The key after it, of the same name.
    pub to: Verifier,
    /// The signature of the key before, in base64; none where it was lost.
    pub handed: Option<String>,
    /// The signature of the key after it, in base64.
    pub taken: String,
}

/// What both keys sign, as the text of a note: `from` and `to` are vkeys, and `kind` is the act's.
pub fn text(origin: &str, kind: &str, from: &str, to: &str) -> String {
    format!("{origin}\ncountersign/{kind}/v1\nfrom {from}\nto {to}\n")
}

impl Handover {
    /// The line of the file, with its newline.
    pub fn line(&self) -> String {
        let handed = self.handed.as_deref().unwrap_or("-");
        format!("{} {} {handed} {}\n", self.from, self.to, self.taken)
    }

    /// Reads the lines of a file; none where one is not in the form of [`Handover::line`]. No signature is verified.
    pub fn parse(file: &str) -> Option<Vec<Self>> {
        let line = |line: &str| {
            let mut words = line.split(' ');
            let (from, to) = (Verifier::parse(words.next()?).ok()?, Verifier::parse(words.next()?).ok()?);
            let (handed, taken) = (words.next()?, words.next()?.to_owned());
            let handed = (handed != "-").then(|| handed.to_owned());
            let read = Self { from, to, handed, taken };
            (words.next().is_none() && read.line() == format!("{line}\n")).then_some(read)
        };
        file.split_terminator('\n').map(line).collect()
    }

    /// Whether the key before has handed over, and the one after it taken.
    pub fn holds(&self) -> bool {
        let (from, to) = (self.from.vkey(), self.to.vkey());
        let signed = text(self.to.name(), CHANGE, &from, &to);
        let handed = self.handed.as_deref().is_some_and(|handed| is_by(&self.from, &signed, handed));
        self.from.name() == self.to.name() && handed && is_by(&self.to, &signed, &self.taken)
    }

    /// The kind of the act that says the same.
    pub fn kind(&self) -> &'static str {
        if self.handed.is_some() { CHANGE } else { RECOVER }
    }
}

/// The keys that follow from those that are known: each that one of them, or one before it here, has handed over to.
pub fn led_to(known: &[Verifier], handovers: &[Handover]) -> Vec<Verifier> {
    let mut led: Vec<Verifier> = Vec::new();
    for handover in handovers {
        let is_known = |key: &Verifier| known.contains(key) || led.contains(key);
        if is_known(&handover.from) && !is_known(&handover.to) && handover.holds() {
            led.push(handover.to.clone());
        }
    }
    led
}

fn is_by(key: &Verifier, signed: &str, signature: &str) -> bool {
    let made = from_base64(signature).filter(|made| base64(made) == *signature);
    let made = made.and_then(|made| <[u8; 64]>::try_from(made).ok());
    made.is_some_and(|made| key.verify_bytes(signed.as_bytes(), &made))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::note::{self, Signer};

    const ORIGIN: &str = "log.example";

    fn key(seed: u8) -> Signer {
        Signer::generate(ORIGIN, [seed; 32]).unwrap()
    }

    fn handover(from: &Signer, to: &Signer, by: &Signer) -> Handover {
        let (old, new) = (from.verifier(), to.verifier());
        let signed = text(ORIGIN, CHANGE, &old.vkey(), &new.vkey());
        let (handed, taken) = (by.sign_bytes(signed.as_bytes()), to.sign_bytes(signed.as_bytes()));
        Handover { from: old, to: new, handed: Some(base64(&handed)), taken: base64(&taken) }
    }

    #[test]
    fn who_knows_a_key_is_led_to_those_after_it_and_to_no_others() {
        let keys: Vec<Signer> = (1..6).map(key).collect();
        let rows = [
            handover(&keys[0], &keys[1], &keys[0]),
            handover(&keys[1], &keys[2], &keys[1]),
            // By somebody else, and by nobody: a key that was lost.
            handover(&keys[2], &keys[3], &keys[4]),
            Handover { handed: None, ..handover(&keys[2], &keys[4], &keys[2]) },
        ];
        let file: String = rows.iter().map(Handover::line).collect();
        let read = Handover::parse(&file).unwrap();
        assert_eq!(read, rows);
        let verifiers: Vec<Verifier> = keys.iter().map(Signer::verifier).collect();
        for (known, led) in [(0, 1..3), (1, 2..3), (2, 3..3), (3, 4..4)] {
            assert_eq!(led_to(&verifiers[known..=known], &read), verifiers[led], "{known}");
        }
        for bad in [
            "x\n",
            &file.replacen(' ', "  ", 1),
            &file.replacen(" -", "", 1),
            &file.replacen('\n', " x\n", 1),
        ] {
            assert_eq!(Handover::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_handover_is_a_signed_note_that_both_keys_open() {
        let (old, new) = (key(1), key(2));
        let signed = text(ORIGIN, CHANGE, &old.verifier().vkey(), &new.verifier().vkey());
        let note = format!("{signed}\n{}{}", old.signature_line(&signed), new.signature_line(&signed));
        let opened = note::open(note.as_bytes(), &[&old.verifier(), &new.verifier()]).unwrap();
        assert_eq!(opened.signers.len(), 2);
        assert!(handover(&old, &new, &old).holds());
    }
}
