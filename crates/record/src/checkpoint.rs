//! C2SP tlog-checkpoint: the signed head of the tree. Not a training checkpoint; those are artifacts.

use crate::hash::{Hash, base64, hash_from_base64};
use crate::note::{self, NoteError, Signer, Verifier};

/// The head of one log at one size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The log's name, also the name of its key.
    pub origin: String,
    /// How many leaves the tree has.
    pub size: u64,
    /// The tree's root.
    pub root: Hash,
}

/// Why a checkpoint was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// The text is not three lines: origin, size and root.
    #[error("malformed checkpoint: {0}")]
    Malformed(&'static str),
    /// It is another log's.
    #[error("the checkpoint is of log `{found}`, not of `{wanted}`; check the address and the key")]
    Origin {
        /// The origin the checkpoint names.
        found: String,
        /// The origin that was asked for.
        wanted: String,
    },
    /// Its note or signature is wrong.
    #[error("checkpoint: {0}")]
    Note(#[from] NoteError),
}

impl Checkpoint {
    /// The text that is signed: three lines, without extensions.
    pub fn text(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, base64(&self.root))
    }

    /// Reads the text of [`Checkpoint::text`], byte for byte.
    ///
    /// # Errors
    /// [`CheckpointError::Malformed`].
    pub fn parse(text: &str) -> Result<Self, CheckpointError> {
        let body =
            text.strip_suffix('\n').ok_or(CheckpointError::Malformed("it does not end with a newline"))?;
        let mut lines = body.split('\n');
        let (Some(origin), Some(size), Some(root), None) =
            (lines.next(), lines.next(), lines.next(), lines.next())
        else {
            return Err(CheckpointError::Malformed("it is not three lines"));
        };
        if origin.is_empty() {
            return Err(CheckpointError::Malformed("its origin is empty"));
        }
        let size = decimal(size).ok_or(CheckpointError::Malformed("its size is not a decimal"))?;
        let root = hash_from_base64(root).ok_or(CheckpointError::Malformed("its root is not a hash"))?;
        Ok(Self { origin: origin.to_owned(), size, root })
    }

    /// The signed note of this checkpoint.
    ///
    /// # Errors
    /// [`NoteError::Malformed`] if the origin has control characters.
    pub fn sign(&self, signer: &Signer) -> Result<Vec<u8>, NoteError> {
        Ok(signer.sign(&self.text())?.into_bytes())
    }

    /// Opens a signed checkpoint of the log whose key is `verifier`; the key's name must be the origin.
    ///
    /// # Errors
    /// [`CheckpointError::Note`] if the signature is missing or wrong, [`CheckpointError::Origin`] if it is of
    /// another log, [`CheckpointError::Malformed`].
    pub fn open(signed: &[u8], verifier: &Verifier) -> Result<Self, CheckpointError> {
        Self::open_any(signed, &[verifier])
    }

    /// As [`Checkpoint::open`], for a log that has had several keys: one of them must have signed, and none of them
    /// wrongly.
    ///
    /// # Errors
    /// Those of [`Checkpoint::open`].
    pub fn open_any(signed: &[u8], verifiers: &[&Verifier]) -> Result<Self, CheckpointError> {
        let checkpoint = Self::read(signed)?;
        if let Some(other) = verifiers.iter().find(|verifier| verifier.name() != checkpoint.origin) {
            let wanted = other.name().to_owned();
            return Err(CheckpointError::Origin { found: checkpoint.origin, wanted });
        }
        note::open(signed, verifiers)?;
        Ok(checkpoint)
    }

    /// As [`Checkpoint::open_any`], and gives the key that signed: the first of those, in their order.
    ///
    /// # Errors
    /// Those of [`Checkpoint::open`].
    pub fn open_by<'a>(
        signed: &[u8],
        verifiers: &'a [Verifier],
    ) -> Result<(Self, &'a Verifier), CheckpointError> {
        let all: Vec<&Verifier> = verifiers.iter().collect();
        let checkpoint = Self::open_any(signed, &all)?;
        let by = verifiers.iter().find(|key| note::open(signed, &[key]).is_ok());
        Ok((checkpoint, by.ok_or(NoteError::Unsigned)?))
    }

    /// Reads a signed checkpoint and believes it: no signature is verified.
    pub(crate) fn read(signed: &[u8]) -> Result<Self, CheckpointError> {
        let (text, _) = note::split(signed)?;
        Self::parse(text)
    }
}

/// Reads a decimal without sign and leading zeroes.
pub(crate) fn decimal(text: &str) -> Option<u64> {
    let canonical = text == "0" || !text.starts_with('0');
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if canonical && digits { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_read_as_it_is_written_and_not_otherwise() {
        let checkpoint = Checkpoint { origin: "log.example".into(), size: 42, root: [9; 32] };
        let text = checkpoint.text();
        assert_eq!(Checkpoint::parse(&text), Ok(checkpoint));
        let bad = [
            String::new(),
            text.trim_end().into(),
            format!("{text}\n"),
            format!("{text}extension\n"),
            text.replace("42", "042"),
            text.replace("42", "+42"),
            text.replace("42", ""),
            text.replace("42", "18446744073709551616"),
            text.replace("log.example", ""),
            text.replace('=', ""),
            text.replace('\n', "\r\n"),
        ];
        for text in bad {
            assert!(Checkpoint::parse(&text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_checkpoint_opens_only_under_its_own_origin_and_key() {
        let signer = Signer::generate("log.example", [1; 32]).unwrap();
        let checkpoint = Checkpoint { origin: "log.example".into(), size: 1, root: [0; 32] };
        let signed = checkpoint.sign(&signer).unwrap();
        assert_eq!(Checkpoint::open(&signed, &signer.verifier()), Ok(checkpoint.clone()));
        let stranger = Signer::generate("log.example", [2; 32]).unwrap();
        assert!(Checkpoint::open(&signed, &stranger.verifier()).is_err());
        let elsewhere = Checkpoint { origin: "other.example".into(), ..checkpoint };
        let signed = elsewhere.sign(&signer).unwrap();
        assert!(matches!(Checkpoint::open(&signed, &signer.verifier()), Err(CheckpointError::Origin { .. })));
    }
}
