//! The chains that a target's servers send, where they are not the ones that its files hold: what clients get is judged too.

use super::asked::Asked;
use super::judge;
use super::survey::Against;
use crate::assess::{self, Code, Facts, Finding};
use crate::cert::installed::{Installed, KeyFound};
use crate::cert::{Certificate, Chain};
use crate::config::TargetConfig;

/// What is wrong with them, each chain judged once and told with the place where it was seen.
pub(super) fn findings(
    in_files: Option<&Chain>,
    asked: &[&Asked],
    config: &TargetConfig,
    against: &Against<'_>,
    now: time::OffsetDateTime,
) -> Vec<Finding> {
    let mut judged: Vec<Chain> = in_files.cloned().into_iter().collect();
    let mut found: Vec<Finding> = Vec::new();
    for (at, sent) in asked.iter().flat_map(|asked| &asked.chains) {
        let certificates: Result<Vec<Certificate>, _> =
            sent.iter().map(|der| Certificate::from_der(der.clone())).collect();
        let certificates = match certificates {
            Ok(certificates) => certificates,
            Err(error) => {
                let why = format!("{at}: the server's certificate cannot be read: {}", crate::outcome::explain(&error));
                let told = vec![Finding::new(Code::HandshakeFails, why)];
                found.extend(assess::ruled(told, &config.rules, &config.name, None, now));
                continue;
            }
        };
        let Some(chain) = Chain::as_given(certificates).filter(|chain| !judged.contains(chain)) else { continue };
        judged.push(chain.clone());
        let own = in_files.filter(|own| own.leaf() == chain.leaf());
        let stale = in_files.is_some() && own.is_none();
        let lacking = own.and_then(|own| lacking(own, &chain)).map(|title| {
            let why = format!("{at}: the chain that is sent lacks \"{title}\", which the files hold");
            Finding { remedy: Code::NotServed.remedy().into(), ..Finding::new(Code::ChainIncomplete, why) }
        });
        let trust = judge::verdicts(against.clients, &chain, &config.names, now);
        let installed = Installed {
            chain: Some(chain),
            key: KeyFound::None,
            problems: Vec::new(),
            unsupported: Vec::new(),
            stores: Vec::new(),
            stops: Vec::new(),
            leaf_place: 0,
            encrypted: Vec::new(),
        };
        let before = |lifetime| config.policy.renew_before.left_of(lifetime);
        let facts = Facts {
            whole_chain: true,
            wanted: &config.names,
            needs_client_auth: config.needs_client_auth,
            trust: &trust,
            rules: &config.rules,
            subject: &config.name,
            ..Facts::new(&installed, &before, against.signatures, now)
        };
        let leaf = installed.chain.as_ref().map(|chain| chain.leaf().subject());
        found.extend(assess::ruled(lacking.into_iter().collect(), &config.rules, &config.name, leaf, now));
        found.extend(assess::findings(&facts).into_iter().map(|finding| {
            // The files are judged by themselves: what is served in their place goes with a reload.
            let remedy = if stale { Code::NotServed.remedy().into() } else { finding.remedy };
            let what = if stale { "what is served instead" } else { "the chain that is sent" };
            Finding { message: format!("{at}: {what}: {}", finding.message), remedy, ..finding }
        }));
    }
    found
}

/// The first issuer on the way up from the leaf that the files hold and the server keeps to itself: clients that do not have it by chance
/// cannot go on there. A root need not be sent (RFC 8446 section 4.4.2).
fn lacking(own: &Chain, sent: &Chain) -> Option<String> {
    let issuer = |chain: &Chain, of: &Certificate| {
        chain.intermediates().iter().find(|one| one.subject() == of.issuer() && !one.is_self_issued()).cloned()
    };
    let mut at = sent.leaf().clone();
    for _ in 0..=own.intermediates().len() {
        let next = issuer(own, &at)?;
        // Another one of the same name will do as well: cross-signed, or issued anew.
        if issuer(sent, &at).is_none() {
            return Some(next.title());
        }
        at = next;
    }
    None
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::cert::Signatures;
    use crate::cert::fixture::{NOW, Wish, self_signed};
    use crate::change::{Probe, Shown};
    use crate::config::Config;
    use crate::flow::clients::Known;

    #[test]
    fn a_chain_that_the_files_do_not_hold_is_judged_as_it_is_sent() {
        let root = self_signed(&Wish::ca("Root"));
        let middle = root.issue(&Wish::ca("Middle"));
        let leaf = middle.issue(&Wish::server("www.example.com").named(&["www.example.com"])).certificate;
        let old = self_signed(&Wish::server("appliance").named(&["www.example.com"])).certificate;
        let text = "[[target]]\nname='a'\nkind='files'\nnames=['www.example.com']\ncombined='/c'\n";
        let config = &Config::parse(text, Path::new("/x")).unwrap().targets[0];
        let knows = crate::cert::Profile::new("all", crate::cert::Anchors::new([root.certificate]));
        let clients = [std::sync::Arc::<Known>::new((knows, Vec::new()))];
        let signatures = Signatures::default();
        let in_files = Chain::as_given(vec![leaf.clone(), middle.certificate.clone()]).unwrap();
        let found_by = |clients: &[std::sync::Arc<Known>], chains: &[&[&Certificate]]| {
            let against = Against { committed: None, served: &[], clients, signatures: &signatures };
            let der = |chain: &[&Certificate]| chain.iter().map(|one| one.der().to_vec()).collect();
            let asked = Asked {
                probe: Probe::tls("a:1", None),
                shown: Shown::Well,
                looks: Vec::new(),
                chains: chains.iter().map(|chain| ("a:1".to_owned(), der(chain))).collect(),
                unnamed: None,
            };
            let found = findings(Some(&in_files), &[&asked], config, &against, NOW);
            found.into_iter().map(|one| (one.code, one.message, one.remedy.general().to_owned())).collect::<Vec<_>>()
        };
        let found = |chains: &[&[&Certificate]]| found_by(&clients, chains);
        assert_eq!(found(&[&[&leaf, &middle.certificate]]), []);

        let short = found(&[&[&leaf], &[&leaf]]);
        let lacks = ("a:1: the chain that is sent lacks \"Middle\", which the files hold", Code::NotServed.remedy());
        assert_eq!((short[0].0, (&*short[0].1, &*short[0].2)), (Code::ChainIncomplete, lacks), "{short:?}");
        assert_eq!((short.len(), short[1].0), (2, Code::Untrusted), "{short:?}");
        assert!(short[1].1.starts_with("a:1: the chain that is sent: "), "{short:?}");
        assert_eq!(short[1].2, Code::Untrusted.remedy());

        // Also where nobody's trust is asked for; and a root may stay at home.
        let told = found_by(&[], &[&[&leaf]]);
        assert_eq!(told.iter().map(|one| one.0).collect::<Vec<_>>(), [Code::ChainIncomplete], "{told:?}");
        assert_eq!(found_by(&[], &[&[&leaf, &middle.certificate]]), []);

        let stale = found(&[&[&old]]);
        assert_eq!(stale[0].0, Code::SelfSigned);
        assert_eq!(
            (&*stale[0].1, &*stale[0].2),
            ("a:1: what is served instead: appliance signed itself", Code::NotServed.remedy())
        );
    }
}
