//! The one HTTP client: HTTPS, or plain HTTP where its user permits it; one request a connection, and a limit on everything.
//!
//! A server that is asked may be in wrong hands or broken. So each request has one time limit from the look-up of the name to the last
//! byte, all requests together have another, an answer has a most length, a redirect is not followed, and a wait that the server
//! asks for is cut to [`MOST_WAIT`] before anybody adds it to a clock.

mod exchange;

use std::future::Future;
use std::io::{self, Read, Write};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use http_body_util::BodyExt;
use instant_acme::{BodyWrapper, BytesResponse, HttpClient};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};

use super::dial::{DialError, Reach, dial};
use super::reach::Unreached;
use crate::endpoint::{Endpoint, Sni, Start};
use crate::host::timed::Timed;

pub use super::roots::Roots;

/// The longest wait of a server that is passed on: a longer one counts as this.
pub const MOST_WAIT: Duration = Duration::from_hours(24);

const USER_AGENT: &str = concat!("reseal/", env!("CARGO_PKG_VERSION"));

/// How much a client puts up with.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// For one request, from the look-up of the name to the last byte of the answer.
    pub request: Duration,
    /// For all requests of this client together, from its making on.
    pub total: Duration,
    /// Bytes of one answer's body.
    pub body: usize,
    /// Whether a longer body is dropped, and the rest of the answer holds; else there was no answer.
    pub only_status: bool,
}

impl Patience {
    /// 30 seconds a request, a megabyte an answer.
    #[must_use]
    pub fn within(total: Duration) -> Self {
        Self { request: Duration::from_secs(30), total, body: 1024 * 1024, only_status: false }
    }
}

/// Whether a request may go unencrypted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Plain {
    /// It may not.
    Never,
    /// Within this machine.
    Here,
    /// Anywhere, for somebody has said so.
    Anywhere,
}

/// A client.
#[derive(Clone)]
pub struct Web {
    config: Arc<ClientConfig>,
    plain: Plain,
    patience: Patience,
    until: Instant,
    noted: Arc<Mutex<Noted>>,
}

/// What the last answer said beside its body, which the layers above drop.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Noted {
    /// Its status; none before the first.
    pub status: Option<u16>,
    /// How long to wait before asking again, at most [`MOST_WAIT`].
    pub retry_after: Option<Duration>,
    /// Links: relation and target as they were written (RFC 8288).
    pub links: Vec<(String, String)>,
}

/// An answer.
#[derive(Debug)]
pub struct Reply {
    /// Its status.
    pub status: StatusCode,
    /// Its header; a wait that it asks for is in seconds, and at most [`MOST_WAIT`].
    pub headers: HeaderMap,
    /// Its body: text, as everything in ACME is.
    pub body: String,
}

/// A request got no answer that could be used.
#[derive(Debug, thiserror::Error)]
pub enum WebError {
    /// The address is none for HTTPS.
    #[error("{url:?} is no address to ask: {why}")]
    Url {
        /// As it was written.
        url: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// It is not this machine, and would be asked unencrypted.
    #[error("cannot ask {server}: http is not encrypted, and it is another machine")]
    Far {
        /// Host and port.
        server: String,
    },
    /// It was not reached, or the conversation broke off.
    #[error(transparent)]
    Reach(#[from] Unreached),
    /// It sends elsewhere.
    #[error("the answer of {server} cannot be used: it redirects{}, which is not followed", elsewhere(to.as_ref()))]
    Redirected {
        /// Host and port.
        server: String,
        /// Where to, in the server's words.
        to: Option<String>,
    },
    /// The answer is not HTTP, or one that is not taken.
    #[error("the answer of {server} cannot be used: {why}")]
    Answer {
        /// Host and port.
        server: String,
        /// Why. May quote the server.
        why: String,
    },
}

fn elsewhere(to: Option<&String>) -> String {
    to.map(|to| format!(" to {to}")).unwrap_or_default()
}

impl WebError {
    /// What to do.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Url { .. } => "give an https address",
            Self::Far { .. } => "use https, or say `plain = true` where everybody on the way may read it",
            Self::Reach(error) => error.hint(),
            Self::Redirected { .. } | Self::Answer { .. } => "see that the address is the right one",
        }
    }
}

