//! One order, from the wish to the chain (RFC 8555 section 7.4), through instant-acme.

use std::time::Duration;

use instant_acme::{
    AuthorizationStatus, CertificateIdentifier, ChallengeStatus, Identifier, NewOrder, Order, OrderStatus,
};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};

use super::account::Account;
use super::challenge::Asked;
use super::error::AcmeError;
use super::judge;
use super::library::{NONCES, insist, told};
use super::pending::{Pending, Wanted};
use super::problem::{Problem, spoken};
use super::server::Server;
use crate::cert::{Bundle, Certificate, Name};
use crate::host::Host;
use crate::host::challenge::is_token;
use crate::host::http::Web;
use crate::host::state::State;

/// The first wait between two looks at an order, doubled each time up to the second.
const FIRST_WAIT: Duration = Duration::from_millis(25);
const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// A longer wait that the server asks for is told, and cut to this.
const MOST_HEEDED: Duration = Duration::from_mins(1);

/// Everything an order is carried out with.
pub struct Errand<'a> {
    /// The machine.
    pub host: &'a Host,
    /// reseal's own directory, held under the machine lock by the caller: two runs place one order.
    pub state: &'a State,
    /// The client; its time began with the errand.
    pub web: &'a Web,
    /// The account.
    pub account: &'a Account,
    /// Who hears what is worth a line.
    pub tell: &'a mut dyn FnMut(String),
}

/// Obtains one certificate: goes on with an order that was begun for exactly this wish, or places one.
///
/// # Errors
/// Nothing was obtained. What was begun is on disk, and the next run goes on with it where that makes sense.
pub fn obtain(errand: &mut Errand<'_>, wanted: &Wanted) -> Result<Bundle, AcmeError> {
    wanted.challenge.admit(&wanted.names)?;
    errand.account.id()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    let runtime = runtime.map_err(AcmeError::Wait)?;
    runtime.block_on(carry_out(errand, wanted))
}

async fn carry_out(errand: &mut Errand<'_>, wanted: &Wanted) -> Result<Bundle, AcmeError> {
    let account = errand.account;
    let mut pending = Pending::open(errand.state, account.name(), account.directory(), wanted)?;
    let key = PrivatePkcs8KeyDer::from(account.key().der().expose().to_vec());
    let builder = instant_acme::Account::builder_with_http(Box::new(errand.web.clone()));
    let library = builder.from_parts(account.id()?.to_owned(), key, account.directory().to_owned()).await;
    let library = library.map_err(|error| told(error, errand.web))?;
    if let Some(profile) = &wanted.profile {
        let known: Vec<String> = library.profiles().map(|one| one.name.to_owned()).collect();
        if !known.contains(profile) {
            return Err(AcmeError::Profile { wanted: profile.clone(), known });
        }
    }
    let chain = certified(errand, &library, wanted, &mut pending).await;
    if chain.as_ref().is_err_and(is_last_word) {
        pending.set_order(None)?;
    }
    let chain = chain?;
    let judged = judge::bundle(&chain, &pending.key()?, &wanted.names, errand.host.now());
    match judged {
        Ok(_) => pending.set_chain(Some(&chain))?,
        // Never asked for again: the order has come to its end.
        Err(_) => pending.discard()?,
    }
    judged
}

/// Whether going on with the order would hear the same again.
fn is_last_word(error: &AcmeError) -> bool {
    if let AcmeError::Refused(problem) = error {
        return !problem.is_passing();
    }
    matches!(error, AcmeError::Ended(_) | AcmeError::Broken(_) | AcmeError::NotValidated { .. })
}

