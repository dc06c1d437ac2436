//! What is defined only where it is typed: the options of thirty verbs cost more time and memory than most runs need for their work.

use std::cell::Cell;
use std::ops::Deref;

use clap::{ArgMatches, Args, Command, Error, FromArgMatches, Subcommand};

thread_local! {
    static WAITS: Cell<bool> = const { Cell::new(false) };
}

/// What a definition is without the words of any [`Later`] in it, which clap asks for once their verb is chosen. It does for reading a
/// line; in help, pages and completions they would stand in another order.
pub fn waiting(define: impl FnOnce() -> Command) -> Command {
    WAITS.set(true);
    let command = define();
    WAITS.set(false);
    command
}

/// The words of one verb.
#[derive(Debug)]
pub struct Later<T>(pub T);

impl<T> Deref for Later<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

fn now_or_later(verb: Command, define: fn(Command) -> Command) -> Command {
    if WAITS.get() { verb.defer(define) } else { define(verb) }
}

impl<T: FromArgMatches> FromArgMatches for Later<T> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        T::from_arg_matches(matches).map(Self)
    }

    fn from_arg_matches_mut(matches: &mut ArgMatches) -> Result<Self, Error> {
        T::from_arg_matches_mut(matches).map(Self)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        self.0.update_from_arg_matches(matches)
    }
}

impl<T: Args> Args for Later<T> {
    fn augment_args(verb: Command) -> Command {
        now_or_later(verb, T::augment_args)
    }

    fn augment_args_for_update(verb: Command) -> Command {
        now_or_later(verb, T::augment_args_for_update)
    }
}

impl<T: Subcommand> Subcommand for Later<T> {
    fn augment_subcommands(verb: Command) -> Command {
        now_or_later(verb, T::augment_subcommands)
    }

    fn augment_subcommands_for_update(verb: Command) -> Command {
        now_or_later(verb, T::augment_subcommands_for_update)
    }

    fn has_subcommand(name: &str) -> bool {
        T::has_subcommand(name)
    }
}
