//! `openssl s_server` held to each old protocol, suite and kind of key.

use super::*;

struct Case {
    /// As `openssl req -newkey` takes it.
    key: &'static str,
    options: &'static [&'static str],
    /// The version and suite that are expected, and whether only the reader of old handshakes gets there; else the code.
    expected: Result<(Version, &'static str, bool), &'static str>,
}

const RSA: &str = "rsa:2048";
const P256: &str = "ec -pkeyopt ec_paramgen_curve:P-256";
const P521: &str = "ec -pkeyopt ec_paramgen_curve:P-521";
const SECP256K1: &str = "ec -pkeyopt ec_paramgen_curve:secp256k1";
const BRAINPOOL: &str = "ec -pkeyopt ec_paramgen_curve:brainpoolP256r1";
const DSA: &str = "dsa";

const fn case(
    key: &'static str,
    options: &'static [&'static str],
    expected: Result<(Version, &'static str, bool), &'static str>,
) -> Case {
    Case { key, options, expected }
}

const CASES: &[Case] = &[
    case(RSA, &["-tls1"], Ok((Version::Tls10, "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA", true))),
    case(RSA, &["-tls1_1"], Ok((Version::Tls11, "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA", true))),
    case(RSA, &["-no_tls1_3", "-no_tls1_2"], Ok((Version::Tls11, "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA", true))),
    case(RSA, &["-tls1_2", "-cipher", "AES128-SHA"], Ok((Version::Tls12, "TLS_RSA_WITH_AES_128_CBC_SHA", true))),
    case(
        RSA,
        &["-tls1_2", "-cipher", "AES256-GCM-SHA384"],
        Ok((Version::Tls12, "TLS_RSA_WITH_AES_256_GCM_SHA384", true)),
    ),
    case(RSA, &["-tls1_2", "-cipher", "AES128-CCM8"], Ok((Version::Tls12, "TLS_RSA_WITH_AES_128_CCM_8", true))),
    case(
        RSA,
        &["-tls1_2", "-cipher", "CAMELLIA256-SHA"],
        Ok((Version::Tls12, "TLS_RSA_WITH_CAMELLIA_256_CBC_SHA", true)),
    ),
    case(
        RSA,
        &["-tls1_2", "-cipher", "ARIA128-GCM-SHA256"],
        Ok((Version::Tls12, "TLS_RSA_WITH_ARIA_128_GCM_SHA256", true)),
    ),
    case(RSA, &["-tls1_2", "-cipher", "NULL-SHA"], Ok((Version::Tls12, "TLS_RSA_WITH_NULL_SHA", true))),
    case(
        RSA,
        &["-tls1_2", "-cipher", "ECDHE-RSA-AES256-SHA384"],
        Ok((Version::Tls12, "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384", true)),
    ),
    case(
        RSA,
        &["-tls1_2", "-cipher", "DHE-RSA-AES128-GCM-SHA256"],
        Ok((Version::Tls12, "TLS_DHE_RSA_WITH_AES_128_GCM_SHA256", true)),
    ),
    case(
        RSA,
        &["-tls1", "-cipher", "DHE-RSA-AES256-SHA"],
        Ok((Version::Tls10, "TLS_DHE_RSA_WITH_AES_256_CBC_SHA", true)),
    ),
    case(P256, &["-tls1"], Ok((Version::Tls10, "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA", true))),
    case(
        P256,
        &["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA256"],
        Ok((Version::Tls12, "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256", true)),
    ),
    case(P521, &["-tls1_2"], Ok((Version::Tls12, "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", false))),
    case(P521, &["-tls1_3"], Ok((Version::Tls13, "TLS_AES_128_GCM_SHA256", false))),
    case("ed448", &["-tls1_2"], Ok((Version::Tls12, "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", true))),
    case("ed448", &["-tls1_3"], Ok((Version::Tls13, "TLS_AES_128_GCM_SHA256", false))),
    case("ed25519", &["-tls1_2"], Ok((Version::Tls12, "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", false))),
    case(SECP256K1, &["-tls1_2"], Ok((Version::Tls12, "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", true))),
    case(BRAINPOOL, &["-tls1_2"], Ok((Version::Tls12, "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", true))),
    case("rsa:512", &["-tls1"], Ok((Version::Tls10, "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA", true))),
    case("rsa:1024", &["-tls1_2"], Ok((Version::Tls12, "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", false))),
    case(DSA, &["-tls1_2"], Ok((Version::Tls12, "TLS_DHE_DSS_WITH_AES_128_GCM_SHA256", true))),
    case(DSA, &["-tls1"], Ok((Version::Tls10, "TLS_DHE_DSS_WITH_AES_128_CBC_SHA", true))),
    case(
        "rsa-pss -pkeyopt rsa_keygen_bits:2048",
        &["-tls1_2"],
        Ok((Version::Tls12, "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", true)),
    ),
    case("rsa-pss -pkeyopt rsa_keygen_bits:2048", &["-tls1_3"], Ok((Version::Tls13, "TLS_AES_128_GCM_SHA256", false))),
    case(RSA, &["-tls1_3", "-groups", "P-521"], Ok((Version::Tls13, "TLS_AES_128_GCM_SHA256", false))),
    case(
        RSA,
        &["-tls1_2", "-cipher", "ECDHE-ARIA256-GCM-SHA384"],
        Ok((Version::Tls12, "TLS_ECDHE_RSA_WITH_ARIA_256_GCM_SHA384", true)),
    ),
    case(
        P256,
        &["-tls1_2", "-cipher", "ECDHE-ECDSA-ARIA256-GCM-SHA384"],
        Ok((Version::Tls12, "TLS_ECDHE_ECDSA_WITH_ARIA_256_GCM_SHA384", true)),
    ),
    case(
        RSA,
        &["-tls1_2", "-cipher", "DHE-RSA-ARIA128-GCM-SHA256"],
        Ok((Version::Tls12, "TLS_DHE_RSA_WITH_ARIA_128_GCM_SHA256", true)),
    ),
    case(
        RSA,
        &["-tls1_2", "-cipher", "DHE-RSA-ARIA256-GCM-SHA384"],
        Ok((Version::Tls12, "TLS_DHE_RSA_WITH_ARIA_256_GCM_SHA384", true)),
    ),
    case(
        RSA,
        &["-tls1_2", "-cipher", "ARIA256-GCM-SHA384"],
        Ok((Version::Tls12, "TLS_RSA_WITH_ARIA_256_GCM_SHA384", true)),
    ),
    case(
        RSA,
        &["-tls1_2", "-cipher", "ECDHE-RSA-CAMELLIA256-SHA384"],
        Ok((Version::Tls12, "TLS_ECDHE_RSA_WITH_CAMELLIA_256_CBC_SHA384", true)),
    ),
    case(
        P256,
        &["-tls1_2", "-cipher", "ECDHE-ECDSA-CAMELLIA256-SHA384"],
        Ok((Version::Tls12, "TLS_ECDHE_ECDSA_WITH_CAMELLIA_256_CBC_SHA384", true)),
    ),
    case(
        RSA,
        &["-tls1_2", "-cipher", "DHE-RSA-CAMELLIA128-SHA256"],
        Ok((Version::Tls12, "TLS_DHE_RSA_WITH_CAMELLIA_128_CBC_SHA256", true)),
    ),
    case(
        RSA,
        &["-tls1_2", "-cipher", "DHE-RSA-CAMELLIA256-SHA256"],
        Ok((Version::Tls12, "TLS_DHE_RSA_WITH_CAMELLIA_256_CBC_SHA256", true)),
    ),
    case(
        RSA,
        &["-tls1_2", "-cipher", "CAMELLIA128-SHA256"],
        Ok((Version::Tls12, "TLS_RSA_WITH_CAMELLIA_128_CBC_SHA256", true)),
    ),
    case(
        RSA,
        &["-tls1_2", "-cipher", "CAMELLIA256-SHA256"],
        Ok((Version::Tls12, "TLS_RSA_WITH_CAMELLIA_256_CBC_SHA256", true)),
    ),
    case(
        RSA,
        &["-tls1_2", "-cipher", "DHE-RSA-AES128-CCM8"],
        Ok((Version::Tls12, "TLS_DHE_RSA_WITH_AES_128_CCM_8", true)),
    ),
    case(
        RSA,
        &["-tls1_2", "-cipher", "DHE-RSA-AES256-CCM8"],
        Ok((Version::Tls12, "TLS_DHE_RSA_WITH_AES_256_CCM_8", true)),
    ),
    case(RSA, &["-tls1_2", "-cipher", "AES256-CCM8"], Ok((Version::Tls12, "TLS_RSA_WITH_AES_256_CCM_8", true))),
    case(
        RSA,
        &["-tls1_2", "-cipher", "RSA-PSK-AES128-GCM-SHA256", "-psk", "5e55"],
        Ok((Version::Tls12, "TLS_RSA_PSK_WITH_AES_128_GCM_SHA256", true)),
    ),
    case(
        RSA,
        &["-tls1_1", "-cipher", "RSA-PSK-AES256-CBC-SHA", "-psk", "5e55"],
        Ok((Version::Tls11, "TLS_RSA_PSK_WITH_AES_256_CBC_SHA", true)),
    ),
    // Nothing of the certificate is in plain text, or there is none.
    case(RSA, &["-tls1_3", "-groups", "X448"], Err("tls13-unsupported")),
    case(RSA, &["-tls1_3", "-groups", "ffdhe2048"], Err("tls13-unsupported")),
    case(RSA, &["-tls1_3", "-ciphersuites", "TLS_AES_128_CCM_SHA256"], Err("tls13-unsupported")),
    case(RSA, &["-tls1_2", "-cipher", "ADH-AES128-SHA"], Err("alert")),
];

