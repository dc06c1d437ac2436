//! The secrets that a channel needs, and how they are kept out of everything that is told.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::config::{Channel, ChannelKind, Ping, SecretName, Url};
use crate::host::Host;
use crate::host::passphrase::{self, Explicit, PassphraseError, PassphraseQuery};
use crate::sensitive::Sensitive;

/// Gets one, asking nobody.
///
/// # Errors
/// No source has it.
pub fn get(host: &Host, name: &SecretName) -> Result<Sensitive, PassphraseError> {
    let explicit = name.file.clone().map(Explicit::File);
    let query = PassphraseQuery { explicit, ..PassphraseQuery::new(&name.label) };
    passphrase::obtain(host, &query).map(|(secret, _)| secret)
}

/// Those that a channel needs.
#[must_use]
pub fn of_channel(channel: &Channel) -> Vec<&SecretName> {
    match &channel.kind {
        ChannelKind::Webhook(hook) => {
            let url = if let Url::Secret(name) = &hook.url { Some(name) } else { None };
            url.into_iter().chain(&hook.key).chain(&hook.token).collect()
        }
        ChannelKind::Smtp(smtp) => smtp.login.iter().map(|(_, name)| name).collect(),
        ChannelKind::Command(_) | ChannelKind::Journald { .. } | ChannelKind::Syslog { .. } => Vec::new(),
    }
}

/// The one that the ping may need.
#[must_use]
pub fn of_ping(ping: &Ping) -> Option<&SecretName> {
    if let Url::Secret(name) = &ping.url { Some(name) } else { None }
}

/// An address without what may be a secret: where it leads, and no more.
#[must_use]
pub fn masked(url: &str) -> String {
    match url.parse::<http::Uri>() {
        Ok(uri) => match (uri.scheme_str(), uri.authority()) {
            (Some(scheme @ ("http" | "https")), Some(authority)) if !authority.as_str().contains('@') => {
                format!("{scheme}://{authority}/…")
            }
            _ => "an address that cannot be used".to_owned(),
        },
        Err(_) => "an address that cannot be used".to_owned(),
    }
}

/// Where an address leads, for people.
#[must_use]
pub fn shown(url: &Url) -> String {
    match url {
        Url::Open(url) => masked(url),
        Url::Secret(SecretName { file: Some(file), .. }) => format!("the address in {}", file.display()),
        Url::Secret(SecretName { label, .. }) => format!("the address that is kept as {label}"),
    }
}

/// Whether the words of an answer may be told. Whoever was sent a secret may repeat a part of it, or all of it spelled otherwise, where
/// nobody would find it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Words {
    /// They may.
    Told,
    /// They may not.
    Kept,
}

impl Words {
    /// Of whoever is asked at this address.
    pub(super) fn of(url: &Url) -> Self {
        if let Url::Secret(_) = url { Self::Kept } else { Self::Told }
    }
}

/// What must not be told.
#[derive(Default)]
pub struct Secrets {
    known: Vec<Sensitive>,
}

impl Secrets {
    /// One more, also as it goes over the wire in a login.
    pub fn add(&mut self, secret: &Sensitive) {
        self.known.push(Sensitive::from(STANDARD.encode(secret.expose())));
        self.known.push(Sensitive::from(secret.expose().to_vec()));
    }

    /// A text without any of them. Whoever speaks to a server cannot know what it repeats.
    #[must_use]
    pub fn out_of(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for secret in &self.known {
            let Ok(secret) = std::str::from_utf8(secret.expose()) else { continue };
            if secret.len() > 1 {
                text = text.replace(secret, "…");
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_shown_without_its_secret() {
        assert_eq!(masked("https://hooks.example/services/T0/B1/xyz?a=b"), "https://hooks.example/…");
        assert_eq!(masked("http://127.0.0.1:9093/api"), "http://127.0.0.1:9093/…");
        for bad in ["https://user:secret@h.example/", "secret", "ftp://secret/x", "https://a b/secret"] {
            assert!(!masked(bad).contains("secret"), "{bad}");
        }
    }

    #[test]
    fn what_a_server_repeats_is_taken_out() {
        let mut secrets = Secrets::default();
        secrets.add(&Sensitive::from("https://h.example/services/TOKENTOKEN/x".to_owned()));
        secrets.add(&Sensitive::from("p4ssw0rd".to_owned()));
        for text in ["cannot ask https://h.example/services/TOKENTOKEN/x", "535 no p4ssw0rd", "334 cDRzc3cwcmQ="] {
            let told = secrets.out_of(text);
            assert!(!told.contains("TOKEN") && !told.contains("p4ssw0rd") && !told.contains("cDRz"), "{told}");
        }
        assert_eq!(secrets.out_of("h.example answers 500"), "h.example answers 500");
    }
}
