//! What was typed. Nothing is looked up here.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Parser, Subcommand};

use crate::outcome::Exit;
use crate::report::nagios::Threshold;

pub use self::acme::{AccountVerb, AcmeVerb};
pub use self::backups::{BackupsVerb, Prune};
pub use self::ca::CaVerb;
pub use self::csr::Csr;
pub use self::export::{Export, FormWord};
pub use self::fitting::{Asked, HookVerb, ScheduleVerb, Side};
pub use self::global::{Colour, Format, Global};
pub use self::history::HistoryVerb;
pub use self::install::Install;
pub use self::key_type::KeyType;
pub use self::later::{Later, waiting};
pub use self::notify::NotifyVerb;
pub use self::retire::Retire;
pub use self::scan::Scan;
pub use self::secret::{Place, SecretVerb};
pub use self::servers::Servers;
pub use self::stage::{Activate, Maintain, Stage, When};
pub use self::trust::TrustVerb;

mod acme;
mod backups;
mod ca;
mod csr;
mod export;
mod fitting;
mod global;
mod history;
mod install;
mod key_type;
mod later;
mod notify;
mod retire;
mod scan;
mod secret;
mod servers;
mod stage;
mod trust;
mod verb;

/// The command line.
#[derive(Parser, Debug)]
#[command(
    name = "reseal",
    version,
    long_version = super::version::LONG,
    about = "Detects, replaces, proves and restores the TLS certificates of a server, as one transaction",
    after_help = exit_codes(),
    subcommand_required = true,
    arg_required_else_help = true,
    max_term_width = 110
)]
pub struct Cli {
    /// What holds for every verb.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

/// What to do.
#[derive(Subcommand, Debug)]
pub enum Verb {
    /// Tell what is wrong with targets, files or servers; changes nothing
    #[command(after_help = "\
Examples:
  reseal check                       every configured target
  reseal check web                   one of them
  reseal check ./fullchain.pem       a file; needs no configuration
  reseal check www.example.org:443   a server; needs no configuration
  reseal check -H www.example.org 192.0.2.7:443    at this address, asked for this name
  reseal check --format nagios -w 20 -c 10 www.example.org:443
  reseal check --format prometheus --output /var/lib/prometheus/node-exporter/reseal.prom")]
    Check {
        /// Target, file (with a `/` in its path, or existing) or HOST:PORT; none: every target
        subjects: Vec<OsString>,
        /// Write the result to this file, whole or not at all, instead of to standard output
        #[arg(long, short, value_name = "FILE")]
        output: Option<PathBuf>,
        /// With `--format nagios`: warn when less than this is left, in days (`20`) or percent of the lifetime (`10%`)
        #[arg(long, short, value_name = "LEFT")]
        warning: Option<Threshold>,
        /// With `--format nagios`: critical when less than this is left
        #[arg(long, short, value_name = "LEFT")]
        critical: Option<Threshold>,
        /// Whose trust to ask for: `system`, `none`, a [trust.NAME] of the configuration, or a file of roots [default: for
        /// servers `system`, for targets what the configuration says]
        #[arg(long, value_name = "WHO")]
        trust: Vec<String>,
        /// How servers are asked.
        #[command(flatten)]
        servers: Servers,
        /// Tell the channels of the configuration what was found, and what is gone
        #[arg(long)]
        notify: bool,
    },
    /// Write one HTML page on what `check` finds, to be read without a network and to be handed on
    #[command(after_help = "\
Examples:
  reseal report --html certificates.html                         every configured target
  reseal report --html page.html www.example.org:443 ./a.pem     servers and files
  reseal report --html page.html --from scan.jsonl               what was written by `--format jsonl`
It ends with 0 when the page was written, whatever is in it.")]
    Report {
        /// The page
        #[arg(long, value_name = "FILE")]
        html: PathBuf,
        /// Target, file or HOST:PORT, as for `check`; none: every target
        subjects: Vec<OsString>,
        /// Look at nothing: take what an earlier run wrote with `--format jsonl` or `--format json`
        #[arg(long, value_name = "FILE", conflicts_with = "subjects")]
        from: Option<PathBuf>,
        /// Whose trust to ask for: `system`, `none`, a [trust.NAME] of the configuration, or a file of roots [default: for
        /// servers `system`, for targets what the configuration says]
        #[arg(long, value_name = "WHO")]
        trust: Vec<String>,
        /// How servers are asked.
        #[command(flatten)]
        servers: Servers,
    },
    /// Tell the same of every file below folders and of many servers, while they are looked at; needs no configuration
    Scan(Later<Scan>),
    /// Bring targets to the wanted state: obtain, install, reload, prove, or undo
    #[command(after_help = "\
Examples:
  reseal renew                   every target; those with nothing to do are not touched
  reseal renew web --dry-run     the whole plan, with digests and commands
  reseal renew web --live        ask the server too, even where the files are what was proved before")]
    Renew {
        /// Targets; none: all
        names: Vec<String>,
        /// Ask the servers even where the files are what was proved before
        #[arg(long)]
        live: bool,
        /// Keep the private key
        #[arg(long)]
        keep_key: bool,
    },
    /// Put a certificate that is at hand in place
    #[command(after_help = "\
Examples:
  reseal install web --cert new.pem --key new.key --chain ca.pem
  reseal install web --from fullchain.pem --from privkey.pem     any packing; reseal sorts the chain
  reseal install web --cert new.pem --keep-key                   the key in place stays
  reseal install web --signed answer.p7b                         the answer to `reseal csr web`")]
    Install(Later<Install>),
    /// Obtain and check what comes next, and keep it; the service goes on as it is
    Stage(Later<Stage>),
    /// Put in place what was staged: the short part
    Activate(Later<Activate>),
    /// All that is due, for a timer: recover, activate, renew or make ready, and tell
    Maintain(Later<Maintain>),
    /// Ask a CA elsewhere: a key that stays here, and the request to be signed
    #[command(after_help = "\
Examples:
  reseal csr web                       print the request, or the same one that waits already
  reseal csr web --out web.csr
  reseal install web --signed FILE     what the CA sent back: PEM, DER, p7b, with or without its chain
  reseal csr web --forget 2            drop a request that nobody will answer")]
    Csr(Later<Csr>),
    /// Write a target's certificate and key in the form that something else wants
    #[command(after_help = "\
Examples:
  reseal export web --form p12 --out web.p12 --passphrase-file pp
  reseal export web 3 --form jks --out web.jks --passphrase-file pp    generation 3 of `reseal backups web`
  reseal export web --form pem --no-key --out chain.pem")]
    Export(Later<Export>),
    /// Put an earlier generation back, guarded like an install
    #[command(after_help = "\
Examples:
  reseal restore web          what was committed last; where that is in place, the newest good one before it
  reseal restore web 3        generation 3 of `reseal backups web`")]
    Restore {
        /// The target
        name: String,
        /// The generation's number
        #[arg(value_parser = backups::number)]
        generation: Option<u32>,
    },
    /// Finish or undo what an interrupted run has left; every changing verb begins with it
    Recover {
        /// The target; none: all
        name: Option<String>,
        /// Before the services start: files only, no command is run
        #[arg(long)]
        boot: bool,
        /// Close this target's interrupted transaction by keeping what is there now
        #[arg(long, value_name = "NAME", conflicts_with_all = ["name", "boot"])]
        accept: Option<String>,
    },
    /// List the kept generations; verify, pin, unpin, prune
    #[command(
        args_conflicts_with_subcommands = true,
        disable_help_subcommand = true,
        after_help = "\
Examples:
  reseal backups                 of every target
  reseal backups web
  reseal backups verify web      every byte held against its digest
  reseal backups pin web 3       `prune` leaves it alone
  reseal backups -- verify       of a target that is called `verify`"
    )]
    Backups {
        /// Targets; none: all
        names: Vec<String>,
        /// What to do with them.
        #[command(subcommand)]
        act: Option<BackupsVerb>,
    },
    /// Remove old generations
    Prune(Later<Prune>),
    /// Tell what was done, when, by whom and why; verify the record
    #[command(
        args_conflicts_with_subcommands = true,
        disable_help_subcommand = true,
        after_help = "\
Examples:
  reseal history                 of every target
  reseal history web
  reseal history verify          whether the record is whole; keep the digest it prints elsewhere
  reseal history -- verify       of a target that is called `verify`"
    )]
    History {
        /// Targets; none: all
        names: Vec<String>,
        /// What to do with it.
        #[command(subcommand)]
        act: Option<HistoryVerb>,
    },
    /// Tell how every target stands, without asking any server
    Status {
        /// Targets; none: all
        names: Vec<String>,
    },
    /// Find the services of this machine and write a first configuration
    Init {
        /// Where to write it, instead of where reseal looks for it
        #[arg(long, short, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Before an upgrade of the product: keep what is there; where nothing is wrong with it, it is the wanted state
    #[command(after_help = "\
Examples:
  reseal snapshot            every target
  reseal snapshot web        also where reseal did not install the certificate")]
    Snapshot {
        /// Targets; none: all
        names: Vec<String>,
    },
    /// After an upgrade of the product: tell what it did to the certificates, and put the wanted ones back
    #[command(after_help = "\
Examples:
  reseal post-upgrade                     every target; ends with 0, whatever it finds
  reseal post-upgrade web --strict        one of them; ends with the code of what became of it
  reseal post-upgrade --limit 60 --up 5   where the upgrade waits for it
  reseal post-upgrade --pending --idle    what a hook has left, once no package manager runs")]
    PostUpgrade {
        /// Targets; none: all
        names: Vec<String>,
        /// End with the code of `reseal --help`; otherwise with 0, so that no upgrade fails because of it
        #[arg(long)]
        strict: bool,
        /// The time for all of it: no further target is begun after this, and what the one under way waits for is cut to it
        #[arg(long, value_name = "SECONDS", default_value_t = 600, value_parser = clap::value_parser!(u32).range(1..=86_400))]
        limit: u32,
        /// How long a server that served something before the upgrade may take to come up
        #[arg(long, value_name = "SECONDS", default_value_t = 90, value_parser = clap::value_parser!(u32).range(0..=3600))]
        up: u32,
        /// Only where a hook has told of an upgrade that nobody has looked at yet
        #[arg(long, conflicts_with = "names")]
        pending: bool,
        /// First wait until no package manager is at work, for ten minutes at most
        #[arg(long)]
        idle: bool,
    },
    /// Let one rename switch certificate and key together
    Adopt {
        /// The target
        name: String,
        /// Plain files again
        #[arg(long)]
        undo: bool,
    },
    /// Make or take over a certificate authority of your own, and use it
    Ca {
        /// What to do with it.
        #[command(subcommand)]
        act: Later<CaVerb>,
    },
    /// Make, show and change accounts at certificate authorities that speak ACME
    Acme {
        /// What to do.
        #[command(subcommand)]
        act: Later<AcmeVerb>,
    },
    /// Keep, show and drop the passphrases that reseal needs
    Secret {
        /// What to do.
        #[command(subcommand)]
        act: Later<SecretVerb>,
    },
    /// Let clients of this machine trust a CA, in the system's store, in Java's or in a browser's; and no longer
    Trust {
        /// What to do.
        #[command(subcommand)]
        act: Later<TrustVerb>,
    },
    /// Let no store trust a CA any more that nobody is seen using; or refuse, and tell who uses it
    Retire(Later<Retire>),
    /// Let this system start reseal by the clock
    Schedule {
        /// What to do.
        #[command(subcommand)]
        act: Later<ScheduleVerb>,
    },
    /// Let package managers and installers tell reseal of upgrades (for programs of yours around a change: docs/hooks.md)
    Hook {
        /// What to do.
        #[command(subcommand)]
        act: Later<HookVerb>,
    },
    /// Test the channels that tell people, and tell how it stands with them
    Notify {
        /// What to do.
        #[command(subcommand)]
        act: Later<NotifyVerb>,
    },
    /// See it all at work on a server of its own: no root, no network, no configuration
    Demo,
    /// The server of `demo`, and its reload command.
    #[command(hide = true)]
    DemoServer {
        /// Its directory
        root: PathBuf,
        /// Tell the running one to read its files again
        #[arg(long)]
        reload: bool,
    },
}

