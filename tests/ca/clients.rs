//! What clients of other makes say of a chain.

use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::ground::Ground;

/// A root, what a server sends (leaf first, PEM), and the name it was called by.
pub struct Case {
    pub root: PathBuf,
    pub chain: PathBuf,
    pub host: String,
}

impl Case {
    pub fn new(root: impl Into<PathBuf>, chain: impl Into<PathBuf>, host: &str) -> Self {
        Self { root: root.into(), chain: chain.into(), host: host.to_owned() }
    }
}

/// One answer.
pub struct Verdict {
    pub client: &'static str,
    pub case: usize,
    pub good: bool,
    pub said: String,
}

/// Every client must take every case.
pub fn all_take(ground: &Ground, cases: &[Case]) {
    for verdict in ask(ground, cases) {
        let case = &cases[verdict.case];
        assert!(verdict.good, "{}: {} for {}: {}", verdict.client, case.chain.display(), case.host, verdict.said);
    }
}

/// Every client must refuse every case.
pub fn all_refuse(ground: &Ground, cases: &[Case]) {
    for verdict in ask(ground, cases) {
        let case = &cases[verdict.case];
        assert!(!verdict.good, "{} takes {} for {}", verdict.client, case.chain.display(), case.host);
    }
}

/// What each client that is installed says of each case.
pub fn ask(ground: &Ground, cases: &[Case]) -> Vec<Verdict> {
    let mut verdicts: Vec<Verdict> = Vec::new();
    for (number, case) in cases.iter().enumerate() {
        let (good, said) = openssl(ground, case);
        verdicts.push(Verdict { client: "OpenSSL", case: number, good, said });
    }
    if installed("certtool", "--version") {
        for (number, case) in cases.iter().enumerate() {
            let (good, said) = gnutls(case);
            verdicts.push(Verdict { client: "GnuTLS", case: number, good, said });
        }
    } else {
        eprintln!("skipped: GnuTLS, because there is no certtool (gnutls-bin)");
    }
    let programs =
        [("Java", "javac", "-version", JAVA, "java Clients.java"), ("Go", "go", "version", GO, "go run clients.go")];
    for (client, program, flag, source, run) in programs {
        if installed(program, flag) {
            let file = run.split(' ').next_back().unwrap();
            verdicts.extend(program_verdicts(ground, client, file, source, run, cases));
        } else {
            eprintln!("skipped: {client}, because there is no {program}");
        }
    }
    verdicts
}

fn installed(program: &str, flag: &str) -> bool {
    Command::new(program).arg(flag).output().is_ok_and(|output| output.status.success())
}

fn openssl(ground: &Ground, case: &Case) -> (bool, String) {
    let option = if case.host.parse::<IpAddr>().is_ok() { "-verify_ip" } else { "-verify_hostname" };
    ground.openssl_tried(&format!(
        "verify -x509_strict -check_ss_sig -purpose sslserver {option} {} -no-CApath -no-CAstore -CAfile {} -untrusted {} {}",
        case.host,
        case.root.display(),
        case.chain.display(),
        case.chain.display(),
    ))
}

