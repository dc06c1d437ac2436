//! What to do about what was found. Pure.

use crate::assess::{Code, Finding};

/// What is to be done with a target.
#[must_use]
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Decision {
    /// Nothing.
    Leave {
        /// Why.
        why: String,
    },
    /// Put back the generation that was committed last.
    Reinstate {
        /// Its number.
        generation: u32,
        /// Why.
        why: String,
    },
    /// Get another certificate and install it.
    Replace {
        /// Why.
        why: String,
    },
    /// The files are right: make the service take them up.
    Apply {
        /// Why.
        why: String,
    },
    /// Something would have to be done, and nothing can be.
    Unable {
        /// Why.
        why: String,
    },
}

/// What can be done.
#[derive(Clone, Copy, Debug)]
pub struct Means<'a> {
    /// The generation that was committed or signed off last, if it is not what stands in the files, and whole and valid now.
    pub reinstate: Option<u32>,
    /// Why what stands in the files is worse than that one, although it is not bad by itself.
    pub worse: &'a [String],
    /// Whether a source is configured.
    pub source: bool,
    /// Why the source would have the certificate replaced although nothing is wrong with it.
    pub newer: Option<&'a str>,
}

/// Decides.
///
/// A pair that was proved to work and was overwritten is put back before anything new is ordered: it costs nothing, and clients
/// know it already.
pub fn decide(findings: &[Finding], means: Means<'_>) -> Decision {
    let reasons: Vec<&Finding> = findings.iter().filter(|finding| finding.calls_for_replacement()).collect();
    let why = reasons.iter().map(|finding| finding.message.as_str()).collect::<Vec<_>>().join("; ");
    if let (true, Some(generation), [_, ..]) = (reasons.is_empty(), means.reinstate, means.worse) {
        return Decision::Reinstate { generation, why: means.worse.join("; ") };
    }
    match (reasons.is_empty(), means) {
        (false, Means { reinstate: Some(generation), .. }) => Decision::Reinstate { generation, why },
        (false, Means { source: true, .. }) => Decision::Replace { why },
        (false, Means { source: false, .. }) => Decision::Unable { why },
        (true, Means { newer: Some(why), .. }) => Decision::Replace { why: why.to_owned() },
        (true, _) => match findings.iter().find(|finding| is_not_taken_up(finding)) {
            Some(finding) => Decision::Apply { why: finding.message.clone() },
            None => Decision::Leave { why: "the certificate is good".to_owned() },
        },
    }
}

/// Whether a listener shows something else than the files hold, and nobody lives with it.
fn is_not_taken_up(finding: &Finding) -> bool {
    finding.accepted.is_none() && matches!(finding.code, Code::NotServed | Code::PartlyServed)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NO_MEANS: Means<'_> = Means { reinstate: None, worse: &[], source: false, newer: None };

    fn found(code: Code) -> Vec<Finding> {
        vec![Finding::new(code, "x")]
    }

    #[test]
    fn what_was_committed_comes_before_a_new_order() {
        let means = Means { reinstate: Some(4), source: true, newer: Some("newer"), ..NO_MEANS };
        assert_eq!(decide(&found(Code::SelfSigned), means), Decision::Reinstate { generation: 4, why: "x".into() });
    }

    #[test]
    fn a_good_certificate_is_left_even_when_it_is_not_the_committed_one() {
        let means = Means { reinstate: Some(4), source: true, ..NO_MEANS };
        assert!(matches!(decide(&found(Code::Regression), means), Decision::Leave { .. }));
        let worse = ["an old one is back".to_owned()];
        let means = Means { worse: &worse, ..means };
        assert_eq!(
            decide(&found(Code::Regression), means),
            Decision::Reinstate { generation: 4, why: worse[0].clone() }
        );
        assert!(matches!(decide(&found(Code::Regression), Means { reinstate: None, ..means }), Decision::Leave { .. }));
    }

    #[test]
    fn each_reason_for_a_replacement_leads_to_one() {
        for code in Code::ALL {
            let wanted = Finding::new(*code, "").calls_for_replacement();
            let with_source = decide(&found(*code), Means { source: true, ..NO_MEANS });
            assert_eq!(matches!(with_source, Decision::Replace { .. }), wanted, "{}", code.name());
            let without = decide(&found(*code), NO_MEANS);
            assert_eq!(matches!(without, Decision::Unable { .. }), wanted, "{}", code.name());
        }
    }

    #[test]
    fn a_service_that_serves_something_else_is_told() {
        for code in [Code::NotServed, Code::PartlyServed] {
            assert!(matches!(decide(&found(code), NO_MEANS), Decision::Apply { .. }), "{}", code.name());
            let until = time::macros::date!(2030 - 01 - 01);
            let accepted = Some(crate::assess::Acceptance { reason: "x".to_owned(), until });
            let known = vec![Finding { accepted, ..Finding::new(code, "x") }];
            assert!(matches!(decide(&known, NO_MEANS), Decision::Leave { .. }), "{}", code.name());
        }
    }

    #[test]
    fn a_certificate_of_a_former_root_is_replaced() {
        let means = Means { newer: Some("it is from a former root"), source: true, ..NO_MEANS };
        assert!(matches!(decide(&[], means), Decision::Replace { why } if why.contains("former root")));
        assert_eq!(decide(&found(Code::SelfSigned), means), Decision::Replace { why: "x".into() });
    }

    #[test]
    fn a_newer_certificate_at_the_source_is_taken() {
        assert!(matches!(
            decide(&[], Means { source: true, newer: Some("newer"), ..NO_MEANS }),
            Decision::Replace { .. }
        ));
    }
}
