//! Dead at every call to the disk while an account or an order is kept, and then run again: nothing that the server knows is lost.

use std::path::{Path, PathBuf};

use reseal::config::Config;
use reseal::event::Silence;
use reseal::flow::{self, Options, Session, acme, renew};
use reseal::host::Host;
use reseal::outcome::Exit;
use rustix::io::Errno;

use crate::bench::Bench;
use crate::pebble::{Pebble, Wish, start};
use crate::stub::Stub;
use crate::support::Faults;

fn with<T>(bench: &Bench, host: &Host, act: impl FnOnce(&mut Session<'_>) -> T) -> T {
    let path = bench.path("reseal.toml");
    let config = Config::parse(&std::fs::read_to_string(&path).unwrap(), Path::new("test.toml")).unwrap();
    let mut silence = Silence;
    let options = Options { wait: std::time::Duration::from_secs(5), ..Options::default() };
    act(&mut Session::new(host, &config, bench.path("live"), options, &mut silence))
}

fn create(bench: &Bench, host: &Host, directory: &str, root: PathBuf) -> Result<acme::AccountView, flow::Refusal> {
    let wanted = acme::Create {
        directory: directory.to_owned(),
        root: Some(root),
        contacts: Vec::new(),
        agreed: true,
        binding: None,
        binding_key: None,
    };
    with(bench, host, |session| acme::create(session, "default", &wanted))
}

fn accounts(pebble: &Pebble) -> usize {
    pebble.log().matches("There are now ").count()
}

/// A kill, or a disk that is full from some call on: the same command again has the account, and the server has one for it.
#[test]
fn an_account_survives_every_failing_call() {
    let Some(pebble) = start(Wish::default()) else { return };
    let mut registered_before_it_failed = 0;
    for at in 1.. {
        let bench = Bench::new(&["www.example.org"], "");
        let (faults, watch) = Faults::when(move |index, _| index >= at, Errno::NOSPC);
        let host = Host::new(bench.path("state")).with_watch(watch);
        let before = accounts(&pebble);
        let first = create(&bench, &host, &pebble.directory(), pebble.root());
        if faults.seen() < at {
            assert!(first.is_ok());
            break;
        }
        assert!(first.is_err(), "at call {at}");
        registered_before_it_failed += accounts(&pebble) - before;
        let clean = Host::new(bench.path("state"));
        let made = create(&bench, &clean, &pebble.directory(), pebble.root());
        let made = made.unwrap_or_else(|refusal| panic!("at call {at}: {refusal:?}"));
        assert!(made.url.is_some());
        assert_eq!(accounts(&pebble), before + 1, "at call {at}: the server has one account, and we have its key");
    }
    assert!(registered_before_it_failed > 2, "the server knew the key before the failure, some of the times");
}

/// The same for an order. Between the server's answer and the address on the disk, an order may be lost at the server; it is never more
/// than that one, and the pair in place always matches.
#[test]
fn an_order_survives_every_failing_call() {
    let stub = Stub::start();
    let mut lost = 0;
    for at in 1.. {
        let bench = Bench::new(&["www.example.org"], "listen = \"127.0.0.1:0\"");
        let clean = Host::new(bench.path("state"));
        create(&bench, &clean, &stub.directory(), stub.root()).unwrap();
        let (faults, watch) = Faults::when(move |index, _| index >= at, Errno::NOSPC);
        let host = Host::new(bench.path("state")).with_watch(watch);
        let orders = || stub.asked("/order").iter().filter(|one| one["identifiers"].is_array()).count();
        let before = orders();
        let first = with(&bench, &host, |session| renew::run(session, &[])).unwrap();
        if faults.seen() < at {
            assert_eq!(flow::exit(&first), Exit::Good);
            break;
        }
        assert!(bench.key().matches(&bench.leaf()), "at call {at}");
        let again = with(&bench, &clean, |session| renew::run(session, &[])).unwrap();
        assert_eq!(flow::exit(&again), Exit::Good, "at call {at}: {again:?}");
        assert_eq!(bench.names(), ["www.example.org"], "at call {at}");
        let placed = orders() - before;
        assert!((1..=2).contains(&placed), "at call {at}: {placed} orders");
        lost += placed - 1;
        // Every call of the engine is broken elsewhere; here, those up to the certificate and the first of its own.
        if at > 60 {
            break;
        }
    }
    assert!(lost < 10, "{lost} orders lost");
}
