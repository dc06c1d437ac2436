//! What a CA answered, and the request it answers.

use super::of;
use crate::cert::{Bundle, Certificate, Chain, Checks, Signed};
use crate::digest::Digest;
use crate::flow::renew::key_in_place;
use crate::flow::survey::Survey;
use crate::flow::{Refusal, Session};
use crate::outcome::Outcome;
use crate::sensitive::Sensitive;
use crate::source::import::{self, Imported, Part};
use crate::source::request::Waiting;

/// What the CA has sent, put together with the key that waits for it and with what is known of its chain.
///
/// # Errors
/// No request waits, or the certificate is for none of those that do; or what was sent makes no bundle.
pub(in crate::flow) fn answered(
    session: &Session<'_>,
    target: &str,
    survey: &Survey,
    mut parts: Vec<Part>,
) -> Result<Imported, Refusal> {
    let sent = import::certificates(&parts).map_err(|error| {
        let request = |part: &&Part| crate::cert::Request::read(part.bytes.expose()).is_ok();
        match parts.iter().find(request) {
            Some(part) => Refusal::new(format!("{} is a request, and not the answer to one", part.label))
                .hint(format!("bring the certificate that the CA sends back: `reseal install {target} --signed FILE`")),
            None => error.into(),
        }
    })?;
    let (waiting, mut damaged) = match of(session, target)? {
        Some(requests) => requests.waiting()?,
        None => (Vec::new(), Vec::new()),
    };
    if waiting.is_empty() && damaged.is_empty() {
        return Err(nobody_waits(target, &sent, survey, &parts));
    }
    let mut found = None;
    for one in waiting.iter().rev() {
        match one.key() {
            Ok(key) if sent.iter().any(|certificate| key.matches(certificate)) => {
                found = Some((one.number, key));
                break;
            }
            Ok(_) => {}
            Err(why) => damaged.push(why),
        }
    }
    let Some((number, key)) = found else {
        // It may have been the one that is damaged.
        return Err(damaged.into_iter().next().map_or_else(|| stranger(target, &sent, &waiting), Refusal::from));
    };
    parts.push(Part { label: format!("the key of request {number}"), bytes: key.to_pem() });
    let key = key.spki().to_vec();
    let imported = import::bundle_from(&parts, None)?;
    if imported.bundle.key().spki() != key {
        return Err(Refusal::new(format!(
            "what was sent holds a private key of its own, and {target} waits with another"
        ))
        .hint("bring the certificate that the CA made of the request, and no key; a pair is installed with `--from`"));
    }
    let missing = continuation(imported.bundle.chain(), survey);
    if missing.is_empty() {
        return Ok(imported);
    }
    let pem = missing.iter().map(Certificate::to_pem).collect::<String>();
    parts.push(Part { label: "the chain in place".to_owned(), bytes: Sensitive::from(pem) });
    Ok(import::bundle_from(&parts, None)?)
}

/// After the answer is in place the request for its key waits no more. By the key and not by its number: another run may have given the
/// number to another request meanwhile.
pub(in crate::flow) fn installed(
    session: &Session<'_>,
    target: &str,
    outcome: &Outcome,
    bundle: &Bundle,
) -> Result<(), Refusal> {
    if session.options.dry_run
        || !matches!(outcome, Outcome::Committed { .. } | Outcome::Staged { .. } | Outcome::Nothing { .. })
    {
        return Ok(());
    }
    let Some(requests) = of(session, target)? else { return Ok(()) };
    let key = Digest::of(bundle.key().spki());
    for one in requests.waiting()?.0.into_iter().filter(|one| one.about.key == key) {
        requests.forget(one.number)?;
    }
    Ok(())
}

/// The certificates in place by which a chain goes on that was sent without them.
fn continuation(chain: &Chain, survey: &Survey) -> Vec<Certificate> {
    let known: Vec<&Certificate> = survey
        .pairs
        .iter()
        .filter_map(|pair| pair.installed.chain.as_ref())
        .flat_map(|chain| chain.intermediates())
        .collect();
    let checks = Checks::default();
    let mut missing: Vec<Certificate> = Vec::new();
    let mut last = chain.certificates().last();
    while let Some(child) = last {
        last = known.iter().copied().find(|one| {
            let signed = || checks.issued_by(child, one) == Some(Signed::Verified);
            one.is_ca() && !missing.contains(one) && *one != child && signed()
        });
        missing.extend(last.cloned());
    }
    missing
}

/// What was answered once waits no more: its key is in place, and what is sent again goes with that.
fn nobody_waits(target: &str, sent: &[Certificate], survey: &Survey, parts: &[Part]) -> Refusal {
    let refusal = Refusal::new(format!("no request of {target} waits for an answer"));
    let keys: Vec<_> = survey.pairs.iter().filter_map(key_in_place).collect();
    if sent.iter().any(|certificate| keys.iter().any(|key| key.matches(certificate))) {
        let mut words = format!("reseal install {target}");
        for (index, part) in parts.iter().enumerate() {
            words.push_str(&format!(" --{} {}", if index == 0 { "cert" } else { "chain" }, part.label));
        }
        return refusal.hint(format!("it is for the key in place: `{words} --keep-key`"));
    }
    refusal.hint(format!(
        "`reseal csr {target}` makes one; with a key at hand, bring both: `reseal install {target} --from FILE --from KEY`"
    ))
}

fn stranger(target: &str, sent: &[Certificate], waiting: &[Waiting]) -> Refusal {
    let sent: Vec<String> =
        sent.iter().map(|one| format!("{} (key {})", one.title(), one.spki_digest().short())).collect();
    let keys: Vec<String> =
        waiting.iter().map(|one| format!("{} (key {})", one.number, one.about.key.short())).collect();
    let why = format!(
        "what was sent is for no key that waits for {target}: it holds {}; the requests are {}",
        sent.join(", "),
        keys.join(", ")
    );
    Refusal::new(why).hint(format!(
        "have the CA sign the request that `reseal csr {target}` prints, and bring what it answers to that"
    ))
}
