//! Who shows which certificates: the files of targets, what is staged for them, what their listeners and other servers serve now. Looked
//! at once, before an anchor is put away; what leads to which anchor is asked of it afterwards.

mod against;

use super::asked::{self, Asked, Question};
use super::survey::{self, Survey};
use super::{Refusal, Session, ca, stage};
use crate::assess::Unseen;
use crate::cert::codec;
use crate::cert::{Certificate, Chain, Signed, issued_by, twins};
use crate::change::{KeyFamily, Probe, Role, Shown};
use crate::config::{SourceConfig, TargetConfig};
use crate::digest::Digest;
use crate::endpoint::Endpoint;
use crate::engine::Next;
use crate::engine::vault::Vault;
use crate::host::state::State;
use crate::source::local_ca::{Authority, Hierarchy};

pub(super) use self::against::elsewhere;
pub use self::against::{Against, Reason};

/// What was seen, and what could not be.
#[derive(Default)]
pub(super) struct Users {
    /// Every target of the configuration.
    pub targets: Vec<Target>,
    /// Certificates, each with the place where it was seen.
    pub sights: Vec<Sight>,
    /// What could not be looked at.
    pub blind: Vec<Blind>,
    /// How many servers that are no targets were asked.
    others: usize,
}

/// A target, looked at.
pub(super) struct Target {
    /// Its name.
    pub name: String,
    /// The local CA that it takes from.
    pub ca: Option<String>,
    /// What that CA issues below now, up to its root; none where there is no such CA.
    pub issuing: Option<Hierarchy>,
    /// Whether it has a source.
    pub sourced: bool,
    /// Whether `renew` gets it another certificate although nothing is wrong with the one in its files.
    pub moves: bool,
    /// Why it could not be looked at.
    pub refused: Option<String>,
    /// The chains in its files.
    pub present: Vec<Chain>,
    /// A certificate that it shows and its files do not hold, and where.
    pub strange: Option<(Shown, String)>,
}

/// Where certificates were seen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Place {
    /// In a target's file.
    Files,
    /// In the generation that is staged for a target.
    Staged,
    /// At a listener of a target.
    Listener,
    /// At a server that somebody named.
    Other,
}

/// Certificates that belong together, the leaf first.
pub(super) struct Sight {
    /// The target, or the server as it was named.
    pub who: String,
    /// What kind of place it is.
    pub place: Place,
    /// The place itself: a file, a generation, an address.
    pub at: String,
    /// What was seen there.
    pub certificates: Vec<Certificate>,
}

/// A place of which nothing is known.
pub(super) struct Blind {
    /// The target, or the server as it was named.
    pub who: String,
    /// What kind of place it is.
    pub place: Place,
    /// The place itself; none of a target as a whole.
    pub at: Option<String>,
    /// Why.
    pub why: String,
    /// What to do.
    pub hint: Option<String>,
}

impl Target {
    /// Whether what its CA issues now leads to one of these anchors, too.
    pub(super) fn stays_below(&self, anchors: &[Certificate]) -> bool {
        let Some(issuing) = &self.issuing else { return false };
        let top = issuing.top();
        anchors.iter().any(|anchor| {
            issuing.certificates().any(|one| twins(one, anchor)) || issued_by(top, anchor) == Signed::Verified
        })
    }
}

impl Sight {
    /// Whose issuers count: of the first, and of every other that is no CA's, for some files hold the pairs of two kinds of keys.
    pub(super) fn leaves(&self) -> impl Iterator<Item = &Certificate> {
        let first = self.certificates.first();
        first.into_iter().chain(self.certificates.iter().skip(1).filter(|one| !one.is_ca()))
    }
}

/// Servers that are asked at the same time, each with its kinds of keys.
const AT_ONCE: usize = 32;

impl Users {
    /// Looks at every target, and asks these servers. Changes nothing.
    pub(super) fn look(session: &Session<'_>, others: &[Endpoint]) -> Self {
        let mut users = Self { others: others.len(), ..Self::default() };
        for config in &session.config.targets {
            let target = users.target(session, config);
            users.targets.push(target);
        }
        for some in others.chunks(AT_ONCE) {
            users.others(session, some);
        }
        users
    }

