use time::Duration;
use time::macros::datetime;

use super::*;
use crate::cert::codec;
use crate::cert::fixture::{Issued, NOW, Wish, copy, self_signed};
use crate::cert::key::tests::openssl;

fn chain(of: &[&Issued]) -> Chain {
    Chain::as_given(of.iter().map(|one| one.certificate.clone()).collect()).unwrap()
}

fn names(texts: &[&str]) -> Vec<Name> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

#[test]
fn a_good_chain_is_trusted_for_its_names() {
    let root = self_signed(&Wish::ca("Root"));
    let middle = root.issue(&Wish::ca("Middle"));
    let leaf = middle.issue(&Wish::server("x").named(&["*.example.com", "example.com", "192.0.2.7"]));
    let anchors = Anchors::new([root.certificate.clone()]);
    let good = chain(&[&leaf, &middle]);
    let wanted = names(&["example.com", "www.example.com", "*.example.com", "192.0.2.7"]);
    assert_eq!(anchors.verify(&good, &wanted, NOW), Ok(()));
    assert_eq!(anchors.verify(&chain(&[&leaf, &middle, &root]), &[], NOW), Ok(()));
    for wrong in names(&["a.b.example.com", "*.b.example.com", "192.0.2.8", "x"]) {
        let refused = anchors.verify(&good, &[wanted[0].clone(), wrong.clone()], NOW);
        assert_eq!(refused, Err(Untrusted::WrongName(wrong)));
    }
    assert_eq!(anchors.verify(&chain(&[&leaf]), &wanted, NOW), Err(Untrusted::UnknownIssuer));
    assert_eq!(Anchors::new([]).verify(&good, &[], NOW), Err(Untrusted::UnknownIssuer));
    let after = leaf.certificate.not_after() + Duration::SECOND;
    assert_eq!(anchors.verify(&good, &[], after), Err(Untrusted::Expired(leaf.certificate.not_after())));
    let before = leaf.certificate.not_before() - Duration::SECOND;
    assert_eq!(anchors.verify(&good, &[], before), Err(Untrusted::NotYetValid(leaf.certificate.not_before())));
}

#[test]
fn an_expired_root_is_no_root_unless_a_valid_one_has_its_key() {
    let short = (datetime!(2020-01-01 0:00 UTC), datetime!(2030-05-01 0:00 UTC));
    let expired = self_signed(&Wish { valid: short, ..Wish::ca("Root") });
    let leaf = expired.issue(&Wish::server("www.example.com"));
    let served = chain(&[&leaf]);
    let refused = Anchors::new([expired.certificate.clone()]).verify(&served, &[], NOW);
    let (from, to) = short;
    assert_eq!(refused, Err(Untrusted::RootOutOfDate { root: "Root".to_owned(), from, to }));

    let renewed = expired.issue_for(&Wish::ca("Root"), copy(&expired.key));
    let both = Anchors::new([expired.certificate.clone(), renewed.certificate]);
    assert_eq!(both.roots().len(), 2);
    assert_eq!(both.verify(&served, &[], NOW), Ok(()));

    // Another path: the same issuer, cross-signed by a root that is valid.
    let other = self_signed(&Wish::ca("Other"));
    let crossed = other.issue_for(&Wish::ca("Root"), copy(&expired.key));
    let anchors = Anchors::new([expired.certificate, other.certificate]);
    assert_eq!(anchors.verify(&chain(&[&leaf, &crossed]), &[], NOW), Ok(()));
}

#[test]
fn a_leaf_that_signed_itself_is_trusted_only_as_a_root() {
    let strangers = Anchors::new([self_signed(&Wish::ca("Root")).certificate]);
    let own = self_signed(&Wish::server("own").named(&["own.example"]));
    assert_eq!(strangers.verify(&chain(&[&own]), &[], NOW), Err(Untrusted::UnknownIssuer));
    let itself = Anchors::new([own.certificate.clone()]);
    assert_eq!(itself.verify(&chain(&[&own]), &names(&["own.example"]), NOW), Ok(()));

    let ca = self_signed(&Wish::ca("own").named(&["own.example"]));
    let itself = Anchors::new([ca.certificate.clone()]);
    assert_eq!(itself.verify(&chain(&[&ca]), &[], NOW), Err(Untrusted::CaAsServer));
    assert_eq!(itself.verify(&chain(&[&ca.issue(&Wish::ca("Sub"))]), &[], NOW), Err(Untrusted::CaAsServer));
}

