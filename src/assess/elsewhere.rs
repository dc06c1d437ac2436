//! What to do about a file or a server that somebody named and that is no target: reseal does not change those.

use super::Code;

/// The remedy in place of [`Code::remedy`], where that one names a verb that works on targets alone.
#[must_use]
#[allow(clippy::wildcard_enum_match_arm, reason = "most remedies are the same everywhere")]
pub fn remedy_elsewhere(code: Code) -> Option<&'static str> {
    Some(match code {
        Code::NoCertificate => "name the file that holds the certificate",
        Code::Unreadable => "fetch it again: it is damaged, or of a format that is not read",
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
}