    fn target(&mut self, session: &Session<'_>, config: &TargetConfig) -> Target {
        let mut target = Target {
            name: config.name.clone(),
            ca: if let SourceConfig::LocalCa { ca, .. } = &config.source { Some(ca.clone()) } else { None },
            issuing: None,
            sourced: !matches!(config.source, SourceConfig::None),
            moves: false,
            refused: None,
            present: Vec::new(),
            strange: None,
        };
        if let (Some(ca), Ok(Some(state))) = (&target.ca, State::open(session.host)) {
            target.issuing = Authority::find(&state, ca).ok().map(|found| found.active().hierarchy().clone());
        }
        self.staged(session, &config.name);
        let survey = match survey::survey(session.host, config, &session.live_dir) {
            Ok(survey) => survey,
            Err(refusal) => {
                self.blind.push(Blind {
                    who: config.name.clone(),
                    place: Place::Files,
                    at: None,
                    why: refusal.why.clone(),
                    hint: refusal.hint,
                });
                target.refused = Some(refusal.why);
                return target;
            }
        };
        target.present = self.files(&config.name, &survey);
        if let Some(ca) = &target.ca {
            let moved = |chain: &Chain| ca::outlived(session, ca, chain.leaf()).is_ok_and(|why| why.is_some());
            target.moves = target.present.iter().any(moved);
        }
        // As any client asks: what a server prefers to show counts, whatever else it has.
        let questions: Vec<asked::Question> = survey.probes().into_iter().map(Into::into).collect();
        let asked = asked::closely(session.host, &questions, config.policy.probe_timeout);
        let ours = |shown: Digest| target.present.iter().any(|chain| chain.leaf().fingerprint() == shown);
        let other = |shown: &Shown| match shown {
            Shown::Leaf { fingerprint, .. } => !ours(*fingerprint),
            Shown::Well | Shown::Nobody { .. } | Shown::Failing { .. } => false,
        };
        let strange = asked.iter().flat_map(|asked| &asked.looks).find(|look| other(&look.shown));
        target.strange = strange.map(|look| (look.shown.clone(), look.at.clone()));
        for one in asked {
            self.served(&config.name, Place::Listener, one, |_| true);
        }
        target
    }

    /// What the files of a target hold.
    fn files(&mut self, name: &str, survey: &Survey) -> Vec<Chain> {
        let mut present = Vec::new();
        for pair in &survey.pairs {
            let slots = || pair.pair.slots.iter().zip(&pair.looks).filter(|(slot, _)| holds_leaf(slot.role));
            let at = slots().map(|(slot, _)| slot.path.display().to_string()).next().unwrap_or_default();
            match &pair.installed.chain {
                Some(chain) => {
                    let certificates = chain.certificates().cloned().collect();
                    self.saw(name, Place::Files, at, certificates);
                    present.push(chain.clone());
                }
                // Where there is no file yet, there is no certificate either.
                None if slots().any(|(_, look)| look.content.is_some()) => {
                    let why = "it holds no certificate that can be read".to_owned();
                    self.cannot_see(name, Place::Files, at, why, None);
                }
                None => {}
            }
        }
        present
    }

    /// What is staged for a target.
    fn staged(&mut self, session: &Session<'_>, name: &str) {
        let found = stage::staged(session, name).and_then(|next: Option<Next>| {
            let Some(next) = next else { return Ok(None) };
            let Some(state) = State::open(session.host)? else { return Ok(None) };
            let Some(vault) = Vault::open(&state, name)? else { return Ok(None) };
            Ok(Some((next.generation, generation(&vault, next.generation)?)))
        });
        match found {
            Ok(None) => {}
            Ok(Some((number, all))) => {
                for certificates in all {
                    self.saw(name, Place::Staged, format!("generation {number}"), certificates);
                }
            }
            Err(refusal) => {
                let at = "what is staged for it".to_owned();
                self.cannot_see(name, Place::Staged, at, refusal.why, refusal.hint);
            }
        }
    }

    /// Servers that are no targets: asked for every kind of key, for a server with two shows one.
    fn others(&mut self, session: &Session<'_>, endpoints: &[Endpoint]) {
        let probes: Vec<Question> = endpoints.iter().flat_map(probes).map(Question::from).collect();
        let asked = asked::closely(session.host, &probes, session.config.probe_timeout);
        let mut asked = asked.into_iter();
        for endpoint in endpoints {
            let who = endpoint.to_string();
            let mut of_one = asked.by_ref().take(FAMILIES.len());
            let Some(plain) = of_one.next() else { continue };
            let answered = !plain.chains.is_empty();
            self.served(&who, Place::Other, plain, |_| true);
            // That it has no key of a kind is no failure, and servers tell so in many ways, but not by silence.
            for one in of_one.filter(|_| answered) {
                self.served(&who, Place::Other, one, |unseen| unseen == Unseen::Timeout);
            }
        }
    }