#[test]
fn a_false_signature_is_told() {
    let (root, twin) = (self_signed(&Wish::ca("Root")), self_signed(&Wish::ca("Root")));
    let leaf = twin.issue(&Wish::server("www.example.com"));
    // It says which key signed it, and that is not this root's.
    let refused = Anchors::new([root.certificate.clone()]).verify(&chain(&[&leaf]), &[], NOW);
    assert_eq!(refused, Err(Untrusted::UnknownIssuer));
    let mut der = root.issue(&Wish::server("www.example.com")).certificate.der().to_vec();
    *der.last_mut().unwrap() ^= 1;
    let forged = Chain::as_given(vec![Certificate::from_der(der).unwrap()]).unwrap();
    let refused = Anchors::new([root.certificate]).verify(&forged, &[], NOW);
    assert_eq!(refused, Err(Untrusted::FalseSignature));
}

#[test]
fn a_forged_intermediate_is_told_though_it_signed_the_leaf() {
    let root = self_signed(&Wish::ca("Root"));
    let middle = root.issue(&Wish::ca("Middle"));
    let leaf = middle.issue(&Wish::server("www.example.com")).certificate;
    let mut der = middle.certificate.der().to_vec();
    *der.last_mut().unwrap() ^= 1;
    let served = Chain::as_given(vec![leaf, Certificate::from_der(der).unwrap()]).unwrap();
    assert_eq!(Anchors::new([root.certificate]).verify(&served, &[], NOW), Err(Untrusted::FalseSignature));
}

#[test]
fn an_issuer_without_the_usage_is_refused_as_by_openssl() {
    let bench = Bench::new();
    for (usage, good) in [("keyCertSign", true), ("cRLSign", false)] {
        bench.sign("middle", "root", &format!("basicConstraints=critical,CA:TRUE\nkeyUsage=critical,{usage}"));
        let expected = if good { Ok(()) } else { Err(Untrusted::IssuerNotCa) };
        assert_eq!(bench.verdicts("root.pem", "through"), (good, expected), "{usage}");
    }
}

#[test]
fn a_root_that_forbids_a_path_is_no_root_for_it_unless_another_with_its_key_allows_it() {
    let root = self_signed(&Wish::ca("Root"));
    let server = root.issue_for(&Wish::server("Root"), copy(&root.key));
    let leaf = root.issue(&Wish::server("www.example.com"));
    let served = chain(&[&leaf]);
    let refused = Anchors::new([server.certificate.clone()]).verify(&served, &[], NOW);
    assert_eq!(refused, Err(Untrusted::RootForbids { root: "Root".to_owned(), why: Forbids::NotCa }));
    for roots in [[&server, &root], [&root, &server]] {
        let both = Anchors::new(roots.map(|one| one.certificate.clone()));
        let path = both.path(&served, &[], NOW).unwrap();
        assert_eq!(path.certificates.last(), Some(&root.certificate), "the one that allows it");
    }
    // Another path: the same issuer, cross-signed by a root that allows it.
    let other = self_signed(&Wish::ca("Other"));
    let crossed = other.issue_for(&Wish::ca("Root"), copy(&root.key));
    let anchors = Anchors::new([server.certificate, other.certificate]);
    assert_eq!(anchors.verify(&chain(&[&leaf, &crossed]), &[], NOW), Ok(()));
}

