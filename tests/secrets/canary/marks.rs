//! The forms in which a secret could get out.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::ground::Ground;

/// How many bytes of a key in a row are no accident.
const PIECE: usize = 12;

/// What is searched for.
#[derive(Default)]
pub struct Marks {
    /// Every form by its first bytes, so that a search looks at each place once.
    forms: BTreeMap<[u8; 4], Vec<(Vec<u8>, String)>>,
    seen: Vec<Vec<u8>>,
    /// How many private keys there are.
    pub keys: usize,
}

impl Marks {
    /// As it is, in hexadecimal, and as any part of something in base64.
    pub fn passphrase(&mut self, text: &str) {
        self.add(text.as_bytes(), &format!("passphrase {}...", &text[..6]));
    }

    /// Every private key in a file that OpenSSL can read without a passphrase.
    pub fn keys_of(&mut self, path: &Path, bytes: &[u8], ground: &Ground) {
        let text = String::from_utf8_lossy(bytes);
        for part in text.split("-----BEGIN ").skip(1) {
            let Some((kind, _)) = part.split_once("-----") else { continue };
            if !kind.ends_with("PRIVATE KEY") || kind.contains("ENCRYPTED") {
                continue;
            }
            let end = format!("-----END {kind}-----");
            let Some(at) = part.find(&end) else { continue };
            self.key(&format!("-----BEGIN {}{end}\n", &part[..at]), &path.display().to_string(), ground);
        }
    }

    /// The secret numbers of a key, as OpenSSL shows them: they are the same in every format.
    fn key(&mut self, pem: &str, path: &str, ground: &Ground) {
        let file = ground.write("looked-at", pem, 0o600);
        let out = Command::new("openssl")
            .args(["pkey", "-noout", "-text", "-in"])
            .arg(&file)
            .args(["-passin", "pass:"])
            .stderr(Stdio::null())
            .output()
            .unwrap();
        std::fs::remove_file(file).unwrap();
        let text = String::from_utf8_lossy(&out.stdout).into_owned();
        let (mut number, mut name) = (String::new(), "");
        let mut numbers = Vec::new();
        for line in text.lines().chain(["end:"]) {
            if line.starts_with(' ') {
                number.push_str(line.trim());
                continue;
            }
            if matches!(name, "priv:" | "privateExponent:" | "prime1:" | "prime2:") {
                numbers.push(std::mem::take(&mut number));
            }
            number.clear();
            name = line.split(' ').next().unwrap_or_default();
        }
        for number in numbers {
            let bytes: Vec<u8> = number
                .split(':')
                .filter(|pair| !pair.is_empty())
                .map(|pair| u8::from_str_radix(pair, 16).unwrap())
                .collect();
            let bytes = bytes.strip_prefix(&[0]).unwrap_or(&bytes).to_vec();
            if bytes.len() < 2 * PIECE || self.seen.contains(&bytes) {
                continue;
            }
            // Each piece, so that a cut copy is found as well.
            for (index, piece) in bytes.chunks_exact(PIECE).enumerate() {
                self.add(piece, &format!("key first seen in {path}, piece {index}"));
            }
            self.seen.push(bytes);
            self.keys += 1;
        }
    }

    fn add(&mut self, secret: &[u8], what: &str) {
        let joined =
            |form: fn(&u8) -> String, with: &str| secret.iter().map(form).collect::<Vec<_>>().join(with).into_bytes();
        let mut forms = vec![
            secret.to_vec(),
            joined(|byte| format!("{byte:02x}"), ""),
            joined(|byte| format!("{byte:02X}"), ""),
            joined(|byte| format!("{byte:02x}"), ":"),
            joined(|byte| format!("{byte:02X}"), ":"),
            joined(|byte| byte.to_string(), ", "),
            // As strace and the debug form of strings write what cannot be printed.
            joined(|byte| format!("\\{byte:o}"), ""),
            joined(|byte| format!("\\x{byte:02x}"), ""),
        ];
        // Three places at which it may begin in what is encoded; the characters at its ends depend on what is beside it.
        for before in 0..3 {
            let encoded = base64(&[&vec![0; before][..], secret].concat());
            let inner = &encoded[(before * 4).div_ceil(3)..(before + secret.len()) * 4 / 3];
            forms.push(inner.as_bytes().to_vec());
            forms.push(inner.replace('+', "-").replace('/', "_").into_bytes());
        }
        for form in forms {
            let begin = form[..4].try_into().unwrap();
            let known: &mut Vec<(Vec<u8>, String)> = self.forms.entry(begin).or_default();
            if known.iter().all(|(other, _)| *other != form) {
                known.push((form, what.to_owned()));
            }
        }
    }

    pub fn count(&self) -> usize {
        self.forms.values().map(Vec::len).sum()
    }

    /// What of it is in these bytes, also across the line breaks of PEM.
    pub fn found_in<'a>(&'a self, bytes: &'a [u8]) -> impl Iterator<Item = String> + 'a {
        let joined: Vec<u8> = bytes.iter().copied().filter(|byte| !matches!(byte, b'\n' | b'\r')).collect();
        let mut found: Vec<String> = Vec::new();
        for text in [bytes, &joined] {
            for at in 0..text.len().saturating_sub(3) {
                let begin: [u8; 4] = text[at..at + 4].try_into().unwrap();
                for (form, what) in self.forms.get(&begin).into_iter().flatten() {
                    if text[at..].starts_with(form) && !found.contains(what) {
                        found.push(what.clone());
                    }
                }
            }
        }
        found.into_iter()
    }
}

/// Base64 with the usual alphabet.
pub fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for group in bytes.chunks(3) {
        let value = group.iter().fold(0u32, |value, byte| value << 8 | u32::from(*byte)) << (8 * (3 - group.len()));
        for place in 0..=group.len() {
            out.push(char::from(ALPHABET[(value >> (18 - 6 * place) & 63) as usize]));
        }
    }
    out
}