/// The chain that the server has for the order.
async fn certified(
    errand: &mut Errand<'_>,
    library: &instant_acme::Account,
    wanted: &Wanted,
    pending: &mut Pending,
) -> Result<String, AcmeError> {
    let mut order = match resumed(errand, library, pending).await? {
        Some(order) => order,
        None => placed(errand, library, wanted, pending).await?,
    };
    if order.state().status == OrderStatus::Pending {
        prove(errand, &mut order, wanted).await?;
    }
    let web = errand.web;
    if order.state().status == OrderStatus::Ready {
        let request = super::csr::request(&wanted.names, &pending.key()?)?;
        insist(web, async || order.finalize_csr(&request).await).await?;
    }
    settle(errand, &mut order, &[OrderStatus::Valid]).await?;
    let chain = insist(web, async || order.certificate().await).await?;
    let chain = chain.ok_or_else(|| AcmeError::Broken("a valid order has no certificate".to_owned()))?;
    Ok(preferred(errand, wanted, chain))
}

/// The order of an earlier run, where the server still has it and it can still end well.
async fn resumed(
    errand: &mut Errand<'_>,
    library: &instant_acme::Account,
    pending: &mut Pending,
) -> Result<Option<Order>, AcmeError> {
    let Some(url) = pending.order().map(str::to_owned) else { return Ok(None) };
    let found = insist(errand.web, async || library.order(url.clone()).await).await;
    let gone = match found {
        Ok(mut order) => match order.state().status {
            OrderStatus::Pending | OrderStatus::Ready | OrderStatus::Processing | OrderStatus::Valid => {
                (errand.tell)("an earlier run's order is gone on with".to_owned());
                return Ok(Some(order));
            }
            OrderStatus::Invalid => "it is invalid".to_owned(),
        },
        Err(AcmeError::Refused(problem)) if !problem.is_passing() => problem.to_string(),
        Err(error) => return Err(error),
    };
    (errand.tell)(format!("an earlier run's order is not gone on with: {gone}"));
    pending.set_order(None)?;
    Ok(None)
}

async fn placed(
    errand: &mut Errand<'_>,
    library: &instant_acme::Account,
    wanted: &Wanted,
    pending: &mut Pending,
) -> Result<Order, AcmeError> {
    let identifiers: Vec<Identifier> = wanted.names.iter().map(identifier).collect();
    let replaces = wanted.replaces.as_ref().map(Certificate::der).map(CertificateDer::from);
    let replaced = replaces.as_ref().and_then(|der| CertificateIdentifier::try_from(der).ok());
    let mut new = NewOrder::new(&identifiers);
    if let Some(profile) = &wanted.profile {
        new = new.profile(profile);
    }
    let web = errand.web;
    let plain = new;
    let order = match replaced {
        None => insist(web, async || library.new_order(&plain).await).await?,
        Some(replaced) => {
            let following = renewed(&identifiers, wanted, replaced);
            match insist(web, async || library.new_order(&following).await).await {
                // Whether the old one is named makes no difference to the new one (RFC 9773 section 5).
                Err(AcmeError::Unsupported(_) | AcmeError::Refused(_) | AcmeError::Broken(_)) => {
                    insist(web, async || library.new_order(&plain).await).await?
                }
                other => other?,
            }
        }
    };
    pending.set_order(Some(order.url()))?;
    Ok(order)
}

fn renewed<'a>(identifiers: &'a [Identifier], wanted: &'a Wanted, replaced: CertificateIdentifier<'a>) -> NewOrder<'a> {
    let new = NewOrder::new(identifiers).replaces(replaced);
    match &wanted.profile {
        Some(profile) => new.profile(profile),
        None => new,
    }
}

fn identifier(name: &Name) -> Identifier {
    match name {
        Name::Dns(name) => Identifier::Dns(name.clone()),
        Name::Ip(address) => Identifier::Ip(*address),
    }
}

/// Answers every challenge that is open, and waits until the server has looked.
async fn prove(errand: &mut Errand<'_>, order: &mut Order, wanted: &Wanted) -> Result<(), AcmeError> {
    let web = errand.web;
    let asked = gather(web, order, wanted).await?;
    let answered = wanted.challenge.answer(errand.host, &asked)?;
    let proved = look(errand, order, wanted).await;
    for left in wanted.challenge.end(errand.host, answered) {
        (errand.tell)(format!("what was put there for the challenge could not be taken back: {left}"));
    }
    proved
}

