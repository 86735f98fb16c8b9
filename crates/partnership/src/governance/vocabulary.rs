//! The closed vocabulary of policies, and the check of Cedar text against it.
//!
//! Not here: judging (`policy`).

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::LazyLock;

use cedar_policy::ffi::DetailedError;
use cedar_policy::{PolicySet, Schema, ValidationMode, Validator};

use crate::memorandum::Diagnostic;

/// The text of the vocabulary, in Cedar's schema language.
pub const VOCABULARY: &str = include_str!("vocabulary.cedarschema");

/// A fault in Cedar text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CedarFault {
    /// What is wrong: lower case, no full stop.
    pub(crate) message: String,
    /// Where in the text, if known. Units: bytes.
    pub(crate) span: Option<Range<usize>>,
    /// What to do next, if known.
    pub(crate) help: Option<String>,
}

impl CedarFault {
    /// The fault as one of the file, at `span`.
    pub(crate) fn at(self, span: Range<usize>) -> Diagnostic {
        let fault = Diagnostic::new("memorandum::cedar", self.message, span, "in this text");
        Diagnostic { help: self.help, ..fault }
    }
}

static VALIDATOR: LazyLock<Validator> = LazyLock::new(|| {
    let schema = Schema::from_cedarschema_str(VOCABULARY);
    let (schema, _) =
        schema.unwrap_or_else(|_| unreachable!("the vocabulary is a constant, and a test reads it"));
    Validator::new(schema)
});

/// Reads Cedar text: policies that are valid, strictly, for the vocabulary.
///
/// Errors: every fault found; the text must hold at least one policy and no template.
pub(crate) fn read(cedar: &str) -> Result<PolicySet, Vec<CedarFault>> {
    let policies: PolicySet = cedar.parse().map_err(|errors: cedar_policy::ParseErrors| {
        errors.iter().map(|error| fault(&DetailedError::from(error))).collect::<Vec<_>>()
    })?;
    let faults = faults(&policies);
    if faults.is_empty() { Ok(policies) } else { Err(faults) }
}

fn faults(policies: &PolicySet) -> Vec<CedarFault> {
    let whole = |message: &str, help: &str| CedarFault {
        message: message.to_owned(),
        span: None,
        help: Some(help.to_owned()),
    };
    if policies.templates().next().is_some() {
        return vec![whole(
            "a policy has a slot",
            "write the party, application or model in place of `?principal` and `?resource`",
        )];
    }
    if policies.is_empty() {
        return vec![whole(
            "there is no policy",
            "write `forbid (principal, action == Action::\"infer\", resource) when { … };`",
        )];
    }
    let result = VALIDATOR.validate(policies, ValidationMode::Strict);
    let errors = result.validation_errors().map(|error| fault(&DetailedError::from(error)));
    let warnings = result.validation_warnings().map(|warning| fault(&DetailedError::from(warning)));
    // The validator gives no order of its own.
    let ordered: BTreeMap<_, _> =
        errors.chain(warnings).map(|fault| ((start(&fault), fault.message.clone()), fault)).collect();
    ordered.into_values().collect()
}

fn start(fault: &CedarFault) -> usize {
    fault.span.as_ref().map_or(0, |span| span.start)
}

fn fault(error: &DetailedError) -> CedarFault {
    let span = error.source_locations.first().map(|label| label.loc.start..label.loc.end);
    CedarFault { message: unnumbered(&error.message), span, help: error.help.as_deref().map(unnumbered) }
}

/// A message or its help without Cedar's own name for the policy, which the author never wrote.
fn unnumbered(message: &str) -> String {
    match message.split_once("`, ") {
        Some((name, rest)) if name.starts_with("for policy `policy") => rest.to_owned(),
        _ => message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::{VALIDATOR, read};

    #[test]
    fn vocabulary_is_a_schema_with_one_action() {
        assert_eq!(VALIDATOR.schema().actions().count(), 1);
    }

    #[test]
    fn every_word_of_the_vocabulary_can_be_used() {
        let cedar = r#"forbid (principal is Application, action == Action::"infer", resource is Model) when {
            principal.party == "a" && principal.audience == "a" && principal.purpose == "a" && principal.market == "a" &&
            resource.id == "a" && resource.stage == "a" && context.surface == "a" && context.stream &&
            context.input_bytes > 0 && context.max_output_tokens > 0 && context.tools > 0 && context.images > 0 &&
            context.end_user && context.findings.contains("a") && context.now > 0 };"#;
        assert_eq!(read(cedar).map(|policies| policies.policies().count()), Ok(1));
    }
}