/// Roots of one name and key, a CA below them, and a server below each.
struct Bench {
    dir: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        let bench = Self { dir: tempfile::tempdir().unwrap() };
        for name in ["root", "middle", "direct", "through"] {
            let file = |end: &str| bench.file(&format!("{name}.{end}"));
            let ec = "-newkey ec -pkeyopt ec_paramgen_curve:P-256";
            openssl(
                &format!("req -new -nodes {ec} -subj /CN={name} -keyout {} -out {}", file("key"), file("csr")),
                b"",
            );
        }
        bench.root("root", "basicConstraints=critical,CA:TRUE");
        bench.sign("middle", "root", "basicConstraints=critical,CA:TRUE");
        bench.sign("direct", "root", "subjectAltName=DNS:www.example.com");
        bench.sign("through", "middle", "subjectAltName=DNS:www.example.com");
        bench
    }

    fn file(&self, name: &str) -> String {
        self.dir.path().join(name).display().to_string()
    }

    fn write(&self, name: &str, text: &[u8]) -> String {
        std::fs::write(self.file(name), text).unwrap();
        self.file(name)
    }

    fn sign(&self, name: &str, issuer: &str, extensions: &str) {
        let extensions = self.write("extensions", extensions.as_bytes());
        let (csr, pem, [ca, key]) = (
            self.file(&format!("{name}.csr")),
            self.file(&format!("{name}.pem")),
            ["pem", "key"].map(|end| self.file(&format!("{issuer}.{end}"))),
        );
        openssl(
            &format!("x509 -req -in {csr} -CA {ca} -CAkey {key} -CAcreateserial -extfile {extensions} -out {pem}"),
            b"",
        );
    }

    /// The root with these extensions; of version 1 without any.
    fn root(&self, file: &str, extensions: &str) {
        let (csr, key, pem) = (self.file("root.csr"), self.file("root.key"), self.file(&format!("{file}.pem")));
        let with = if extensions.is_empty() {
            String::new()
        } else {
            format!(" -extfile {}", self.write("extensions", extensions.as_bytes()))
        };
        openssl(&format!("x509 -req -in {csr} -signkey {key} -out {pem}{with}"), b"");
    }

    /// Whether OpenSSL takes the leaf for a TLS server's, with the roots in this file; and what is said here.
    fn verdicts(&self, roots: &str, leaf: &str) -> (bool, Result<(), Untrusted>) {
        let (roots, middle, leaf) = (self.file(roots), self.file("middle.pem"), self.file(&format!("{leaf}.pem")));
        let words =
            format!("verify -purpose sslserver -no-CApath -no-CAstore -CAfile {roots} -untrusted {middle} {leaf}");
        let theirs = std::process::Command::new("openssl").args(words.split(' ')).output().unwrap().status.success();
        let read = |path: &str| codec::read(&std::fs::read(path).unwrap(), None).unwrap();
        let chain = [read(&leaf).certificates, read(&middle).certificates].concat();
        let now = chain[0].not_before() + Duration::HOUR;
        let (roots, _) = read(&roots).into_roots();
        (theirs, Anchors::new(roots).verify(&Chain::as_given(chain).unwrap(), &[], now))
    }
}