async fn look(errand: &mut Errand<'_>, order: &mut Order, wanted: &Wanted) -> Result<(), AcmeError> {
    pause(errand, wanted.challenge.wait()).await?;
    let web = errand.web;
    let mut all = order.authorizations();
    while let Some(one) = all.next().await {
        let mut one = one.map_err(|error| told(error, web))?;
        if one.status != AuthorizationStatus::Pending {
            continue;
        }
        let name = one.identifier().to_string();
        let Some(mut challenge) = one.challenge(wanted.challenge.kind()) else { continue };
        if challenge.status == ChallengeStatus::Pending {
            let ready = insist(web, async || challenge.set_ready().await).await;
            if let Err(AcmeError::Refused(problem)) = ready {
                return Err(AcmeError::NotValidated { identifier: name, challenge: wanted.challenge.word(), problem });
            }
            ready?;
        }
    }
    let ready = settle(errand, order, &[OrderStatus::Ready, OrderStatus::Valid]).await;
    match ready {
        Err(error @ (AcmeError::Ended(_) | AcmeError::Late(_))) => {
            Err(refused(web, order, wanted).await.unwrap_or(error))
        }
        other => other,
    }
}

/// What the server wants to see for every name that is not proved yet.
async fn gather(web: &Web, order: &mut Order, wanted: &Wanted) -> Result<Vec<Asked>, AcmeError> {
    let mut failed = 0;
    loop {
        match gather_once(web, order, wanted).await {
            Err(AcmeError::Refused(problem)) if problem.is("badNonce") && failed < NONCES => failed += 1,
            other => return other,
        }
    }
}

