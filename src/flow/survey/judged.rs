//! What is wrong with a target that was looked at, each of its pairs judged by itself.

use std::sync::Arc;

use super::{PairState, Survey, same_as};
use crate::assess::{self, Facts, Finding, Look as Sight, Reader, Regression, Stored};
use crate::cert::{Signatures, TrustVerdict};
use crate::change::{Image, Slot};
use crate::config::{SourceConfig, TargetConfig};
use crate::engine::vault::Manifest;
use crate::flow::asked::Asked;
use crate::flow::clients::Known;
use crate::flow::{judge, sent};
use crate::target::layout::Place;

/// What a target is held against besides its own files.
#[derive(Clone, Copy)]
pub(in crate::flow) struct Against<'a> {
    /// The generation that was committed last.
    pub committed: Option<&'a Manifest>,
    /// What the probes showed.
    pub served: &'a [Asked],
    /// Whose trust is asked for.
    pub clients: &'a [Arc<Known>],
    /// Signatures that were checked before in this run.
    pub signatures: &'a Signatures,
}

/// What is wrong with a target that was looked at.
pub(in crate::flow) fn findings(
    survey: &Survey,
    config: &TargetConfig,
    committed: Option<&Manifest>,
    served: &[Asked],
    clients: &[Arc<Known>],
    now: time::OffsetDateTime,
) -> Vec<Finding> {
    let signatures = Signatures::default();
    let against = Against { committed, served, clients, signatures: &signatures };
    judged(survey, config, &against, now).0
}

/// The same, and what clients make of each pair. What is said of a certificate and not of those of all pairs begins with whose it is.
pub(in crate::flow) fn judged(
    survey: &Survey,
    config: &TargetConfig,
    against: &Against<'_>,
    now: time::OffsetDateTime,
) -> (Vec<Finding>, Vec<Vec<TrustVerdict>>) {
    let slots: Vec<Slot> = survey.pairs.iter().flat_map(|pair| pair.pair.slots.clone()).collect();
    let images: Vec<&Image> = survey.pairs.iter().flat_map(|pair| pair.looks.iter().map(|look| &look.image)).collect();
    let changed = against.committed.filter(|manifest| !same_as(manifest, &slots, &images));
    let regression = changed.map(|manifest| Regression {
        generation: manifest.generation,
        committed: manifest.leaf.as_ref().map(|leaf| leaf.fingerprint),
    });
    let before = |lifetime| config.policy.renew_before.left_of(lifetime);
    let (mut each, mut trusts): (Vec<Vec<Finding>>, Vec<Vec<TrustVerdict>>) = (Vec::new(), Vec::new());
    let mut sent: Vec<Finding> = Vec::new();
    for (index, pair) in survey.pairs.iter().enumerate() {
        let files = stored(pair, survey.reader.as_ref());
        let asked: Vec<&Asked> =
            against.served.iter().filter(|asked| pair.pair.probes.contains(&asked.probe)).collect();
        let served: Vec<Sight> = asked.iter().flat_map(|asked| asked.looks.clone()).collect();
        let chain = pair.installed.chain.as_ref();
        let trust = chain.map(|chain| judge::verdicts(against.clients, chain, &config.names, now)).unwrap_or_default();
        let facts = Facts {
            key_expected: true,
            whole_chain: true,
            files: &files,
            wanted: &config.names,
            needs_client_auth: config.needs_client_auth,
            served: &served,
            trust: &trust,
            revoked: pair.revoked.as_ref().map(|revoked| revoked.why.as_str()),
            regression: regression.filter(|_| index == 0),
            rules: &config.rules,
            subject: &config.name,
            ..Facts::new(&pair.installed, &before, against.signatures, now)
        };
        each.push(assess::findings(&facts));
        sent.extend(sent::findings(pair.installed.chain.as_ref(), &asked, config, against, now));
        trusts.push(trust);
    }
    let mut found = merged(survey, each);
    for finding in sent {
        if !found.iter().any(|known| known.code == finding.code && finding.message.ends_with(&known.message)) {
            found.push(finding);
        }
    }
    // What has a remedy that fits better keeps it.
    for finding in found.iter_mut().filter(|finding| finding.remedy.general() == finding.code.remedy()) {
        let by_hand = || assess::remedy_by_hand(finding.code).filter(|_| config.source == SourceConfig::None);
        let uncommitted = || assess::remedy_uncommitted(finding.code).filter(|_| against.committed.is_none());
        if let Some(remedy) = by_hand().or_else(uncommitted) {
            finding.remedy = remedy.into();
        }
    }
    for finding in &mut found {
        finding.remedy = finding.remedy.clone().of(&config.name);
    }
    found.sort_by_key(|finding| (finding.accepted.is_some(), finding.severity));
    (found, trusts)
}

/// The pair whose leaf ends first; none where no pair has one.
pub(in crate::flow) fn first_to_end(survey: &Survey) -> Option<usize> {
    let ends = |pair: &PairState| Some(pair.installed.chain.as_ref()?.leaf().not_after());
    let all = survey.pairs.iter().enumerate().filter_map(|(index, pair)| Some((ends(pair)?, index)));
    all.min().map(|(_, index)| index)
}

/// What was found of each pair as one. What is said of a certificate, and not of that of every pair, is told with whose it is.
fn merged(survey: &Survey, each: Vec<Vec<Finding>>) -> Vec<Finding> {
    let leaf = |pair: &PairState| pair.installed.chain.as_ref().map(|chain| chain.leaf().fingerprint());
    let differ = survey.pairs.iter().any(|pair| leaf(pair) != leaf(&survey.pairs[0]));
    let each: Vec<_> = survey.pairs.iter().map(|pair| label(survey, pair)).zip(each).collect();
    assess::merged(&each, |finding, _| differ && finding.leaf.is_some())
}

/// What to call the certificate of one of several pairs: by its key, or by its file where that is not enough.
fn label(survey: &Survey, pair: &PairState) -> String {
    let kind = |pair: &PairState| pair.installed.chain.as_ref().map(|chain| chain.leaf().key_kind().to_string());
    match kind(pair) {
        Some(own) if survey.pairs.iter().filter(|other| kind(other).as_ref() == Some(&own)).count() == 1 => own,
        Some(_) | None => pair.pair.slots.first().map(|slot| slot.path.display().to_string()).unwrap_or_default(),
    }
}

/// The files of a pair, as the judge wants to know them.
fn stored(pair: &PairState, reader: Option<&Reader>) -> Vec<Stored> {
    let slots = pair.pair.slots.iter().zip(&pair.places).zip(&pair.looks).enumerate();
    slots
        .map(|(index, ((slot, place), look))| Stored {
            role: slot.role,
            path: slot.path.display().to_string(),
            real: match place {
                Place::InPlace { path } => path.display().to_string(),
                Place::Adopted { .. } => slot.path.display().to_string(),
            },
            attributes: match &look.image {
                Image::File { attributes, .. } => Some(attributes.clone()),
                Image::Absent | Image::Link { .. } | Image::Dir { .. } => None,
            },
            dangling: pair.dangling.contains(&index),
            tracked_by: pair.tracked_by.clone(),
            reader: reader.cloned(),
        })
        .collect()
}
