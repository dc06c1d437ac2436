//! One ACME server: its directory (RFC 8555 section 7.1.1), and the few requests that are signed here.

use http::{HeaderMap, HeaderValue, Method, header};
use serde::Deserialize;
use serde_json::{Value, json};

use super::error::AcmeError;
use super::jws::{AccountKey, Binding, By};
use super::problem::{Problem, cut};
use crate::host::http::{Reply, Web};

/// How often a request is signed anew because the server did not take its nonce (RFC 8555 section 6.5).
const NONCES: usize = 8;

/// What a directory says.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Directory {
    new_nonce: String,
    new_account: String,
    #[serde(default)]
    key_change: Option<String>,
    #[serde(default)]
    pub(super) renewal_info: Option<String>,
    #[serde(default)]
    pub(super) meta: Meta,
}

/// What a directory says about the server.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Meta {
    #[serde(default)]
    pub(super) terms_of_service: Option<String>,
    #[serde(default)]
    pub(super) external_account_required: bool,
}

/// Whom a server knows by a key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Known {
    /// The account at this URL.
    At(String),
    /// Nobody.
    Nobody,
    /// An account that was deactivated.
    Ended,
}

/// A server whose directory was read.
pub(super) struct Server<'w> {
    web: &'w Web,
    pub(super) directory: Directory,
}

impl<'w> Server<'w> {
    pub(super) fn open(web: &'w Web, url: &str) -> Result<Self, AcmeError> {
        let reply = web.ask(&Method::GET, url, &HeaderMap::new(), b"")?;
        if !reply.status.is_success() {
            return Err(AcmeError::Directory { url: url.to_owned(), why: format!("it answers {}", reply.status) });
        }
        let read = serde_json::from_str::<Directory>(&reply.body);
        let directory = read.map_err(|error| AcmeError::Directory { url: url.to_owned(), why: format!("{error}") })?;
        Ok(Self { web, directory })
    }

    pub(super) fn admit(&self, url: &str, agreed: bool, bound: bool) -> Result<(), AcmeError> {
        let meta = &self.directory.meta;
        if let Some(terms) = meta.terms_of_service.as_ref().filter(|_| !agreed) {
            return Err(AcmeError::Terms { url: cut(terms) });
        }
        if meta.external_account_required && !bound {
            return Err(AcmeError::NeedsBinding { directory: url.to_owned() });
        }
        Ok(())
    }

    /// Registers the key, or finds the account that has it already (RFC 8555 section 7.3): the account's URL.
    pub(super) fn register(
        &self,
        key: &AccountKey,
        contacts: &[String],
        agreed: bool,
        binding: Option<&Binding>,
    ) -> Result<String, AcmeError> {
        let url = self.directory.new_account.clone();
        let mut wanted = json!({ "contact": contacts });
        if agreed {
            wanted["termsOfServiceAgreed"] = json!(true);
        }
        if let Some(binding) = binding {
            wanted["externalAccountBinding"] = binding.bind(&key.jwk(), &url);
        }
        let reply = self.post(key, By::Key, &url, Some(&wanted))?;
        account_url(&reply)
    }

    /// The account that has this key (RFC 8555 section 7.3.1). The key signs the question itself, so nothing but the account's end is a
    /// reason to call it unauthorized (section 7.3.6).
    pub(super) fn account_of(&self, key: &AccountKey) -> Result<Known, AcmeError> {
        let url = self.directory.new_account.clone();
        match self.post(key, By::Key, &url, Some(&json!({ "onlyReturnExisting": true }))) {
            Ok(reply) => account_url(&reply).map(Known::At),
            Err(AcmeError::Refused(problem)) if problem.is("accountDoesNotExist") => Ok(Known::Nobody),
            Err(AcmeError::Refused(problem)) if problem.is("unauthorized") => Ok(Known::Ended),
            Err(error) => Err(error),
        }
    }

    /// Makes `new` the key of the account (RFC 8555 section 7.3.5).
    pub(super) fn change_key(&self, account: &str, old: &AccountKey, new: &AccountKey) -> Result<(), AcmeError> {
        let url = self.directory.key_change.clone().ok_or(AcmeError::Unsupported("changing the key of an account"))?;
        let inner = new.sign(By::Key, None, &url, Some(&json!({ "account": account, "oldKey": old.jwk() })))?;
        self.post(old, By::Account(account), &url, Some(&inner)).map(drop)
    }

    /// Ends the account (RFC 8555 section 7.3.6).
    pub(super) fn deactivate(&self, account: &str, key: &AccountKey) -> Result<(), AcmeError> {
        let reply = self.post(key, By::Account(account), account, Some(&json!({ "status": "deactivated" })))?;
        let status = serde_json::from_str::<Value>(&reply.body).unwrap_or_default();
        match status["status"].as_str() {
            Some("deactivated") => Ok(()),
            Some(_) | None => Err(AcmeError::Broken("it does not say that the account is deactivated".to_owned())),
        }
    }

    /// What is at a URL, asked for as the account (RFC 8555 section 6.3).
    pub(super) fn fetch(&self, account: &str, key: &AccountKey, url: &str) -> Result<Reply, AcmeError> {
        self.post(key, By::Account(account), url, None)
    }

    fn post(&self, key: &AccountKey, by: By<'_>, url: &str, payload: Option<&Value>) -> Result<Reply, AcmeError> {
        let mut nonce = self.nonce()?;
        for _ in 0..NONCES {
            let body = key.sign(by, Some(&nonce), url, payload)?.to_string();
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/jose+json"));
            let reply = self.web.ask(&Method::POST, url, &headers, body.as_bytes())?;
            if reply.status.is_success() {
                return Ok(reply);
            }
            let uri = url.parse().map_err(|_| AcmeError::Broken("it names an address that is none".to_owned()))?;
            let reply = self.web.problem_or_good(&uri, reply)?;
            let problem = Problem::read(&reply.body, &self.web.noted());
            if !problem.is("badNonce") {
                return Err(AcmeError::Refused(problem));
            }
            nonce = match nonce_in(&reply) {
                Some(fresh) => fresh,
                None => self.nonce()?,
            };
        }
        Err(AcmeError::Broken("it takes none of its own nonces".to_owned()))
    }

    fn nonce(&self) -> Result<String, AcmeError> {
        let reply = self.web.ask(&Method::HEAD, &self.directory.new_nonce, &HeaderMap::new(), b"")?;
        nonce_in(&reply).ok_or_else(|| AcmeError::Broken("it hands out no nonce".to_owned()))
    }
}

/// Whether an account may be begun at this directory: asked before anything is kept.
///
/// # Errors
/// There is none, its terms were not agreed to, or it wants an external account.
pub fn admit(web: &Web, directory: &str, agreed: bool, bound: bool) -> Result<(), AcmeError> {
    Server::open(web, directory)?.admit(directory, agreed, bound)
}

fn nonce_in(reply: &Reply) -> Option<String> {
    reply.headers.get("replay-nonce")?.to_str().ok().map(str::to_owned)
}

fn account_url(reply: &Reply) -> Result<String, AcmeError> {
    let location = reply.headers.get(header::LOCATION).and_then(|value| value.to_str().ok());
    location.map(str::to_owned).ok_or_else(|| AcmeError::Broken("it does not say where the account is".to_owned()))
}
