//! A web server with a self-signed certificate, and reseal configured to look after it with a CA of its own.

use crate::machine::Machine;

/// What lies where the server reads it, made as Debian's and vendors' packages do.
pub const VENDOR: &str = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 -subj /O=Vendor/CN=appliance \
     -addext subjectAltName=DNS:www.lan -addext basicConstraints=critical,CA:FALSE -keyout /etc/ssl/private/web.key -out /etc/ssl/web.pem 2>/dev/null";

const SITE: &str = "server { listen 127.0.0.1:443 ssl; server_name www.lan; ssl_certificate /etc/ssl/web.pem; \
     ssl_certificate_key /etc/ssl/private/web.key; location / { return 204; } }\n";

/// The issuer that is served now, as one line; empty where nobody answers.
pub const ISSUER: &str = "timeout 5 openssl s_client -connect 127.0.0.1:443 -servername www.lan </dev/null 2>/dev/null | \
     openssl x509 -noout -issuer 2>/dev/null";

/// Whether the certificate in the files belongs to the key in the files.
pub const PAIR: &str = "[ -n \"$(openssl x509 -in /etc/ssl/web.pem -noout -pubkey)\" ] && \
     [ \"$(openssl x509 -in /etc/ssl/web.pem -noout -pubkey)\" = \"$(openssl pkey -in /etc/ssl/private/web.key -pubout)\" ]";

/// nginx with the vendor's certificate.
pub fn vendor(machine: &Machine) {
    machine.write("/etc/nginx/sites-enabled/default", SITE);
    machine.must(VENDOR);
    machine.must("cp /etc/ssl/web.pem /root/vendor.pem && cp /etc/ssl/private/web.key /root/vendor.key");
    machine.must("systemctl restart nginx");
    assert!(machine.must(ISSUER).contains("Vendor"));
}

/// The same, with reseal's configuration and its CA, and nothing installed yet.
pub fn configured(machine: &Machine, more: &str) {
    vendor(machine);
    machine.write(
        "/etc/reseal/reseal.toml",
        &format!(
            "[defaults]\nverify_timeout = 10\n[[target]]\nname = \"web\"\nkind = \"nginx\"\nnames = [\"www.lan\"]\n{more}\
             [target.source]\nkind = \"local-ca\"\nca = \"office\"\n"
        ),
    );
    machine.must("umask 077; echo the passphrase of the test > /root/pass");
    machine.must("reseal ca init office --permit lan --passphrase-file /root/pass");
}

/// The same with a trusted certificate in place.
pub fn trusted(machine: &Machine, more: &str) {
    configured(machine, more);
    machine.must("reseal renew web --passphrase-file /root/pass");
    assert!(is_trusted(machine));
}

/// Whether what is served comes from the CA.
pub fn is_trusted(machine: &Machine) -> bool {
    machine.run(ISSUER).said.contains("office")
}