fn gnutls(case: &Case) -> (bool, String) {
    let mut command = Command::new("certtool");
    command.args(["--verify", "--verify-profile", "medium", "--verify-purpose", "1.3.6.1.5.5.7.3.1"]);
    command.arg("--verify-hostname").arg(&case.host).arg("--load-ca-certificate").arg(&case.root);
    let output = command.arg("--infile").arg(&case.chain).output().unwrap();
    (output.status.success(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}

/// Runs a program of that language over all cases; it prints one line for each.
fn program_verdicts(
    ground: &Ground,
    client: &'static str,
    file: &str,
    source: &str,
    run: &str,
    cases: &[Case],
) -> Vec<Verdict> {
    fs::write(ground.path(file), source).unwrap();
    let words: Vec<&str> = run.split(' ').collect();
    let mut command = Command::new(words[0]);
    command.current_dir(ground.path(".")).args(&words[1..]);
    for case in cases {
        command.arg(&case.root).arg(&case.chain).arg(&case.host);
    }
    let output = command.output().unwrap();
    let out = String::from_utf8_lossy(&output.stdout).into_owned();
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(lines.len(), cases.len(), "{client}: {out}{}", String::from_utf8_lossy(&output.stderr));
    let verdict =
        |(case, line): (usize, &&str)| Verdict { client, case, good: *line == "good", said: (*line).to_owned() };
    lines.iter().enumerate().map(verdict).collect()
}

/// The trust manager that Java's own HTTPS uses, with its check of the name.
const JAVA: &str = r#"
import java.io.*; import java.net.*; import java.security.*; import java.security.cert.*; import java.util.*; import javax.net.ssl.*;
public class Clients {
  public static void main(String[] a) throws Exception {
    CertificateFactory f = CertificateFactory.getInstance("X.509");
    for (int i = 0; i < a.length; i += 3) {
      try {
        KeyStore s = KeyStore.getInstance("PKCS12"); s.load(null, null);
        int n = 0;
        for (java.security.cert.Certificate c : f.generateCertificates(new FileInputStream(a[i]))) s.setCertificateEntry("r" + n++, c);
        TrustManagerFactory t = TrustManagerFactory.getInstance("PKIX"); t.init(s);
        X509ExtendedTrustManager m = (X509ExtendedTrustManager) t.getTrustManagers()[0];
        Collection<? extends java.security.cert.Certificate> c = f.generateCertificates(new FileInputStream(a[i + 1]));
        SSLEngine e = SSLContext.getDefault().createSSLEngine(a[i + 2], 443);
        SSLParameters p = e.getSSLParameters(); p.setEndpointIdentificationAlgorithm("HTTPS"); e.setSSLParameters(p);
        final SSLEngine g = e; final String host = a[i + 2];
        SSLSession session = new Session(host);
        m.checkServerTrusted(c.toArray(new X509Certificate[0]), "UNKNOWN", new Engine(g, session));
        System.out.println("good");
      } catch (CertificateException e) { System.out.println("refused: " + String.valueOf(e).replace('\n', ' ')); }
    }
  }
  static class Engine extends SSLEngine {
    final SSLEngine e; final SSLSession s;
    Engine(SSLEngine e, SSLSession s) { super(s.getPeerHost(), 443); this.e = e; this.s = s; }
    public SSLSession getHandshakeSession() { return s; }
    public SSLParameters getSSLParameters() { return e.getSSLParameters(); }
    public SSLEngineResult wrap(java.nio.ByteBuffer[] x, int o, int l, java.nio.ByteBuffer d) throws SSLException { return e.wrap(x, o, l, d); }
    public SSLEngineResult unwrap(java.nio.ByteBuffer x, java.nio.ByteBuffer[] d, int o, int l) throws SSLException { return e.unwrap(x, d, o, l); }
    public Runnable getDelegatedTask() { return null; } public void closeInbound() {} public boolean isInboundDone() { return false; }
    public void closeOutbound() {} public boolean isOutboundDone() { return false; }
    public String[] getSupportedCipherSuites() { return e.getSupportedCipherSuites(); } public String[] getEnabledCipherSuites() { return e.getEnabledCipherSuites(); }
    public void setEnabledCipherSuites(String[] x) {} public String[] getSupportedProtocols() { return e.getSupportedProtocols(); }
    public String[] getEnabledProtocols() { return e.getEnabledProtocols(); } public void setEnabledProtocols(String[] x) {}
    public SSLSession getSession() { return s; } public void beginHandshake() {} public SSLEngineResult.HandshakeStatus getHandshakeStatus() { return null; }
    public void setUseClientMode(boolean x) {} public boolean getUseClientMode() { return true; } public void setNeedClientAuth(boolean x) {}
    public boolean getNeedClientAuth() { return false; } public void setWantClientAuth(boolean x) {} public boolean getWantClientAuth() { return false; }
    public void setEnableSessionCreation(boolean x) {} public boolean getEnableSessionCreation() { return true; }
  }
  static class Session implements SSLSession {
    final String host; Session(String h) { host = h; }
    public byte[] getId() { return new byte[0]; } public SSLSessionContext getSessionContext() { return null; } public long getCreationTime() { return 0; }
    public long getLastAccessedTime() { return 0; } public void invalidate() {} public boolean isValid() { return true; }
    public void putValue(String n, Object v) {} public Object getValue(String n) { return null; } public void removeValue(String n) {}
    public String[] getValueNames() { return new String[0]; } public java.security.cert.Certificate[] getPeerCertificates() { return null; }
    public java.security.cert.Certificate[] getLocalCertificates() { return null; } public Principal getPeerPrincipal() { return null; }
    public Principal getLocalPrincipal() { return null; } public String getCipherSuite() { return "TLS_AES_128_GCM_SHA256"; }
    public String getProtocol() { return "TLSv1.3"; } public String getPeerHost() { return host; } public int getPeerPort() { return 443; }
    public int getPacketBufferSize() { return 16384; } public int getApplicationBufferSize() { return 16384; }
  }
}
"#;

const GO: &str = r#"
package main

import ("crypto/x509"; "encoding/pem"; "fmt"; "os")

func main() {
  for i := 1; i+2 < len(os.Args); i += 3 {
    roots, between := x509.NewCertPool(), x509.NewCertPool()
    text, _ := os.ReadFile(os.Args[i])
    roots.AppendCertsFromPEM(text)
    rest, _ := os.ReadFile(os.Args[i+1])
    block, rest := pem.Decode(rest)
    between.AppendCertsFromPEM(rest)
    leaf, err := x509.ParseCertificate(block.Bytes)
    if err == nil {
      _, err = leaf.Verify(x509.VerifyOptions{Roots: roots, Intermediates: between, DNSName: os.Args[i+2]})
    }
    if err == nil { fmt.Println("good") } else { fmt.Printf("refused: %q\n", err.Error()) }
  }
}
"#;

/// Where a CA's root lies.
pub fn root(ground: &Ground, ca: &str) -> PathBuf {
    ground.of_ca(ca, "root.pem")
}

/// The chain that `ca issue` wrote into a directory.
pub fn chain(ground: &Ground, directory: &str) -> PathBuf {
    Path::new(&ground.path(directory)).join("fullchain.pem")
}