    /// What a probe came to; failures of these kinds are told.
    fn served(&mut self, who: &str, place: Place, asked: Asked, told: impl Fn(Unseen) -> bool) {
        if !matches!(asked.probe, Probe::Tls { .. }) {
            return;
        }
        let probe = asked.probe.to_string();
        let answered = !asked.chains.is_empty();
        for look in asked.looks {
            let Some(unseen) = look.unseen else { continue };
            // At one address of several nobody need listen.
            let deserted = unseen == Unseen::Refused && answered;
            if told(unseen) && !deserted {
                self.cannot_see(who, place, look.at, look.shown.to_string(), None);
            }
        }
        let unnamed = asked.unnamed.map(|chain| (format!("{probe}, to clients that name nobody"), chain));
        for (at, chain) in asked.chains.into_iter().chain(unnamed) {
            let read: Result<Vec<Certificate>, _> = chain.into_iter().map(Certificate::from_der).collect();
            match read {
                Ok(certificates) => self.saw(who, place, at, certificates),
                Err(error) => self.cannot_see(who, place, at, crate::outcome::explain(&error), None),
            }
        }
    }

    /// The same at another address of one server is one sight.
    fn saw(&mut self, who: &str, place: Place, at: String, certificates: Vec<Certificate>) {
        let known = |sight: &Sight| sight.who == who && sight.place == place && sight.certificates == certificates;
        if !certificates.is_empty() && !self.sights.iter().any(known) {
            self.sights.push(Sight { who: who.to_owned(), place, at, certificates });
        }
    }

    fn cannot_see(&mut self, who: &str, place: Place, at: String, why: String, hint: Option<String>) {
        self.blind.push(Blind { who: who.to_owned(), place, at: Some(at), why, hint });
    }
}

/// The kinds of keys that a server is asked for, whatever it prefers first.
const FAMILIES: [Option<KeyFamily>; 3] = [None, Some(KeyFamily::Rsa), Some(KeyFamily::Ecdsa)];

fn probes(endpoint: &Endpoint) -> impl Iterator<Item = Probe> {
    let name = endpoint.server_name().filter(|_| endpoint.ip().is_none()).map(str::to_owned);
    let (address, start) = (endpoint.address(), endpoint.start);
    FAMILIES.into_iter().map(move |family| Probe::Tls { address: address.clone(), start, name: name.clone(), family })
}

fn holds_leaf(role: Role) -> bool {
    match role {
        Role::Leaf | Role::FullChain | Role::Combined => true,
        Role::Chain | Role::Key | Role::Anchor | Role::Store | Role::Record | Role::Fitting => false,
    }
}

/// The certificates in a generation of a target: for each file with a leaf, those in it, and all that were kept beside them.
pub(super) fn generation(vault: &Vault, number: u32) -> Result<Vec<Vec<Certificate>>, Refusal> {
    let manifest = vault.manifest(number)?;
    let contents = vault.contents(&manifest)?;
    let read = |wanted: fn(Role) -> bool| {
        let slots = manifest.slots.iter().zip(&contents).filter(move |(saved, _)| wanted(saved.role));
        slots.filter_map(|(_, content)| {
            let found = codec::read(content.as_ref()?.expose(), None).map(|found| found.certificates);
            found.ok().filter(|found| !found.is_empty())
        })
    };
    let beside: Vec<Certificate> = read(|role| role == Role::Chain).flatten().collect();
    Ok(read(holds_leaf).map(|leaf| leaf.into_iter().chain(beside.iter().cloned()).collect()).collect())
}

/// The certificates that a target had in any generation that is kept and whole.
pub(super) fn kept(session: &Session<'_>, name: &str) -> Result<Vec<Vec<Certificate>>, Refusal> {
    let Some(state) = State::open(session.host)? else { return Ok(Vec::new()) };
    let Some(vault) = Vault::open(&state, name)? else { return Ok(Vec::new()) };
    Ok(vault.numbers()?.into_iter().filter_map(|number| generation(&vault, number).ok()).flatten().collect())
}