#[test]
fn what_a_root_says_of_itself_counts_as_it_does_for_openssl() {
    use Forbids::{NotCa, NotSigning, TooLong, UnknownCritical, WrongPurpose};
    let bench = Bench::new();
    let ca = "basicConstraints=critical,CA:TRUE";
    for (extensions, leaf, why) in [
        (ca.to_owned(), "direct", None),
        (ca.to_owned(), "through", None),
        (format!("{ca},pathlen:0"), "direct", None),
        (format!("{ca},pathlen:0"), "through", Some(TooLong)),
        (format!("{ca},pathlen:1"), "through", None),
        ("basicConstraints=CA:FALSE".to_owned(), "direct", Some(NotCa)),
        ("basicConstraints=CA:FALSE".to_owned(), "through", Some(NotCa)),
        (format!("{ca}\nkeyUsage=keyCertSign"), "direct", None),
        (format!("{ca}\nkeyUsage=digitalSignature"), "direct", Some(NotSigning)),
        (format!("{ca}\nkeyUsage=cRLSign,digitalSignature"), "through", Some(NotSigning)),
        (format!("{ca}\nextendedKeyUsage=serverAuth,clientAuth"), "through", None),
        (format!("{ca}\nextendedKeyUsage=serverAuth,anyExtendedKeyUsage"), "direct", None),
        (format!("{ca}\nextendedKeyUsage=anyExtendedKeyUsage"), "direct", Some(WrongPurpose)),
        (format!("{ca}\nextendedKeyUsage=clientAuth"), "direct", Some(WrongPurpose)),
        (format!("{ca}\nextendedKeyUsage=codeSigning,emailProtection"), "through", Some(WrongPurpose)),
        (format!("{ca}\n1.2.3.4=critical,DER:0500"), "direct", Some(UnknownCritical)),
        (format!("{ca}\n1.2.3.4=DER:0500"), "direct", None),
        // Version 1.
        (String::new(), "direct", None),
        (String::new(), "through", None),
        // No basic constraints.
        ("subjectKeyIdentifier=hash".to_owned(), "direct", Some(NotCa)),
        ("keyUsage=keyCertSign".to_owned(), "direct", None),
        ("keyUsage=digitalSignature".to_owned(), "direct", Some(NotSigning)),
    ] {
        bench.root("given", &extensions);
        let (theirs, ours) = bench.verdicts("given.pem", leaf);
        let expected = match why {
            None => Ok(()),
            Some(why) => Err(Untrusted::RootForbids { root: "root".to_owned(), why }),
        };
        assert_eq!((theirs, ours), (why.is_none(), expected), "{extensions}, {leaf}");
    }
}

#[test]
fn a_root_that_signs_nothing_but_itself_need_be_no_ca() {
    let bench = Bench::new();
    for (extensions, good) in [
        ("basicConstraints=CA:FALSE", true),
        ("", false),
        ("subjectKeyIdentifier=hash", true),
        ("extendedKeyUsage=clientAuth", false),
    ] {
        bench.root("given", extensions);
        let (theirs, ours) = bench.verdicts("given.pem", "given");
        // A leaf of version 1 is refused by rustls for its version.
        let differs = extensions.is_empty();
        assert_eq!((theirs, ours.is_ok()), (good || differs, good), "{extensions}: {ours:?}");
    }
}

#[test]
fn what_openssl_is_told_of_a_root_counts() {
    let bench = Bench::new();
    let root = bench.file("root.pem");
    for (words, good) in [
        ("-setalias x", true),
        ("-addtrust serverAuth", true),
        ("-addtrust anyExtendedKeyUsage", true),
        ("-addtrust clientAuth -addtrust serverAuth", true),
        ("-addtrust clientAuth", false),
        ("-addreject serverAuth", false),
        ("-addreject anyExtendedKeyUsage", false),
        ("-addreject clientAuth", true),
        ("-addtrust serverAuth -addreject serverAuth", false),
        ("-addtrust serverAuth -addreject clientAuth -setalias x", true),
    ] {
        let trusted = bench.file("trusted.pem");
        openssl(&format!("x509 -in {root} -trustout {words} -out {trusted}"), b"");
        let (theirs, ours) = bench.verdicts("trusted.pem", "through");
        assert_eq!((theirs, ours.is_ok()), (good, good), "{words}: {ours:?}");

        // The same certificate, as it is: what is first in the file holds.
        let (plain, trusted) = (std::fs::read(&root).unwrap(), std::fs::read(&trusted).unwrap());
        bench.write("before.pem", &[plain.as_slice(), &trusted].concat());
        bench.write("after.pem", &[trusted.as_slice(), &plain].concat());
        for (file, good) in [("before.pem", true), ("after.pem", good)] {
            let (theirs, ours) = bench.verdicts(file, "through");
            assert_eq!((theirs, ours.is_ok()), (good, good), "{words}: {file}: {ours:?}");
        }
    }
}

