//! What to do where the catalogue's remedy is a verb that does not work: about a file or a server that is no target, which reseal does
//! not change, about a target for which it can get nothing, and about one of which it has kept nothing.

use super::Code;

/// The remedy in place of [`Code::remedy`], where that one names a verb that works on targets alone.
#[must_use]
#[allow(clippy::wildcard_enum_match_arm, reason = "most remedies are the same everywhere")]
pub fn remedy_elsewhere(code: Code) -> Option<&'static str> {
    Some(match code {
        Code::NoCertificate => "name the file that holds the certificate",
        Code::Unreadable => {
            "fetch it again where it is damaged; else write it anew as PEM or PKCS#12, with AES in CBC mode where it is encrypted"
        }
        Code::KeyMismatch => "put the key of this certificate beside it: a service with this pair does not start",
        Code::SelfSigned | Code::SelfIssuedUnverified => "no client trusts it: get one from a CA that the clients know",
        Code::OwnKeyOtherName => "nobody vouches for it: get one from a CA that the clients know",
        Code::Expired => "clients refuse it: have it renewed",
        Code::Expiring => "have it renewed",
        Code::EndsSoon => "have it renewed today, and find out why it was not before",
        Code::NameMissing => "order it anew with all names, or ask for one that it has",
        Code::Stranger => "leave it out",
        Code::Duplicate => "leave one out",
        _ => return None,
    })
}

/// The remedy in place of [`Code::remedy`], where that one has reseal get a certificate, for a target without a source: a person
/// brings it.
#[must_use]
pub fn remedy_by_hand(code: Code) -> Option<&'static str> {
    code.remedy().contains("`reseal renew TARGET`").then_some(
        "it has no source to get another from: bring one and `reseal install TARGET --cert FILE --key FILE`, or give it a \
         `[target.source]`",
    )
}

/// The remedy in place of [`Code::remedy`], where that one puts a committed pair back, for a target of which none was ever committed.
#[must_use]
pub fn remedy_uncommitted(code: Code) -> Option<&'static str> {
    code.remedy().contains("`reseal restore TARGET`").then_some(
        "the next restart of the service fails, and no earlier pair is committed: `reseal install TARGET --cert FILE --key FILE`, or \
         `reseal renew TARGET` where the target has a source",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_remedy_names_a_verb_for_what_is_no_target() {
        // These are found at targets alone, or at no certificate at all.
        let targets = [
            Code::NoKey,
            Code::DanglingLink,
            Code::Regression,
            Code::NotServed,
            Code::PartlyServed,
            Code::Revoked,
            Code::Interrupted,
            Code::SourceMissing,
            Code::NotifyFailing,
        ];
        for code in Code::ALL.iter().filter(|code| !targets.contains(code)) {
            let told = remedy_elsewhere(*code).unwrap_or(code.remedy());
            assert!(!told.contains("`reseal"), "{}: {told}", code.name());
        }
    }

    #[test]
    fn nobody_is_told_to_restore_what_was_never_committed() {
        for code in Code::ALL {
            let told = remedy_uncommitted(*code).unwrap_or(code.remedy());
            assert!(!told.contains("`reseal restore"), "{}: {told}", code.name());
        }
        assert!(remedy_uncommitted(Code::KeyMismatch).is_some() && remedy_uncommitted(Code::Expired).is_none());
    }

    #[test]
    fn nobody_is_told_to_renew_what_has_no_source() {
        for code in Code::ALL {
            let told = remedy_by_hand(*code).unwrap_or(code.remedy());
            assert!(!told.contains("`reseal renew TARGET`"), "{}: {told}", code.name());
        }
        assert!(remedy_by_hand(Code::Expired).is_some() && remedy_by_hand(Code::Reset).is_none());
    }
}
