//! What reseal's own work costs: reading a certificate, a timer run over many targets with nothing to do, an install held against the
//! bare cost of the calls it must make, and issuing from a local CA held against the making of its key.

#[path = "../tests/support/mod.rs"]
mod support;

use std::fs::{self, File, OpenOptions};
use std::hint::black_box;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::{Arc, Mutex};

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use reseal::cert::{Generate, PrivateKey, codec};
use reseal::change::Role;
use reseal::config::Config;
use reseal::event::Silence;
use reseal::flow::{Options, Secrets, Session, ca, install, renew};
use reseal::host::watch::{Act, Crossing, Watch};
use reseal::outcome::Exit;
use support::{World, pair};

fn reading(criterion: &mut Criterion) {
    let text = pair(90).certificate;
    criterion.bench_function("read one PEM certificate", |bench| {
        bench.iter(|| codec::read(black_box(text.as_bytes()), None).unwrap().certificates.len());
    });
}

/// 200 targets that were installed once and are good.
fn timer(criterion: &mut Criterion) {
    let world = World::new("");
    let root = world.dir.path();
    let fresh = pair(300);
    let inputs = world.bring(&fresh);
    let mut text = format!("[defaults]\nstate_dir = \"{0}/state\"\nlive_dir = \"{0}/live\"\n", root.display());
    for index in 0..200 {
        let dir = root.join(format!("t{index}"));
        fs::create_dir(&dir).unwrap();
        text.push_str(&format!(
            "[[target]]\nname = \"t{index}\"\nkind = \"files\"\nnames = [\"localhost\"]\ncertificate = \"{0}/c.pem\"\nkey = \"{0}/k.pem\"\n",
            dir.display()
        ));
    }
    let config = Config::parse(&text, Path::new("bench.toml")).unwrap_or_else(|error| panic!("{error}"));
    let host = world.host();
    for index in 0..200 {
        let mut silence = Silence;
        let mut session = Session::new(&host, &config, root.join("live"), Options::default(), &mut silence);
        let report = install::run(&mut session, &format!("t{index}"), &inputs);
        assert_eq!(report.outcome.exit(), Exit::Good, "{report:?}");
    }
    criterion.bench_function("renew 200 targets, nothing to do", |bench| {
        bench.iter(|| {
            let mut silence = Silence;
            let mut session = Session::new(&host, &config, root.join("live"), Options::default(), &mut silence);
            renew::run(&mut session, &[]).unwrap().len()
        });
    });
}

