//! In which forms a private key is loaded by OpenSSL, and so by most servers: measured with OpenSSL 3 and nginx, which go by the label first.

use super::error::Stop;
use super::tlv::{Element, INTEGER, OBJECT, OCTETS, SEQUENCE, ZERO};

/// rsaEncryption (RFC 8017 appendix A.1).
const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
/// id-ecPublicKey (RFC 5480 section 2.1.1).
const EC: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];

/// Why OpenSSL does not load a key that can be read and stands under this label, once it is decrypted.
pub(super) fn stop(label: &str, der: &[u8]) -> Option<Stop> {
    let mut parts = Element::filling(der)?.tagged(SEQUENCE)?.inside();
    parts.expect(INTEGER)?;
    let next = parts.next()?;
    let fits = match next.tag {
        // PKCS#8 (RFC 5958). Attributes are taken; the public half, which version 2 has, is not.
        SEQUENCE => {
            parts.expect(OCTETS)?;
            parts.optional(ZERO);
            if !parts.is_done() {
                return Some(Stop::PublicHalf);
            }
            match label {
                "PRIVATE KEY" | "ENCRYPTED PRIVATE KEY" => true,
                "RSA PRIVATE KEY" => next.inside().expect(OBJECT)?.content == RSA,
                "EC PRIVATE KEY" => next.inside().expect(OBJECT)?.content == EC,
                _ => false,
            }
        }
        // SEC 1 (RFC 5915): the key, and its curve, which is optional, and which a block with parameters before it does not make up for.
        OCTETS if parts.optional(ZERO).is_none() => return Some(Stop::NoCurve),
        OCTETS => label == "EC PRIVATE KEY",
        // PKCS#1 (RFC 8017 appendix A.1.2).
        INTEGER => label == "RSA PRIVATE KEY",
        _ => return None,
    };
    (!fits).then_some(Stop::Label)
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use pkcs8::PrivateKeyInfoRef;
    use pkcs8::pkcs5::pbes2;

    use super::*;
    use crate::cert::codec::{self, pem::encode};
    use crate::cert::key::tests::openssl;
    use crate::cert::{KeyKind, PrivateKey};

    /// The forms that a key can have, by what they are called.
    fn forms(pkcs8: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
        let parts: Vec<Element<'_>> = Element::filling(pkcs8).unwrap().inside().collect();
        let key = PrivateKey::from_der(pkcs8).unwrap();
        let bits = Element::filling(key.spki()).unwrap().inside().nth(1).unwrap();
        let half = Element::wrap(0x81, bits.content);
        let name = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x09\x14\x31\x04\x1e\x02\x00x";
        let attributes = Element::wrap(ZERO, &Element::wrap(SEQUENCE, name));
        let joined = |version: u8, more: &[&[u8]]| {
            let version = Element::wrap(INTEGER, &[version]);
            let all = [&[version.as_slice(), parts[1].whole, parts[2].whole], more].concat();
            Element::wrap(SEQUENCE, &all.concat())
        };
        let mut forms = vec![
            ("PKCS#8", pkcs8.to_vec()),
            ("PKCS#8 with attributes", joined(0, &[&attributes])),
            ("PKCS#8 with the public half", joined(1, &[&half])),
            ("PKCS#8 with both", joined(1, &[&attributes, &half])),
        ];
        match key.kind() {
            KeyKind::Rsa(_) => forms.push(("PKCS#1", parts[2].content.to_vec())),
            KeyKind::P256 => {
                let inner: Vec<Element<'_>> = Element::filling(parts[2].content).unwrap().inside().collect();
                let curve = Element::wrap(ZERO, parts[1].inside().nth(1).unwrap().whole);
                let public = inner.last().unwrap().whole;
                let joined = |parts: &[&[u8]]| {
                    Element::wrap(SEQUENCE, &[&[inner[0].whole, inner[1].whole], parts].concat().concat())
                };
                forms.push(("SEC 1", joined(&[&curve, public])));
                forms.push(("SEC 1 without public half", joined(&[&curve])));
                forms.push(("SEC 1 without curve", joined(&[public])));
            }
            other => assert_eq!(*other, KeyKind::Ed25519),
        }
        forms
    }

    /// A certificate of this key, in PEM.
    fn certificate(key: &[u8]) -> Vec<u8> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key.pem");
        std::fs::write(&path, key).unwrap();
        openssl(&format!("req -x509 -subj /CN=x -key {}", path.display()), b"")
    }

    /// Whether nginx, which has OpenSSL read them, starts with this key beside this certificate; as it is of no use to ask where there is none.
    fn nginx_takes(certificate: &[u8], key: &[u8]) -> Option<bool> {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name).display().to_string();
        let config = format!(
            "pid {};error_log {};events{{}}http{{access_log off;server{{listen 127.0.0.1:8443 ssl;ssl_certificate {};\
             ssl_certificate_key {};ssl_password_file {};}}}}",
            at("pid"),
            at("log"),
            at("cert.pem"),
            at("key.pem"),
            at("pass"),
        );
        for (name, bytes) in
            [("cert.pem", certificate), ("key.pem", key), ("pass", b"x\n"), ("nginx.conf", config.as_bytes())]
        {
            std::fs::write(at(name), bytes).unwrap();
        }
        let mut command = Command::new("nginx");
        command.args(["-t", "-e", &at("log"), "-c", &at("nginx.conf")]).stdout(Stdio::null()).stderr(Stdio::null());
        let Ok(status) = command.status() else {
            println!("skipped: nginx is not installed");
            return None;
        };
        Some(status.success())
    }

    #[test]
    fn what_servers_do_not_load_is_told_and_nothing_else() {
        let (mut taken, mut refused) = (0, 0);
        for generate in [
            "genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048",
            "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256",
            "genpkey -algorithm ED25519",
        ] {
            let made = openssl(generate, b"");
            let certificate = certificate(&made);
            let pkcs8 = openssl("pkcs8 -topk8 -nocrypt -outform DER", &made);
            let key = PrivateKey::from_der(&pkcs8).unwrap();
            for (form, der) in forms(&pkcs8) {
                for label in ["PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY", "ANY PRIVATE KEY"] {
                    let text = encode(label, &der);
                    let contents = codec::read(text.as_bytes(), None).unwrap();
                    let what = format!("{generate}: {form} under {label}");
                    let loads = contents.broken.is_empty() && contents.bad.is_empty();
                    if let Some(nginx) = nginx_takes(&certificate, text.as_bytes()) {
                        assert_eq!(loads, nginx, "{what}: {:?} {:?}", contents.broken, contents.bad);
                    }
                    if loads {
                        taken += 1;
                    } else {
                        refused += 1;
                    }
                    // Some with a public half are not read at all; what is written of the others is loaded.
                    let Some(read) = contents.keys.first() else {
                        assert!(form.contains("PKCS#8 with "), "{what}: {:?}", contents.bad);
                        continue;
                    };
                    assert_eq!(read.spki(), key.spki(), "{what}");
                    if !loads && let Some(nginx) = nginx_takes(&certificate, read.to_pem().expose()) {
                        assert!(nginx, "{what}: written anew");
                    }
                }
            }
        }
        assert_eq!((taken, refused), (13, 51));
    }

    #[test]
    fn the_reason_is_told() {
        let told = |generate: &str, name: &str, label: &str| {
            let pkcs8 = openssl("pkcs8 -topk8 -nocrypt -outform DER", &openssl(generate, b""));
            let (_, der) = forms(&pkcs8).into_iter().find(|(form, _)| *form == name).unwrap();
            stop(label, &der)
        };
        let (edwards, curve) = ("genpkey -algorithm ED25519", "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256");
        assert_eq!(told(edwards, "PKCS#8 with the public half", "PRIVATE KEY"), Some(Stop::PublicHalf));
        assert_eq!(told(curve, "SEC 1 without curve", "EC PRIVATE KEY"), Some(Stop::NoCurve));
        assert_eq!(told(curve, "SEC 1", "PRIVATE KEY"), Some(Stop::Label));
        assert_eq!(told(curve, "PKCS#8", "RSA PRIVATE KEY"), Some(Stop::Label));
        for bytes in [b"".as_slice(), b"0", b"\x30\x00", b"\x30\x03\x02\x01\x00"] {
            assert_eq!(stop("PRIVATE KEY", bytes), None);
        }
    }

    /// A passphrase opens it, and what comes out is loaded no better for that.
    #[test]
    fn what_was_encrypted_is_looked_at_too() {
        let [rsa, edwards] = ["genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048", "genpkey -algorithm ED25519"]
            .map(|generate| openssl(generate, b""));
        let pkcs8 = openssl("pkcs8 -topk8 -nocrypt -outform DER", &edwards);
        let sealed = |der: &[u8]| {
            let parameters = pbes2::Parameters::generate_pbkdf2_sha256_aes256cbc(1, &[0; 16], [0; 16]).unwrap();
            let sealed = PrivateKeyInfoRef::try_from(der).unwrap().encrypt_with_params(parameters, b"x").unwrap();
            encode("ENCRYPTED PRIVATE KEY", sealed.as_bytes())
        };
        let old = String::from_utf8(openssl("rsa -traditional -aes128 -passout pass:x", &rsa)).unwrap();
        for (what, made, text, stop) in [
            ("PKCS#8", &edwards, sealed(&pkcs8), None),
            ("PKCS#8 with the public half", &edwards, sealed(&forms(&pkcs8)[2].1), Some(Stop::PublicHalf)),
            ("PKCS#1", &rsa, old.clone(), None),
            ("PKCS#1 under PRIVATE KEY", &rsa, old.replace("RSA PRIVATE", "PRIVATE"), Some(Stop::Label)),
        ] {
            let contents = codec::read(text.as_bytes(), Some(&"x".to_owned().into())).unwrap();
            assert_eq!((contents.keys.len(), contents.bad.len()), (1, 0), "{what}");
            assert_eq!(contents.broken.first().map(|one| one.why), stop, "{what}");
            if let Some(nginx) = nginx_takes(&certificate(made), text.as_bytes()) {
                assert_eq!(nginx, stop.is_none(), "{what}: nginx");
            }
        }
    }
}
