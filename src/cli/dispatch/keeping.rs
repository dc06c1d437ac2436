//! `acme account`, `secret`, `trust`, `retire` and `notify`: what is kept beside the targets.

use std::path::Path;
use std::time::Duration;

use super::{Told, changes};
use crate::cli::args::{AccountVerb, NotifyVerb, Place, Retire, SecretVerb, TrustVerb};
use crate::flow::{Session, acme, ca, notify, retire, secret, trust};
use crate::host::Host;
use crate::host::passphrase::Explicit;
use crate::host::trusted_file;
use crate::outcome::{Exit, explain};
use crate::report::{Body, Failure};
use crate::trust::Store;

pub(super) fn account(session: &mut Session<'_>, act: &AccountVerb) -> Told {
    let accounts = match act {
        AccountVerb::Show { name } => acme::show(session, name.as_deref())?,
        AccountVerb::Create(typed) => {
            let root = typed.root.as_deref().map(trusted_file::absolute).transpose();
            let file = typed.eab_key_file.clone().map(Explicit::File);
            let wanted = acme::Create {
                directory: typed.directory.clone(),
                root: root.map_err(|error| Failure::usage(explain(&error), None))?,
                contacts: typed.contact.clone(),
                agreed: typed.agree_terms,
                binding: typed.eab_kid.clone(),
                binding_key: file.or(typed.eab_key_fd.map(Explicit::Fd)),
            };
            vec![acme::create(session, &typed.name, &wanted)?]
        }
        AccountVerb::RollKey { name } => vec![acme::roll_key(session, name)?],
        AccountVerb::Deactivate { name } => vec![acme::deactivate(session, name)?],
    };
    Ok((Exit::Good, Body::Accounts(accounts)))
}

pub(super) fn passphrase(session: &Session<'_>, act: &SecretVerb) -> Told {
    let remembered = session.options.secrets.remember.is_some();
    match act {
        SecretVerb::Set { place: Place::Kernel, .. } if remembered => {
            let hint = "leave it out: `--minutes` says how long the kernel keeps it".to_owned();
            Err(Failure::usage("--remember is not needed with --in kernel", Some(hint)))
        }
        SecretVerb::Set { place: Place::Keyring, minutes: Some(_), .. } => {
            let hint = "leave it out, or add `--in kernel`".to_owned();
            Err(Failure::usage("--minutes can only be used with --in kernel", Some(hint)))
        }
        SecretVerb::Set { label, place, minutes } => {
            let kept = match place {
                Place::Keyring => secret::Kept::Keyring,
                Place::Kernel => {
                    let lifetime = minutes.map_or(ca::REMEMBERED, |minutes| Duration::from_secs(minutes * 60));
                    secret::Kept::Kernel(lifetime)
                }
            };
            Ok((Exit::Good, Body::Kept(vec![secret::set(session, label, kept)?])))
        }
        SecretVerb::Status { labels } => {
            let views = secret::status(session, labels)?;
            let exit = if views.iter().all(secret::SecretView::good) { Exit::Good } else { Exit::Findings };
            Ok((exit, Body::Secrets(views)))
        }
        SecretVerb::Forget { label, place } => {
            let only = place.map(|place| match place {
                Place::Keyring => secret::Place::Keyring,
                Place::Kernel => secret::Place::Kernel,
            });
            Ok((Exit::Good, Body::Kept(secret::forget(session, label, only)?)))
        }
    }
}

pub(super) fn trusted(session: &mut Session<'_>, act: &TrustVerb) -> Told {
    let host = session.host;
    let placed = |stores: &[Store]| placed(host, stores);
    match act {
        TrustVerb::Install { file, ca, store, name } => {
            let source = match (file, ca) {
                (Some(file), _) => trust::Source::File(file.clone()),
                (None, ca) => trust::Source::Authority(ca.clone().unwrap_or_default()),
            };
            let wanted = trust::Install { source, name: name.clone(), stores: placed(store)? };
            Ok(changes(trust::install(session, &wanted)?))
        }
        TrustVerb::List { store } => {
            let trust::Listed { anchors, unread } = trust::list(session, &placed(store)?)?;
            let exit = if anchors.iter().any(trust::AnchorView::wants_attention) { Exit::Findings } else { Exit::Good };
            Ok((exit, Body::Anchors { anchors, unread: Failure::of_all(unread) }))
        }
        TrustVerb::Remove { which, store } => {
            let wanted = trust::Remove { which: which.clone(), stores: placed(store)? };
            Ok(changes(trust::remove(session, &wanted)?))
        }
    }
}

/// A store has one record, by whatever way it is reached.
fn placed(host: &Host, stores: &[Store]) -> Result<Vec<Store>, Failure> {
    let absolute = |path: &Path| {
        let path = trusted_file::absolute(path).map_err(|error| Failure::usage(explain(&error), None))?;
        Ok::<_, Failure>(host.real(&path).unwrap_or(path))
    };
    stores.iter().map(|store| store.placed(absolute)).collect()
}

pub(super) fn retired(session: &mut Session<'_>, words: &Retire) -> Told {
    let what = match (&words.which, &words.ca) {
        (Some(which), _) => retire::What::Anchor(which.clone()),
        (None, ca) => retire::What::Authority(ca.clone().unwrap_or_default()),
    };
    let stores = placed(session.host, &words.store)?;
    let wanted = retire::Retire { what, stores, seen: words.seen.clone() };
    Ok(changes(retire::run(session, &wanted)?))
}

pub(super) fn channels(session: &Session<'_>, act: &NotifyVerb) -> Told {
    match act {
        NotifyVerb::Test { name } => {
            let tested = notify::test(session, name.as_deref()).map_err(Failure::misnamed)?;
            let exit = if tested.iter().all(notify::Tested::good) { Exit::Good } else { Exit::Refused };
            Ok((exit, Body::Tested(tested)))
        }
        NotifyVerb::Status => {
            let overview = notify::status(session)?;
            let failing = overview.channels.iter().any(|channel| channel.failing.is_some());
            Ok((if failing { Exit::Findings } else { Exit::Good }, Body::Channels(Box::new(overview))))
        }
    }
}