fn installing(criterion: &mut Criterion) {
    // On a real disk: what counts here is what syncing costs.
    let world = World::on_disk("");
    let inputs = [world.bring(&pair(90)), bring_second(&world)];
    let log: Arc<Mutex<Vec<Crossing>>> = Arc::default();
    let noted = Arc::clone(&log);
    let watch = Watch::with(move |crossing| {
        noted.lock().unwrap().push(crossing.clone());
        Ok(())
    });
    for files in &inputs {
        assert_eq!(world.install(&world.host(), files).outcome.exit(), Exit::Good);
    }
    assert_eq!(world.install(&world.host().with_watch(watch), &inputs[0]).outcome.exit(), Exit::Good);
    let acts: Vec<Act> = log.lock().unwrap().iter().map(|crossing| crossing.act).collect();
    let mut group = criterion.benchmark_group("install");
    group.sample_size(60);
    let mut turn = 0;
    group.bench_function("reseal install, no server", |bench| {
        bench.iter(|| {
            turn += 1;
            let report = world.install(&world.host(), &inputs[turn % 2]);
            assert_eq!(report.outcome.exit(), Exit::Good, "{report:?}");
        });
    });
    let scratch = tempfile::TempDir::new().unwrap();
    let mut round = 0;
    group.bench_function("the bare calls of it", |bench| {
        bench.iter_batched(
            || {
                round += 1;
                let dir = scratch.path().join(round.to_string());
                fs::create_dir(&dir).unwrap();
                dir
            },
            |dir| replay(&acts, &dir),
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

/// From an opened CA: written down in its record, synced, and then the two files, synced.
fn issuing(criterion: &mut Criterion) {
    let world = World::on_disk("");
    let passphrase = world.path("passphrase");
    fs::write(&passphrase, "correct horse").unwrap();
    fs::set_permissions(&passphrase, fs::Permissions::from_mode(0o600)).unwrap();
    let host = world.host();
    let secrets = Secrets { file: Some(passphrase), ..Secrets::default() };
    let options = Options { secrets, ..Options::default() };
    let mut silence = Silence;
    let mut session = Session::new(&host, &world.config, world.path("live"), options, &mut silence);
    let founding = ca::Init {
        permitted: vec!["example.org".parse().unwrap()],
        common_name: None,
        years: 10,
        key: Generate::P256,
        path_length: 0,
        intermediate: false,
        published: ca::Published::default(),
        store_keyring: false,
    };
    ca::init(&mut session, "office", &founding).unwrap_or_else(|refusal| panic!("{refusal:?}"));
    let mut authorities = ca::Authorities::default();
    let mut group = criterion.benchmark_group("issue");
    let mut number = 0;
    for kind in [Generate::P256, Generate::Rsa2048] {
        group.bench_function(format!("{kind} key and certificate, recorded, two files, all synced"), |bench| {
            bench.iter(|| {
                number += 1;
                let names = vec![format!("h{number}.example.org").parse().unwrap()];
                let wanted = ca::Wanted { names, days: 90, key: ca::LeafKey::Make(kind), target: None };
                let bundle = authorities.obtain(&mut session, "office", wanted).unwrap();
                for (name, role) in [("crt", Role::FullChain), ("key", Role::Key)] {
                    let mut file = File::create(world.path(&format!("{number}.{name}"))).unwrap();
                    file.write_all(bundle.content(role).expose()).unwrap();
                    file.sync_all().unwrap();
                }
            });
        });
        group.bench_function(format!("{kind} key alone"), |bench| {
            bench.iter(|| PrivateKey::generate(kind).unwrap());
        });
    }
    group.finish();
}

fn bring_second(world: &World) -> Vec<std::path::PathBuf> {
    let second = pair(80);
    let files = vec![world.path("second.pem"), world.path("second.key")];
    fs::write(&files[0], second.certificate).unwrap();
    fs::write(&files[1], second.key).unwrap();
    files
}

/// The same kinds of calls in the same order, and nothing else.
fn replay(acts: &[Act], dir: &Path) {
    let held = File::open(dir).unwrap();
    let mut name = dir.join("0");
    let mut file = OpenOptions::new().create(true).append(true).open(&name).unwrap();
    for (index, act) in acts.iter().enumerate() {
        match act {
            Act::Create => {
                name = dir.join(index.to_string());
                file = OpenOptions::new().create(true).append(true).open(&name).unwrap();
            }
            Act::Write => file.write_all(&[b'x'; 1500]).unwrap(),
            Act::SyncFile => file.sync_all().unwrap(),
            Act::SyncDir => held.sync_all().unwrap(),
            Act::Rename => {
                let renamed = dir.join(format!("r{index}"));
                fs::rename(&name, &renamed).unwrap();
                name = renamed;
            }
            Act::Link => std::os::unix::fs::symlink("x", dir.join(format!("l{index}"))).unwrap(),
            Act::MakeDir => fs::create_dir(dir.join(format!("d{index}"))).unwrap(),
            Act::Unlink => {
                let gone = dir.join(format!("u{index}"));
                fs::write(&gone, b"").unwrap();
                fs::remove_file(gone).unwrap();
            }
            Act::Attributes | Act::RemoveDir | Act::Truncate | Act::Run => {}
        }
    }
}

criterion_group!(benches, reading, timer, installing, issuing);
criterion_main!(benches);
