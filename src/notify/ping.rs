//! The dead man's switch: somebody elsewhere is told that the timer's verb runs, and raises the alarm when nobody tells it any more.

use http::{HeaderMap, HeaderValue, Method, header};

use super::channel::{self, Trouble};
use super::secret::{self, Secrets, Words};
use crate::config::Ping;
use crate::host::Host;
use crate::outcome::Exit;
use crate::sensitive::Sensitive;

/// What is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sign {
    /// A run has begun.
    Start,
    /// A run has ended so.
    End(Exit),
}

impl Sign {
    /// Whether a run that ended so did what it should: what it found, and what waits for somebody else, is no failure of it.
    #[must_use]
    pub fn good(exit: Exit) -> bool {
        exit.is_good_run()
    }

    /// What is put behind the path of the address, and the body that goes there.
    #[must_use]
    pub fn request(self) -> (&'static str, String) {
        match self {
            Self::Start => ("/start", String::new()),
            Self::End(exit) if Self::good(exit) => ("", format!("exit {}\n", exit.code())),
            Self::End(exit) => ("/fail", format!("exit {}\n", exit.code())),
        }
    }
}

/// Tells it.
///
/// # Errors
/// It was not taken, with why; the address is not in it.
pub fn send(host: &Host, ping: &Ping, sign: Sign) -> Result<String, Trouble> {
    let mut secrets = Secrets::default();
    let sent = give(host, ping, sign, &mut secrets);
    sent.map(|words| secrets.out_of(&words)).map_err(|trouble| trouble.without(&secrets))
}

fn give(host: &Host, ping: &Ping, sign: Sign, secrets: &mut Secrets) -> Result<String, Trouble> {
    let url = channel::address(host, &ping.url, secrets)?;
    let text = std::str::from_utf8(url.expose()).unwrap_or_default();
    let (behind, body) = sign.request();
    let url = Sensitive::from(extended(text, behind));
    let web = channel::client(host, &ping.link, &url, ping.limit)?;
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    let reply = channel::ask(&web, &Method::POST, (&url, Words::of(&ping.url)), &headers, body.as_bytes())?;
    if reply.status.is_success() {
        return Ok(format!("HTTP {}", reply.status));
    }
    let hint = "see that the address is still good where it was made".to_owned();
    Err(Trouble::new(format!("it answers HTTP {}", reply.status), hint))
}

/// The address with something behind its path, and before what is asked.
fn extended(url: &str, behind: &str) -> String {
    // A fragment is never sent (RFC 9110 section 4.2.5), and what is behind the path has to stand before it.
    let url = url.split_once('#').map_or(url, |(sent, _)| sent);
    let (path, asked) = match url.split_once('?') {
        Some((path, asked)) => (path, format!("?{asked}")),
        None => (url, String::new()),
    };
    format!("{}{behind}{asked}", if behind.is_empty() { path } else { path.trim_end_matches('/') })
}

/// Where it leads, for people.
#[must_use]
pub fn place(ping: &Ping) -> String {
    secret::shown(&ping.url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_stands_behind_the_path() {
        assert_eq!(extended("https://hc.example/abc", "/fail"), "https://hc.example/abc/fail");
        assert_eq!(extended("https://hc.example/abc/", "/start"), "https://hc.example/abc/start");
        assert_eq!(extended("https://hc.example/abc?rid=1", "/fail"), "https://hc.example/abc/fail?rid=1");
        assert_eq!(extended("https://hc.example/abc/", ""), "https://hc.example/abc/");
        assert_eq!(extended("https://hc.example/abc#main", "/fail"), "https://hc.example/abc/fail");
        assert_eq!(extended("https://hc.example/abc?rid=1#main", ""), "https://hc.example/abc?rid=1");
    }
}
