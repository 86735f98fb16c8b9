//! Amounts that are agreed and kept secret: a commitment stands where the amount would, and whoever is given its opening can check
//! that this amount was meant and no other.
//!
//! Pedersen commitments in the group ristretto255 (RFC 9496): `amount × G(asset) + blinding × H`. Those of one asset add up as their
//! amounts do, so that a sum can be opened, or shown to be nothing, and no part of it. Not a range proof: that an amount which nobody has
//! opened is not below zero is the word of whoever signed it. See docs/why/0014.

#![expect(
    clippy::arithmetic_side_effects,
    reason = "elements and scalars of the group, which have no overflow; amounts are added checked"
)]

use std::collections::BTreeMap;
use std::fmt;

use curve25519_dalek::ristretto::{CompressedRistretto, RistrettoPoint};
use curve25519_dalek::scalar::Scalar;
use curve25519_dalek::traits::Identity as _;
use ledger::{Amount, AssetId};
use record::hash::{base64, from_base64};
use sha2::{Digest as _, Sha512};

/// A commitment to an amount of an asset. Text: `<32 bytes in base64> <asset>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    point: [u8; 32],
    asset: AssetId,
}

/// An amount, with what proves that a commitment is to it. Whoever has it knows the amount.
#[derive(Clone, PartialEq, Eq)]
pub struct Opening {
    amount: i128,
    asset: AssetId,
    blinding: Scalar,
}

/// Why a text is no sealed amount, or no opening.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// It is not written as one.
    #[error("it is not `<44 characters of base64> <asset>`, as `countersign fund seal` prints it")]
    Form,
    /// Its bytes are no element of the group.
    #[error("its 32 bytes are no commitment: a character was changed or lost")]
    Point,
    /// An opening is not written as one.
    #[error("line {0} is not as `countersign fund seal` writes it")]
    Line(usize),
    /// Amounts of different assets do not add up.
    #[error("`{0}` and `{1}` are different assets, which do not add up")]
    Assets(AssetId, AssetId),
    /// The sum is beyond what an amount can be.
    #[error("the sum is too large")]
    Sum,
}

impl Sealed {
    /// Reads what [`fmt::Display`] writes; each commitment has one spelling.
    ///
    /// # Errors
    /// [`SealError::Form`], [`SealError::Point`].
    pub fn parse(text: &str) -> Result<Self, SealError> {
        let (point, asset) = text.split_once(' ').ok_or(SealError::Form)?;
        let point = bytes(point).ok_or(SealError::Form)?;
        CompressedRistretto(point).decompress().ok_or(SealError::Point)?;
        Ok(Self { point, asset: AssetId::from(asset) })
    }

    /// What it is an amount of.
    #[must_use]
    pub fn asset(&self) -> &AssetId {
        &self.asset
    }

    /// The commitment to the sum of these amounts.
    ///
    /// # Errors
    /// [`SealError::Assets`]; [`SealError::Form`] of none.
    pub fn sum(all: &[Self]) -> Result<Self, SealError> {
        let (first, rest) = all.split_first().ok_or(SealError::Form)?;
        let mut sum = first.element()?;
        for one in rest {
            same(&first.asset, &one.asset)?;
            sum += one.element()?;
        }
        Ok(Self { point: sum.compress().to_bytes(), asset: first.asset.clone() })
    }

    /// Whether it is the commitment to nothing with nothing to hide it: what amounts that cancel each other out add up to, where their
    /// blindings were made to.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        self.point == RistrettoPoint::identity().compress().to_bytes()
    }

    fn element(&self) -> Result<RistrettoPoint, SealError> {
        CompressedRistretto(self.point).decompress().ok_or(SealError::Point)
    }
}

impl fmt::Display for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", base64(&self.point), self.asset)
    }
}

impl fmt::Debug for Opening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Opening({}, kept secret)", self.asset)
    }
}

impl Opening {
    /// Of this amount, hidden by `random`: 64 bytes that nobody else knows and that hide nothing else. Units: the asset's minor unit.
    #[must_use]
    pub fn new(amount: i128, asset: AssetId, random: &[u8; 64]) -> Self {
        Self { amount, asset, blinding: Scalar::from_bytes_mod_order_wide(random) }
    }