impl Web {
    /// A client whose time begins now.
    ///
    /// # Errors
    /// There is no root that could be trusted.
    pub fn new(roots: &Roots, patience: Patience) -> Result<Self, WebError> {
        let mut config = roots.client().map_err(|why| Unreached::Roots { server: "any server".to_owned(), why })?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let until = Instant::now() + patience.total;
        Ok(Self { config: Arc::new(config), plain: Plain::Never, patience, until, noted: Arc::default() })
    }

    /// The same client, which may ask unencrypted.
    #[must_use]
    pub fn permitting(mut self, plain: Plain) -> Self {
        self.plain = plain;
        self
    }

    /// How much of the total time is left.
    #[must_use]
    pub fn left(&self) -> Duration {
        self.until.saturating_duration_since(Instant::now())
    }

    /// What the last answer said beside its body.
    #[must_use]
    pub fn noted(&self) -> Noted {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Asks, and waits for the whole answer. An answer of any status but a redirect is an answer.
    ///
    /// # Errors
    /// There was none that could be used; see [`WebError`].
    pub fn ask(&self, method: &Method, url: &str, headers: &HeaderMap, body: &[u8]) -> Result<Reply, WebError> {
        let place = Place::of(url, self.plain)?;
        let server = place.endpoint.address();
        let limit = self.patience.request.min(self.left());
        let end = Instant::now() + limit;
        let failed = |what: &'static str| {
            let server = server.clone();
            move |source: io::Error| Unreached::from_io(what, server, "its answer", limit, source)
        };
        let reach = if place.encrypted || self.plain == Plain::Anywhere { Reach::Anywhere } else { Reach::Here };
        let socket = dial(&place.endpoint, end, reach).map_err(|error| match error {
            DialError::Far => WebError::Far { server: server.clone() },
            // Also where nothing of the time for all requests was left to begin with.
            other @ (DialError::Late | DialError::Lookup(_) | DialError::Io(_)) => {
                Unreached::from_dial(other, server.clone(), self.patience.request.min(self.patience.total)).into()
            }
        })?;
        let socket = Timed { socket, end };
        let mut stream: Box<dyn Stream> = if place.encrypted {
            let connection = ClientConnection::new(Arc::clone(&self.config), place.name.clone())
                .map_err(|error| failed("begin TLS with")(io::Error::other(error)))?;
            Box::new(StreamOwned::new(connection, socket))
        } else {
            Box::new(socket)
        };
        exchange::send(&mut stream, method, &place.authority, &place.path, headers, body).map_err(failed("ask"))?;
        let told = exchange::receive(&mut stream, *method == Method::HEAD, &self.patience);
        let mut reply = told.map_err(|error| match error {
            exchange::Bad::Io(error) => WebError::from(failed("hear")(error)),
            exchange::Bad::Answer(why) => WebError::Answer { server: server.clone(), why },
        })?;
        if reply.status.is_redirection() {
            let to = reply.headers.get(header::LOCATION).map(|to| String::from_utf8_lossy(to.as_bytes()).into_owned());
            return Err(WebError::Redirected { server, to });
        }
        self.note(reply.status, &mut reply.headers);
        Ok(reply)
    }

    /// Keeps what the layers above drop, and makes the wait one that can be added to any clock.
    fn note(&self, status: StatusCode, headers: &mut HeaderMap) {
        let retry_after = headers.get(header::RETRY_AFTER).and_then(|value| wait_of(value.to_str().ok()?));
        headers.remove(header::RETRY_AFTER);
        if let Some(wait) = retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(wait.as_secs()));
        }
        let links = headers.get_all(header::LINK).iter().filter_map(|value| value.to_str().ok());
        let links = links.flat_map(links_of).take(MOST_LINKS).collect();
        *self.noted.lock().unwrap_or_else(PoisonError::into_inner) =
            Noted { status: Some(status.as_u16()), retry_after, links };
    }
}

const MOST_LINKS: usize = 32;