#[test]
fn what_openssl_is_told_is_read_or_told_to_be_unreadable() {
    let root = self_signed(&Wish::ca("Root")).certificate;
    for (behind, told) in [
        (b"".as_slice(), None),
        (b"\x30\x00", None),
        (b"\x30\x02\x30\x00", Some("to trust it for other uses than TLS servers")),
        (b"\x30\x02\xa0\x00", None),
        (b"\x30\x08\xa0\x06\x06\x04\x55\x1d\x25\x00", Some("to reject it for TLS servers")),
        (b"\x30\x04\xa0\x02\x05\x00", Some("cannot be read")),
        (b"\x30\x05", Some("cannot be read")),
        (b"\x00", Some("cannot be read")),
    ] {
        let text = codec::pem::encode("TRUSTED CERTIFICATE", &[root.der(), behind].concat());
        let contents = codec::read(text.as_bytes(), None).unwrap();
        assert_eq!(contents.certificates, std::slice::from_ref(&root), "{behind:?}");
        let (roots, reserved) = contents.into_roots();
        assert_eq!((roots.is_empty(), reserved.len()), (told.is_some(), usize::from(told.is_some())), "{behind:?}");
        assert!(
            told.is_none_or(|told| reserved[0].starts_with("line 1, TRUSTED CERTIFICATE: Root is no root here: ")
                && reserved[0].contains(told)),
            "{reserved:?}"
        );
    }
}

/// CAs and a server, made by OpenSSL: names and keys that nobody else makes.
struct Foundry(tempfile::TempDir);

impl Foundry {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn at(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }

    /// A certificate for a new key with this subject, signed by another that was made before, or by itself.
    fn make(&self, name: &str, key: &str, subject: &str, by: Option<&str>) -> Certificate {
        let [own_key, request, out] = ["key", "csr", "pem"].map(|end| self.at(&format!("{name}.{end}")));
        let extensions = self.at("extensions");
        let kind =
            if name == "leaf" { "subjectAltName=DNS:www.example.com" } else { "basicConstraints=critical,CA:TRUE" };
        std::fs::write(&extensions, kind).unwrap();
        openssl(&format!("req -new -nodes -newkey {key} -subj {subject} -keyout {own_key} -out {request}"), b"");
        let signer = match by {
            Some(by) => format!(
                "-CA {} -CAkey {} -CAcreateserial",
                self.at(&format!("{by}.pem")),
                self.at(&format!("{by}.key"))
            ),
            None => format!("-signkey {own_key}"),
        };
        openssl(&format!("x509 -req -days 30 -sha256 -in {request} -extfile {extensions} -out {out} {signer}"), b"");
        codec::read(&std::fs::read(out).unwrap(), None).unwrap().certificates.remove(0)
    }
}

#[test]
fn a_ca_whose_key_is_too_small_is_named() {
    let foundry = Foundry::new();
    let root = foundry.make("root", "rsa:2048", "/CN=Root", None);
    let middle = foundry.make("middle", "rsa:1024", "/CN=Middle", Some("root"));
    let leaf = foundry.make("leaf", "rsa:2048", "/CN=www.example.com", Some("middle"));
    let small = |issuer: &str| Err(Untrusted::SmallIssuer { issuer: issuer.to_owned(), bits: 1024 });
    let now = leaf.not_before() + Duration::MINUTE;
    let served = Chain::as_given(vec![leaf, middle.clone()]).unwrap();
    assert_eq!(Anchors::new([root.clone()]).verify(&served, &[], now), small("Middle"));
    assert_eq!(Anchors::new([middle]).verify(&served, &[], now), small("Middle"), "as a root");
    let other = foundry.make("other", "rsa:2048", "/CN=Root", None);
    assert_eq!(Anchors::new([other.clone()]).verify(&served, &[], now), Err(Untrusted::UnknownIssuer));
    assert_eq!(Anchors::new([other, root]).verify(&served, &[], now), small("Middle"));
}

