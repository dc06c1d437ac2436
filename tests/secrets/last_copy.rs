//! No passphrase is made, replaced or lost while something is locked with the old one.

use crate::ground::{Ground, answer, state, timed};
use crate::session::Session;

/// With an encrypted key on the disk, whatever the keyring says: no verb makes a CA anew, none keeps another passphrase for it.
#[test]
fn no_verb_puts_another_passphrase_beside_an_encrypted_key() {
    let Some(mut session) = Session::unlocked() else { return };
    let ground = Ground::new();
    ground.write("other", "another passphrase\n", 0o600);
    let openssl = |line: &str| {
        let ran = timed(std::process::Command::new("openssl").args(line.split(' ')).current_dir(ground.path("")));
        assert_eq!(ran.code, Some(0), "{ran:#?}");
    };
    openssl(
        "req -x509 -newkey rsa:2048 -nodes -keyout corp.key -subj /CN=corp -addext keyUsage=keyCertSign,cRLSign -days 99 -out corp.pem",
    );
    let root = ground.path("").display().to_string();
    ground.write(
        "reseal.toml",
        format!(
            "[[target]]\nname = \"web\"\nkind = \"files\"\nnames = [\"www.example.org\"]\ncertificate = \"{root}/web.pem\"\n\
             key = \"{root}/web.key\"\n[target.source]\nkind = \"local-ca\"\nca = \"office\"\n"
        ),
        0o644,
    );
    let lines = [
        "ca init office --permit example.org --store-keyring",
        "ca init office --permit example.org --store-keyring --force",
        "ca import office --cert corp.pem --key corp.key --permit example.org --store-keyring",
        "ca rekey office",
        "ca crl office",
        "ca issue office www.example.org --output .",
        "secret set ca-office",
        "secret set ca-office --in kernel",
        "secret set ca-office --force",
        "renew web",
    ];
    let key = ground.tree("state/ca");
    let try_all = |session: &Session, how: &str| {
        for line in lines {
            for given in ["", " --passphrase-file other"] {
                let ran = timed(&mut session.command(&ground, &format!("{line}{given}")));
                assert!(matches!(ran.code, Some(2 | 4)), "{how}: {line}{given}: {ran:#?}");
            }
        }
        assert_eq!(ground.tree("state/ca"), key, "{how}");
    };
    try_all(&session, "not stored");
    let told = answer(&mut session.command(&ground, "--format json secret status ca-office"));
    assert_eq!((state(&told, "keyring").as_str(), state(&told, "kernel").as_str()), ("absent", "absent"));

    timed(&mut session.command(&ground, "secret set ca-office --passphrase-file pass")).ends(0);
    session.restart_locked();
    try_all(&session, "locked");

    // Also where the rest of the CA is damaged: its key is still worth its passphrase.
    std::fs::remove_file(ground.path("state/ca/office/profile")).unwrap();
    for line in ["ca init office --permit example.org --store-keyring", "secret set ca-office --force"] {
        let ran = timed(&mut session.command(&ground, &format!("{line} --passphrase-file other")));
        assert_eq!(ran.code, Some(4), "{line}: {ran:#?}");
    }
}

/// What the keyring has under a label may open a CA that was moved away, or that another user of the same session has.
#[test]
fn what_the_keyring_has_is_not_replaced_by_a_new_ca() {
    let Some(session) = Session::unlocked() else { return };
    let (here, there) = (Ground::new(), Ground::bare());
    timed(&mut session.command(&here, "secret set ca-office --passphrase-file pass")).ends(0);
    there.write("other", "another passphrase\n", 0o600);
    timed(&mut session.command(&there, "ca init office --permit example.org --store-keyring --passphrase-file other"))
        .ends(4)
        .says(&["it has another one as ca-office", "secret forget ca-office"]);
    assert!(!there.path("state/ca/office").exists(), "nothing was made");
    timed(&mut session.command(&there, "secret set ca-office --passphrase-file other"))
        .ends(4)
        .says(&["the keyring has another passphrase as ca-office", "--force"]);
    timed(&mut session.command(&here, "ca crl office")).ends(0);

    timed(&mut session.command(&there, "ca init second --permit example.org --store-keyring --passphrase-file other"))
        .ends(0);
    timed(&mut session.command(&there, "ca crl second")).ends(0);
    timed(&mut session.command(&there, "secret set ca-office --passphrase-file other --force"))
        .ends(0)
        .says(&["in place of another", "nothing here is locked with it"]);
}

/// A copy that a person made by hand, where the configuration says: that is proof enough.
#[test]
fn a_source_that_has_it_lets_the_keyring_forget() {
    let Some(session) = Session::unlocked() else { return };
    let ground = Ground::new();
    timed(&mut session.command(&ground, "secret set ca-office --passphrase-file pass")).ends(0);
    let file = format!("[ca.office]\npassphrase_file = \"{}\"\n", ground.path("pass").display());
    ground.write("reseal.toml", &file, 0o644);
    let told = timed(&mut session.command(&ground, "secret status")).ends(0);
    assert!(
        told.out.contains("from the file") && told.out.contains("mode 0600") && !told.out.contains("keyring"),
        "{told:#?}"
    );
    timed(&mut session.command(&ground, "secret forget ca-office")).ends(0).says(&["removed from the keyring"]);
    ground.run("ca crl office").ends(0);
    ground.write("pass", "no longer it\n", 0o600);
    ground.run("secret status").ends(3).says(&["the file has another one", "opens not  the CA office"]);
}

/// A file beside the one that is locked is being rewritten: it may be locked all the same, and nothing is dropped for it.
#[test]
fn files_that_cannot_be_read_are_no_proof_that_nothing_is_locked() {
    let ground = Ground::bare();
    let root = ground.path("").display().to_string();
    let config = format!(
        "[[target]]\nname = \"web\"\nkind = \"files\"\nnames = [\"www.example.org\"]\ncertificate = \"{root}/web.pem\"\n\
         key = \"{root}/web.key\"\n[target.source]\nkind = \"import\"\nfrom = [\"{root}/a.pem\"]\n"
    );
    ground.write("reseal.toml", config, 0o644);
    ground.write("a.pem", "garbage\n", 0o644);
    ground.run("secret status").ends(3).says(&["cannot tell whether the files of target web are locked"]);
    ground.run("secret forget source-web").ends(4).says(&["cannot tell whether"]);
}