impl HttpClient for Web {
    fn request(
        &self,
        request: http::Request<BodyWrapper<bytes::Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, instant_acme::Error>> + Send>> {
        let web = self.clone();
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            let body = match body.collect().await {
                Ok(body) => body.to_bytes(),
                Err(never) => match never {},
            };
            // One thread, one request at a time: nothing else waits for this one's end.
            let asked = web.ask(&parts.method, &parts.uri.to_string(), &parts.headers, &body);
            let reply = asked.and_then(|reply| web.problem_or_good(&parts.uri, reply));
            let reply = reply.map_err(|error| instant_acme::Error::Other(Box::new(error)))?;
            let mut response = http::Response::new(reply.body);
            *response.status_mut() = reply.status;
            *response.headers_mut() = reply.headers;
            Ok(BytesResponse::from(response))
        })
    }
}

impl Web {
    /// An error without a problem document (RFC 7807) comes from something in front of the server, and is told as it is.
    ///
    /// # Errors
    /// It is one.
    pub fn problem_or_good(&self, uri: &Uri, reply: Reply) -> Result<Reply, WebError> {
        let good = reply.status.is_success() || reply.status.is_informational();
        if good || serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(&reply.body).is_ok() {
            return Ok(reply);
        }
        let server = uri.authority().map(ToString::to_string).unwrap_or_default();
        Err(WebError::Answer { server, why: format!("it answers {} without a reason", reply.status) })
    }
}

/// A conversation, encrypted or not.
trait Stream: Read + Write {}

impl<S: Read + Write> Stream for S {}

/// A URL, taken apart.
struct Place {
    encrypted: bool,
    endpoint: Endpoint,
    name: ServerName<'static>,
    authority: String,
    path: String,
}

impl Place {
    fn of(url: &str, plain: Plain) -> Result<Self, WebError> {
        let bad = |why| WebError::Url { url: url.to_owned(), why };
        let uri: Uri = url.parse().map_err(|_| bad("it cannot be read"))?;
        let encrypted = match uri.scheme_str() {
            Some("https") => true,
            Some("http") if plain == Plain::Never => return Err(bad("http is not encrypted")),
            Some("http") => false,
            Some(_) | None => return Err(bad("it does not begin with https://")),
        };
        let authority = uri.authority().ok_or_else(|| bad("it has no host"))?;
        if authority.as_str().contains('@') {
            return Err(bad("it has a user's name in it"));
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let name = ServerName::try_from(host.clone()).map_err(|_| bad("its host is neither a name nor an address"))?;
        let port = match authority.as_str().rsplit_once(':').filter(|(_, port)| !port.contains(']')) {
            Some(_) => authority.port_u16().ok_or_else(|| bad("what follows its host is not a port number"))?,
            None if encrypted => 443,
            None => 80,
        };
        let path = uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
        let endpoint = Endpoint { host, port, start: Start::Tls, sni: Sni::Host };
        Ok(Self { encrypted, endpoint, name, authority: authority.to_string(), path })
    }
}

/// Whether this can be asked at all.
///
/// # Errors
/// It is no address for HTTPS.
pub fn check_url(url: &str) -> Result<(), WebError> {
    Place::of(url, Plain::Never).map(drop)
}

/// The user agent that every request names (RFC 8555 section 6.1).
pub(super) fn user_agent() -> &'static str {
    USER_AGENT
}

/// `Retry-After` (RFC 9110 section 10.2.3): seconds, or a date.
fn wait_of(value: &str) -> Option<Duration> {
    let value = value.trim();
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(value.parse().map_or(MOST_WAIT, Duration::from_secs).min(MOST_WAIT));
    }
    let date = httpdate::parse_http_date(value).ok()?;
    Some(date.duration_since(SystemTime::now()).unwrap_or_default().min(MOST_WAIT))
}

/// The links of one header field: `<target>; rel="relation"`, several with commas between.
fn links_of(value: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut rest = value;
    while let Some((_, after)) = rest.split_once('<') {
        let Some((target, parameters)) = after.split_once('>') else { break };
        let own = parameters.split_once('<').map_or(parameters, |(own, _)| own);
        let relation = own.split(';').map(str::trim).find_map(|one| {
            let (key, value) = one.split_once('=')?;
            let value = value.trim().trim_end_matches(',').trim().trim_matches('"');
            key.trim().eq_ignore_ascii_case("rel").then(|| value.to_owned())
        });
        found.extend(relation.map(|relation| (relation, target.trim().to_owned())));
        rest = parameters;
    }
    found
}

#[cfg(test)]
mod tests;