    /// Of this amount, hidden so that together with `others` nothing is left that hides: if the amounts cancel each other out, so do
    /// the commitments.
    #[must_use]
    pub fn balancing(amount: i128, asset: AssetId, others: &[Self]) -> Self {
        let sum: Scalar = others.iter().map(|other| other.blinding).sum();
        Self { amount, asset, blinding: -sum }
    }

    /// The amount. Units: the asset's minor unit.
    #[must_use]
    pub fn amount(&self) -> i128 {
        self.amount
    }

    /// What it is an amount of.
    #[must_use]
    pub fn asset(&self) -> &AssetId {
        &self.asset
    }

    /// The commitment that it opens.
    #[must_use]
    pub fn sealed(&self) -> Sealed {
        let amount = Scalar::from(self.amount.unsigned_abs());
        let amount = if self.amount < 0 { -amount } else { amount };
        let unit = element(&format!("countersign/sealed-amount/v1\n{}", self.asset));
        let hiding = element("countersign/sealed-blinding/v1\n");
        let point = amount * unit + self.blinding * hiding;
        Sealed { point: point.compress().to_bytes(), asset: self.asset.clone() }
    }

    /// The opening of the sum of what these open.
    ///
    /// # Errors
    /// [`SealError::Assets`], [`SealError::Sum`]; [`SealError::Form`] of none.
    pub fn sum(all: &[Self]) -> Result<Self, SealError> {
        let (first, rest) = all.split_first().ok_or(SealError::Form)?;
        let mut sum = first.clone();
        for one in rest {
            same(&first.asset, &one.asset)?;
            sum.amount = sum.amount.checked_add(one.amount).ok_or(SealError::Sum)?;
            sum.blinding += one.blinding;
        }
        Ok(sum)
    }

    /// As it is kept in a file, with this scale. Shape: three lines.
    #[must_use]
    pub fn text(&self, scale: u8) -> String {
        let amount = Amount::new(self.amount).display(scale);
        let blinding = base64(self.blinding.as_bytes());
        format!("{HEAD}\namount {amount} {}\nblinding {blinding}\n", self.asset)
    }

    /// Reads what [`Opening::text`] writes, with the scale of each asset.
    ///
    /// # Errors
    /// [`SealError::Line`], counted from one.
    pub fn parse(text: &str, assets: &BTreeMap<AssetId, u8>) -> Result<Self, SealError> {
        let lines: Vec<&str> = text.lines().collect();
        let line = |number: usize| lines.get(number).copied().unwrap_or_default();
        if line(0) != HEAD {
            return Err(SealError::Line(1));
        }
        let money = line(1).strip_prefix("amount ").and_then(|money| money.split_once(' '));
        let read = money.and_then(|(amount, asset)| {
            let asset = AssetId::from(asset);
            let amount = Amount::parse(amount, *assets.get(&asset)?).ok()?;
            Some((amount.minor(), asset))
        });
        let (amount, asset) = read.ok_or(SealError::Line(2))?;
        let blinding = line(2).strip_prefix("blinding ").and_then(scalar).ok_or(SealError::Line(3))?;
        if lines.len() > 3 { Err(SealError::Line(4)) } else { Ok(Self { amount, asset, blinding }) }
    }

    /// What hides the amount, in base64; with the amount and the asset it is all there is.
    #[must_use]
    pub fn blinding(&self) -> String {
        base64(self.blinding.as_bytes())
    }

    /// Puts an opening together from what [`Opening::amount`], [`Opening::asset`] and [`Opening::blinding`] gave.
    ///
    /// Shape: `None` if `blinding` is none.
    #[must_use]
    pub fn from_parts(amount: i128, asset: AssetId, blinding: &str) -> Option<Self> {
        Some(Self { amount, asset, blinding: scalar(blinding)? })
    }
}

/// An element of the group of which nobody knows how it is a multiple of another.
fn element(name: &str) -> RistrettoPoint {
    RistrettoPoint::from_uniform_bytes(&Sha512::digest(name).into())
}

fn same(one: &AssetId, other: &AssetId) -> Result<(), SealError> {
    if one == other { Ok(()) } else { Err(SealError::Assets(one.clone(), other.clone())) }
}

fn scalar(text: &str) -> Option<Scalar> {
    Option::from(Scalar::from_canonical_bytes(bytes(text)?))
}

fn bytes(text: &str) -> Option<[u8; 32]> {
    from_base64(text)?.try_into().ok()
}