async fn gather_once(web: &Web, order: &mut Order, wanted: &Wanted) -> Result<Vec<Asked>, AcmeError> {
    let mut asked = Vec::new();
    let mut seen: Vec<Name> = Vec::new();
    let mut all = order.authorizations();
    while let Some(one) = all.next().await {
        let mut one = one.map_err(|error| told(error, web))?;
        let text = one.identifier().to_string();
        let name = text.parse::<Name>().ok().filter(|name| wanted.names.contains(name));
        let name = name.ok_or_else(|| AcmeError::Broken(format!("it wants {text:?} proved, which was not ordered")))?;
        // Without this, a server could name one without end, and have as much put in place.
        if seen.contains(&name) {
            return Err(AcmeError::Broken(format!("it wants {text:?} proved more than once")));
        }
        seen.push(name.clone());
        match one.status {
            AuthorizationStatus::Pending => {}
            AuthorizationStatus::Valid => continue,
            status @ (AuthorizationStatus::Invalid
            | AuthorizationStatus::Revoked
            | AuthorizationStatus::Expired
            | AuthorizationStatus::Deactivated) => {
                return Err(AcmeError::Ended(format!(
                    "the authorization of {text} is {}",
                    format!("{status:?}").to_lowercase()
                )));
            }
        }
        let offered: Vec<String> = one.challenges.iter().map(|one| word(&one.r#type)).collect();
        let Some(challenge) = one.challenge(wanted.challenge.kind()) else {
            return Err(AcmeError::NotOffered { identifier: text, wanted: wanted.challenge.word(), offered });
        };
        if !is_token(&challenge.token) {
            let beginning: String = challenge.token.chars().take(64).collect();
            return Err(AcmeError::Broken(format!("the token of a challenge is not valid: {beginning:?}")));
        }
        let proof = challenge.key_authorization();
        asked.push(Asked {
            name,
            token: challenge.token.clone(),
            digest: proof.digest().as_ref().to_vec(),
            dns_value: proof.dns_value(),
            key_authorization: proof.as_str().to_owned(),
        });
    }
    Ok(asked)
}

fn word(kind: &instant_acme::ChallengeType) -> String {
    use instant_acme::ChallengeType::{DeviceAttest01, Dns01, Http01, TlsAlpn01, Unknown};
    match kind {
        Http01 => "http-01".to_owned(),
        Dns01 => "dns-01".to_owned(),
        TlsAlpn01 => "tls-alpn-01".to_owned(),
        DeviceAttest01 => "device-attest-01".to_owned(),
        Unknown(word) => word.chars().take(40).collect(),
        #[allow(unreachable_patterns, reason = "the library may learn more of them")]
        _ => "another one".to_owned(),
    }
}

/// The reason of the first challenge that failed, which the order itself does not tell.
async fn refused(web: &Web, order: &mut Order, wanted: &Wanted) -> Option<AcmeError> {
    let mut all = order.authorizations();
    while let Some(one) = all.next().await {
        let mut one = one.ok()?;
        one.refresh().await.ok()?;
        let failed = one.challenges.iter().find_map(|challenge| challenge.error.as_ref());
        if let Some(problem) = failed {
            let mut problem = Problem::from_library(problem, &web.noted());
            problem.retry_after = None;
            let identifier = one.identifier().to_string();
            return Some(AcmeError::NotValidated { identifier, challenge: wanted.challenge.word(), problem });
        }
    }
    None
}

/// Looks at the order until it has one of these states.
async fn settle(errand: &mut Errand<'_>, order: &mut Order, until: &[OrderStatus]) -> Result<(), AcmeError> {
    let web = errand.web;
    let mut wait = FIRST_WAIT;
    loop {
        let state = order.state();
        let status = state.status;
        if until.contains(&status) {
            return Ok(());
        }
        if status == OrderStatus::Invalid {
            let why = state.error.as_ref().map(|problem| Problem::from_library(problem, &web.noted()).to_string());
            return Err(AcmeError::Ended(why.unwrap_or_else(|| "the server says no reason".to_owned())));
        }
        let asked = web.noted().retry_after.filter(|asked| !asked.is_zero());
        if let Some(long) = asked.filter(|asked| *asked > LONGEST_WAIT) {
            let heeded = long.min(MOST_HEEDED);
            (errand.tell)(format!(
                "the ACME server asks to wait {}: looking again in {}",
                spoken(long),
                spoken(heeded)
            ));
        }
        let next = asked.map_or(wait, |asked| asked.min(MOST_HEEDED));
        if next >= web.left() {
            return Err(AcmeError::Late(format!("the order is still {}", state_word(status))));
        }
        pause(errand, next).await?;
        wait = (wait * 2).min(LONGEST_WAIT);
        insist(web, async || order.refresh().await.map(|_| ())).await?;
    }
}

fn state_word(status: OrderStatus) -> &'static str {
    match status {
        OrderStatus::Pending => "pending",
        OrderStatus::Ready => "ready",
        OrderStatus::Processing => "processing",
        OrderStatus::Valid => "valid",
        OrderStatus::Invalid => "invalid",
    }
}

/// Waits, in pieces, so that a signal is heard.
async fn pause(errand: &Errand<'_>, wait: Duration) -> Result<(), AcmeError> {
    const PIECE: Duration = Duration::from_millis(100);
    let mut left = wait;
    loop {
        if errand.host.interrupted().is_some() {
            return Err(AcmeError::Interrupted);
        }
        if left.is_zero() {
            return Ok(());
        }
        let piece = left.min(PIECE);
        tokio::time::sleep(piece).await;
        left -= piece;
    }
}

/// The chain that is preferred, of all the server offers for the certificate (RFC 8555 section 7.4.2).
fn preferred(errand: &mut Errand<'_>, wanted: &Wanted, usual: String) -> String {
    let Some(common_name) = &wanted.preferred_chain else { return usual };
    if judge::leads_to(&usual, common_name) {
        return usual;
    }
    let links = errand.web.noted().links;
    let others: Vec<String> = links.into_iter().filter(|(rel, _)| rel == "alternate").map(|(_, to)| to).collect();
    let server = Server::open(errand.web, errand.account.directory());
    let id = errand.account.id().unwrap_or_default();
    for url in others {
        let fetched = server.as_ref().ok().map(|server| server.fetch(id, errand.account.key(), &url));
        match fetched {
            Some(Ok(reply)) if judge::leads_to(&reply.body, common_name) => return reply.body,
            Some(_) | None => {}
        }
    }
    (errand.tell)(format!("the CA offers no chain that leads to {common_name:?}: its usual one is taken"));
    usual
}
