//! A dry run of a renewal from a local CA asks for nothing and leaves no trace.

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;

use reseal::flow::{Options, Secrets, ca, renew};
use reseal::host::watch::Watch;
use reseal::outcome::{Exit, Outcome};
use support::World;

#[test]
fn a_dry_renewal_issues_nothing_and_needs_no_passphrase() {
    let world = World::new("[target.source]\nkind = \"local-ca\"\nca = \"office\"\n");
    let passphrase = world.path("passphrase");
    fs::write(&passphrase, "correct horse\n").unwrap();
    fs::set_permissions(&passphrase, fs::Permissions::from_mode(0o600)).unwrap();
    let secrets = Secrets { file: Some(passphrase), descriptor: None, may_prompt: false, remember: None };
    let options = Options { secrets, ..Options::default() };
    world.with(&world.host(), options.clone(), |session| {
        let permitted = vec!["localhost".parse().unwrap()];
        ca::init(session, "office", &ca::Init::new(permitted)).unwrap_or_else(|refusal| panic!("{}", refusal.why));
    });
    let issued = || {
        world.with(&world.host(), Options::default(), |session| {
            ca::show(session, Some("office")).unwrap_or_else(|refusal| panic!("{}", refusal.why))[0].issued
        })
    };

    let watch = Watch::with(|crossing| panic!("a dry run changes {crossing:?}"));
    let dry = Options { dry_run: true, ..Options::default() };
    let reports = world.with(&world.host().with_watch(watch), dry, |session| renew::run(session, &[]));
    let reports = reports.unwrap_or_else(|refusal| panic!("{}", refusal.why));
    assert!(matches!(reports[0].outcome, Outcome::Planned), "{reports:?}");
    let plan = reports[0].plan.as_ref().unwrap();
    assert_eq!(plan.files.len(), 2, "{plan:?}");
    assert_eq!((plan.backup, plan.generation, issued()), (1, 2, 0));

    let reports = world.with(&world.host(), options, |session| renew::run(session, &[]));
    let reports = reports.unwrap_or_else(|refusal| panic!("{}", refusal.why));
    assert_eq!(reports[0].outcome.exit(), Exit::Good, "{reports:?}");
    assert_eq!(issued(), 1, "in earnest it is issued once");
}