const HEAD: &str = "countersign/opening/v1";

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn usd(amount: i128, random: u8) -> Opening {
        Opening::new(amount, "USD".into(), &[random; 64])
    }

    #[test]
    fn a_commitment_is_the_same_on_every_machine_and_in_every_version() {
        assert_eq!(
            usd(1_300_000_000_000, 7).sealed().to_string(),
            "LF5JNgqcxw2nr4GapSVFnyijsfdoWB3boau0keeSpDI= USD"
        );
    }

    #[test]
    fn only_the_amount_the_asset_and_the_blinding_that_were_sealed_open_it() {
        let sealed = usd(500, 1).sealed();
        assert_eq!(Sealed::parse(&sealed.to_string()), Ok(sealed.clone()));
        assert_eq!(usd(500, 1).sealed(), sealed);
        for other in
            [usd(501, 1), usd(-500, 1), usd(500, 2), usd(0, 1), Opening::new(500, "EUR".into(), &[1; 64])]
        {
            assert_ne!(other.sealed(), sealed, "{} {}", other.amount(), other.asset());
        }
    }

    #[test]
    fn what_is_no_sealed_amount_is_refused() {
        let good = usd(500, 1).sealed().to_string();
        let (point, _) = good.split_once(' ').unwrap();
        for (text, error) in [
            (point, SealError::Form),
            ("USD", SealError::Form),
            ("5.00 USD", SealError::Form),
            (&format!("{point}= USD"), SealError::Form),
            (&format!("{} USD", base64(&[0xff; 32])), SealError::Point),
            (&format!("{} USD", base64(&[1; 32])), SealError::Point),
        ] {
            assert_eq!(Sealed::parse(text), Err(error), "{text}");
        }
    }

    #[test]
    fn an_opening_is_read_as_it_was_written_and_each_fault_of_it_is_told_with_its_line() {
        let assets = BTreeMap::from([(AssetId::from("USD"), 2)]);
        let text = usd(123_456, 9).text(2);
        assert!(text.starts_with("countersign/opening/v1\namount 1234.56 USD\nblinding "), "{text}");
        assert_eq!(Opening::parse(&text, &assets), Ok(usd(123_456, 9)));
        for (from, to, line) in [
            ("/v1", "/v2", 1),
            ("1234.56", "1234.567", 2),
            ("USD", "EUR", 2),
            ("amount", "sum", 2),
            ("blinding ", "blinding /", 3),
        ] {
            assert_eq!(
                Opening::parse(&text.replacen(from, to, 1), &assets),
                Err(SealError::Line(line)),
                "{to}"
            );
        }
        assert_eq!(Opening::parse(&format!("{text}more\n"), &assets), Err(SealError::Line(4)));
        assert!(!format!("{:?}", usd(123_456, 9)).contains("123"), "a log does not tell it");
    }

    proptest! {
        #[test]
        fn sums_open_as_their_parts_do_and_what_cancels_out_is_nothing(amounts in proptest::collection::vec(-1_000_000_i128..1_000_000, 1..6)) {
            let openings: Vec<Opening> = amounts.iter().zip(1..).map(|(amount, random)| usd(*amount, random)).collect();
            let sealed: Vec<Sealed> = openings.iter().map(Opening::sealed).collect();
            let sum = Opening::sum(&openings).unwrap();
            prop_assert_eq!(sum.amount(), amounts.iter().sum::<i128>());
            prop_assert_eq!(sum.sealed(), Sealed::sum(&sealed).unwrap());
            prop_assert!(!Sealed::sum(&sealed).unwrap().is_nothing());
            for off in [0, 1, -1] {
                let last = Opening::balancing(off - sum.amount(), "USD".into(), &openings);
                let all = [sealed.clone(), vec![last.sealed()]].concat();
                prop_assert_eq!(Sealed::sum(&all).unwrap().is_nothing(), off == 0);
            }
        }
    }

    #[test]
    fn different_assets_do_not_add_up() {
        let euros = Opening::new(5, "EUR".into(), &[3; 64]);
        let error = SealError::Assets("USD".into(), "EUR".into());
        assert_eq!(Opening::sum(&[usd(5, 1), euros.clone()]), Err(error.clone()));
        assert_eq!(Sealed::sum(&[usd(5, 1).sealed(), euros.sealed()]), Err(error));
        assert_eq!(Opening::sum(&[usd(i128::MAX, 1), usd(1, 2)]), Err(SealError::Sum));
    }
}