fn exit_codes() -> String {
    let mut text = String::from("Exit codes (the worst, where a run has several targets):");
    for (exit, meaning) in Exit::TABLE {
        text.push_str(&format!("\n  {:>2}  {meaning}", exit.code()));
    }
    text
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn parse(line: &str) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(std::iter::once("reseal").chain(line.split_whitespace()))
    }

    fn word(line: &str) -> &'static str {
        parse(line).unwrap_or_else(|error| panic!("{line}: {error}")).verb.word()
    }

    #[test]
    fn the_definition_holds_together() {
        Cli::command().debug_assert();
    }

    #[test]
    fn lines_that_people_type() {
        for (line, verb) in [
            ("check", "check"),
            ("check web ./a.pem example.org:443", "check"),
            ("--format json check", "check"),
            ("check --format nagios -w 20d -c 10% a.example:443", "check"),
            ("check --format prometheus -o reseal.prom", "check"),
            ("check --notify web", "check"),
            ("report --html x.html", "report"),
            ("report --html x.html a.example:443 web", "report"),
            ("report --html x.html --from scan.jsonl", "report"),
            ("scan /etc", "scan"),
            ("scan --list - -0 --format jsonl -q", "scan"),
            ("scan a:443 10.1.2.0/24:443 --concurrency 64 --timeout 5 --rate 100 -x --follow", "scan"),
            ("renew --live web", "renew"),
            ("install web --cert a --key b --chain c", "install"),
            ("install --from a --from b web --keep-key", "install"),
            ("install --signed a.p7b --signed b.pem web", "install"),
            ("install web --cert a --key b --chain c --chain d", "install"),
            ("stage web", "stage"),
            ("stage web --at 2026-12-05T02:00:00Z --cert a --key b --chain c", "stage"),
            ("stage --signed a.p7b web", "stage"),
            ("stage web --drop", "stage"),
            ("activate", "activate"),
            ("activate web mail --at 2026-12-05T02:00 --tz UTC", "activate"),
            ("maintain --dry-run", "maintain"),
            ("csr web", "csr"),
            ("export web 3 --form p12 --out x --alias y --legacy", "export"),
            ("export web --form pem --no-key -o x", "export"),
            ("csr web --key-type rsa2048 --subject C=DE --subject O=X --another -o x", "csr"),
            ("csr web --forget 2", "csr"),
            ("csr web --output x", "csr"),
            ("export web --form pem --output x", "export"),
            ("restore web 3", "restore"),
            ("recover --accept web", "recover"),
            ("recover --boot", "recover"),
            ("backups", "backups"),
            ("backups web", "backups"),
            ("backups verify web", "backups verify"),
            ("backups pin web 3", "backups pin"),
            ("backups unpin web 3", "backups unpin"),
            ("backups prune web --keep 2", "prune"),
            ("backups -- verify", "backups"),
            ("prune --keep 2", "prune"),
            ("history", "history"),
            ("history verify", "history verify"),
            ("history -- verify", "history"),
            ("status web -q", "status"),
            ("init --output x", "init"),
            ("snapshot web", "snapshot"),
            ("post-upgrade --strict --limit 60 --up 5", "post-upgrade"),
            ("adopt web --undo --dry-run", "adopt"),
            ("ca init --permit lan --permit 10.0.0.0/8 office --years 5", "ca init"),
            ("ca init office --permit lan --intermediate --crl-url http://a/b --issuer-url http://a/c", "ca init"),
            ("ca import --cert a --key b --chain c --chain d --permit lan corp --key-passphrase-file p", "ca import"),
            ("ca show", "ca show"),
            ("ca issue office a.lan b.lan --output /x", "ca issue"),
            ("ca sign --name a.lan --name b.lan office a.csr --days 30 -o x --allow-wildcards", "ca sign"),
            ("ca revoke office 4f:0a --reason key-compromise", "ca revoke"),
            ("ca crl office --der --out x --days 7 --root 1", "ca crl"),
            ("ca rekey office --key-type p384 --years 5", "ca rekey"),
            ("ca rekey office --switch --dry-run", "ca rekey"),
            ("ca rekey office --retire --force", "ca rekey"),
            ("ca export office --root 1 --der -o x", "ca export"),
            ("ca export office --root-key x --take-off", "ca export"),
            ("secret set ca-office --in kernel --minutes 60 --passphrase-file p", "secret set"),
            ("secret set --dry-run ca-office", "secret set"),
            ("secret status", "secret status"),
            ("secret status ca-office source-web --format json", "secret status"),
            ("secret forget ca-office --in kernel", "secret forget"),
            ("renew --remember web", "renew"),
            ("renew --remember=60 web", "renew"),
            ("trust install a.pem --store os --store java:/x --name a", "trust install"),
            ("trust install --ca office --dry-run", "trust install"),
            ("trust list --store nss:/x", "trust list"),
            ("trust remove a --store java:/x", "trust remove"),
            ("retire a --store java:/x --seen a.lan:443 --seen smtp://b.lan --force", "retire"),
            ("retire --ca office --dry-run", "retire"),
            ("notify test", "notify test"),
            ("notify test ops --dry-run", "notify test"),
            ("notify status --format json", "notify status"),
            ("restore trust:os 2", "restore"),
            ("backups trust:java:/x", "backups"),
            ("schedule install", "schedule install"),
            ("schedule install cron --dry-run", "schedule install"),
            ("schedule status -q", "schedule status"),
            ("schedule remove systemd --force", "schedule remove"),
            ("schedule show windows", "schedule show"),
            ("hook install directory:/opt/x.d", "hook install"),
            ("hook status", "hook status"),
            ("hook remove apt", "hook remove"),
            ("hook show rpm", "hook show"),
            ("hook fire before --packages", "hook fire"),
            ("hook fire after --begun", "hook fire"),
            ("post-upgrade --pending --idle", "post-upgrade"),
            ("restore schedule:systemd 3", "restore"),
            ("demo", "demo"),
            ("demo-server /x --reload", "demo-server"),
        ] {
            assert_eq!(word(line), verb, "{line}");
        }
    }

    #[test]
    fn servers_are_asked_as_the_line_says() {
        for line in ["check -H www.example.org -t 2 a:443", "report --html x --name - --timeout 60 a:443"] {
            let (Verb::Check { servers, .. } | Verb::Report { servers, .. }) = parse(line).unwrap().verb else {
                panic!("{line}")
            };
            assert!(servers.name.is_some() && servers.timeout.is_some(), "{line}: {servers:?}");
        }
    }

    #[test]
    fn lines_that_mean_nothing() {
        for line in [
            "",
            "check -w soon",
            "check --format xml",
            "report",
            "report --html",
            "report --html x --from y web",
            "scan",
            "scan -0 /etc",
            "scan --timeout 0 a:443",
            "install web",
            "install web --key k",
            "install web --cert a --from b",
            "install web --cert a --key b --keep-key",
            "install web --signed a --key b",
            "install web --signed a --chain b",
            "install web --from a --key b",
            "install web --from a b",
            "install web --signed a b",
            "stage",
            "stage web --tz UTC",
            "stage web --key k",
            "stage web --drop --at 2026-12-05T02:00:00Z",
            "stage web --cert a --from b",
            "activate --tz UTC",
            "restore",
            "restore web ../../x",
            "restore web -1",
            "recover web --accept web",
            "prune --keep 0",
            "check -q -v",
            "check --passphrase-fd -3",
            "check --passphrase-fd 3 --passphrase-file x",
            "chekc",
            "secret",
            "secret set",
            "secret set ca-office --in drawer",
            "secret set ca-office --minutes 0",
            "secret set ca-office --minutes 1441",
            "secret forget",
            "renew --remember=0",
            "ca",
            "ca init office",
            "ca init office --permit *.lan",
            "ca init one --permit lan two",
            "ca import corp --cert a",
            "ca issue office",
            "ca issue office a.lan --key-type dsa",
            "ca sign office",
            "ca revoke office 4f --reason because",
            "ca rekey office --switch --retire",
            "ca rekey office --switch --key-type p256",
            "ca export office --take-off",
            "ca export office --root-key x --der",
            "trust",
            "trust install",
            "trust install a.pem --ca office",
            "trust install a.pem --store windows",
            "trust remove",
            "retire",
            "retire a --ca office",
            "retire a --seen b",
            "schedule",
            "schedule show",
            "hook",
            "hook fire",
            "hook fire during",
            "post-upgrade --pending web",
            "notify",
            "notify test a b",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
    }

    #[test]
    fn examples_of_verbs_with_verbs_fit_a_terminal() {
        let mut cli = Cli::command();
        cli.build();
        let both = ["ca", "trust", "schedule", "hook", "notify"]
            .map(|verb| cli.find_subcommand(verb).unwrap().get_subcommands());
        for verb in both.into_iter().flatten().filter(|verb| verb.get_name() != "help") {
            let examples = verb.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(examples.starts_with("Examples:\n"), "{}", verb.get_name());
            for line in examples.lines() {
                assert!(line.chars().count() <= 80, "{line}");
                let words = line.trim().trim_start_matches("reseal ").split(['>', '#']).next().unwrap_or_default();
                let words = words.split("  ").next().unwrap_or_default();
                assert!(line == "Examples:" || parse(words).is_ok(), "{line}");
            }
        }
    }

    #[test]
    fn inputs_keep_their_order() {
        let Verb::Install(install) = parse("install web --chain c --key b --cert a").unwrap().verb else { panic!() };
        assert_eq!(install.inputs(), ["a", "b", "c"].map(PathBuf::from));
    }
}