#[test]
fn each_gives_its_certificate_or_the_honest_error() {
    let mut kinds: Vec<&str> = CASES.iter().map(|case| case.key).filter(|key| *key != DSA).collect();
    kinds.sort_unstable();
    kinds.dedup();
    let Some(directory) = openssl_pairs(&kinds) else { return };
    dsa_pair(directory.path());
    let mut wrong = Vec::new();
    for Case { key, options, expected } in CASES {
        let number = kinds.iter().position(|kind| kind == key).map_or("dsa".to_owned(), |number| number.to_string());
        let (cert, key_file) = (format!("c{number}.pem"), format!("k{number}.pem"));
        let mut all = vec!["-cert", &cert, "-key", &key_file];
        all.extend_from_slice(options);
        if !options.contains(&"-cipher") {
            all.extend_from_slice(&["-cipher", "ALL:@SECLEVEL=0"]);
        }
        let eased: Vec<String> = all
            .windows(2)
            .map(|pair| {
                if pair[0] == "-cipher" && !pair[1].contains('@') {
                    format!("{}:@SECLEVEL=0", pair[1])
                } else {
                    pair[1].to_owned()
                }
            })
            .collect();
        let eased: Vec<&str> = std::iter::once(all[0]).chain(eased.iter().map(String::as_str)).collect();
        let server = OpensslServer::start(directory.path(), &eased);
        let began = Instant::now();
        let result = handshake_at(server.at, Some("localhost"), None, LIMIT);
        let took = began.elapsed();
        let leaf = pem_der(&directory.path().join(&cert));
        let said = match &result {
            Ok(served) if served.chain != [leaf] => Err("another chain"),
            Ok(served) if served.raw && served.proved => Err("proved by the reader"),
            Ok(served) => Ok((served.version, served.suite.unwrap_or_default(), served.raw)),
            Err(error) => Err(error.code()),
        };
        if said != *expected || took > Duration::from_secs(3) {
            wrong.push(format!("{key} {options:?}: {said:?} instead of {expected:?} after {took:?}: {result:?}"));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

fn dsa_pair(directory: &Path) {
    let run = |arguments: &[&str]| {
        let ran = Command::new("openssl").current_dir(directory).args(arguments).output().unwrap();
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    };
    run(&["genpkey", "-genparam", "-algorithm", "DSA", "-pkeyopt", "dsa_paramgen_bits:1024", "-out", "p.pem"]);
    run(&["genpkey", "-paramfile", "p.pem", "-out", "kdsa.pem"]);
    run(&["req", "-x509", "-key", "kdsa.pem", "-subj", "/CN=localhost", "-days", "2", "-out", "cdsa.pem"]);
}