#[test]
fn an_issuer_that_is_written_otherwise_is_named() {
    let foundry = Foundry::new();
    foundry.make("root", "rsa:2048", "/CN=Example_Root", None);
    let leaf = foundry.make("leaf", "rsa:2048", "/CN=www.example.com", Some("root"));
    // The same key under its own name in another case.
    let key = foundry.at("root.key");
    let again = |subject: &str| {
        let made = openssl(&format!("req -x509 -days 30 -key {key} -subj {subject}"), b"");
        codec::read(&made, None).unwrap().certificates.remove(0)
    };
    let (as_it_is, otherwise, another) = (again("/CN=Example_Root"), again("/CN=EXAMPLE_Root"), again("/CN=Other"));
    let now = otherwise.not_before() + Duration::MINUTE;
    let served = Chain::as_given(vec![leaf]).unwrap();
    assert_eq!(Anchors::new([as_it_is]).verify(&served, &[], now), Ok(()));
    assert_eq!(Anchors::new([another]).verify(&served, &[], now), Err(Untrusted::UnknownIssuer));
    let why = Anchors::new([otherwise]).verify(&served, &[], now).unwrap_err();
    let (child, issuer) = ("www.example.com".to_owned(), "EXAMPLE_Root".to_owned());
    assert_eq!(why, Untrusted::OtherwiseWritten { child, issuer });
}

#[test]
fn of_many_certificates_those_are_looked_at_that_names_lead_to() {
    let root = self_signed(&Wish::ca("Root"));
    let middle = root.issue(&Wish::ca("Middle"));
    let leaf = middle.issue(&Wish::server("www"));
    let anchors = Anchors::new([root.certificate.clone()]);
    let among = |others: Vec<Certificate>| {
        let ends = [leaf.certificate.clone()].into_iter().chain(others).chain([middle.certificate.clone()]);
        Chain::as_given(ends.collect()).unwrap()
    };
    let strangers = (0..100).map(|place| self_signed(&Wish::ca(&format!("Stranger {place}"))).certificate);
    assert_eq!(anchors.verify(&among(strangers.collect()), &[], NOW), Ok(()));
    // Namesakes that lead nowhere.
    let other = self_signed(&Wish::ca("Other"));
    let namesakes: Vec<Certificate> = (0..100).map(|_| other.issue(&Wish::ca("Middle")).certificate).collect();
    assert_eq!(anchors.verify(&among(namesakes.clone()), &[], NOW), Ok(()));
    assert_eq!(
        Anchors::new([]).verify(&among(namesakes.clone()), &[], NOW),
        Err(Untrusted::UnknownIssuer),
        "and without a root nobody does"
    );
    // Here they lead to a root, and each of them may be meant.
    let both = Anchors::new([root.certificate.clone(), other.certificate.clone()]);
    let refused = both.verify(&among(namesakes), &[], NOW);
    assert!(matches!(refused, Err(Untrusted::Refused(_))), "{refused:?}");
}

/// webpki alone would go 200,000 steps, at each of which it reads 998 certificates.
#[test]
fn cas_that_issued_each_other_are_no_labyrinth() {
    let (a, b, root) = (self_signed(&Wish::ca("A")), self_signed(&Wish::ca("B")), self_signed(&Wish::ca("Root")));
    let leaf = a.issue(&Wish::server("www"));
    let ab = a.issue_for(&Wish::ca("B"), copy(&b.key));
    let ba = b.issue_for(&Wish::ca("A"), copy(&a.key));
    let valid = |day: i64| (NOW - Duration::days(day + 1), NOW + Duration::days(1));
    let many = (0..60).map(|day| a.issue_for(&Wish { valid: valid(day), ..Wish::ca("B") }, copy(&b.key)).certificate);
    let few = chain(&[&leaf, &ab, &ba]);
    let many = Chain::as_given(few.certificates().cloned().chain(many).collect()).unwrap();
    let reach = |anchors: &Anchors, chain: &Chain| anchors.within_reach(chain).map(|held| held.intermediates().len());
    let (unknown, known) = (Anchors::new([root.certificate]), Anchors::new([b.certificate]));
    assert_eq!((reach(&unknown, &few), reach(&unknown, &many)), (Ok(2), Ok(0)), "nothing leads to a root");
    assert_eq!(unknown.verify(&many, &[], NOW), Err(Untrusted::UnknownIssuer));
    assert_eq!((reach(&known, &few), known.verify(&few, &[], NOW)), (Ok(2), Ok(())));
    assert!(matches!(known.verify(&many, &[], NOW), Err(Untrusted::Refused(_))));
}
