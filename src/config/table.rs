//! Reads one table of the file: every value typed as it is asked for, every key nobody asked for a problem.

use std::ops::{Range, RangeInclusive};
use std::path::PathBuf;

use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

use super::problem::Problems;
use super::words;
use crate::change::Command;

/// Limit of a command, in seconds, when it names none.
const COMMAND_SECONDS: u32 = 30;
const COMMAND_RANGE: RangeInclusive<u32> = 1..=3600;

/// A value together with its place in the text.
pub(super) type At<T> = (T, Range<usize>);

/// A table that is being read. Keys that were asked for are the known ones, so that the list in a message cannot be stale.
pub(super) struct Table<'a> {
    place: String,
    entries: &'a DeTable<'a>,
    span: Range<usize>,
    asked: Vec<&'static str>,
}

impl<'a> Table<'a> {
    /// `place` is what people call the table: `[defaults]`.
    pub(super) fn new(place: impl Into<String>, entries: &'a DeTable<'a>, span: Range<usize>) -> Self {
        Self { place: place.into(), entries, span, asked: Vec::new() }
    }

    pub(super) fn place(&self) -> &str {
        &self.place
    }

    /// Keys and values, for a table whose keys are names.
    pub(super) fn entries(&self) -> &'a DeTable<'a> {
        self.entries
    }

    pub(super) fn span(&self) -> &Range<usize> {
        &self.span
    }

    /// The value of a key, of whatever type.
    pub(super) fn value(&mut self, key: &'static str) -> Option<&'a Spanned<DeValue<'a>>> {
        if !self.asked.contains(&key) {
            self.asked.push(key);
        }
        self.entries.get(key)
    }

    pub(super) fn text(&mut self, key: &'static str, problems: &mut Problems<'_>) -> Option<At<&'a str>> {
        let value = self.value(key)?;
        let text = value.get_ref().as_str();
        if text.is_none() {
            self.wrong_type(key, value, "a string", problems);
        }
        Some((text?, value.span()))
    }

    pub(super) fn path(&mut self, key: &'static str, problems: &mut Problems<'_>) -> Option<PathBuf> {
        self.path_at(key, problems).map(|(path, _)| path)
    }

    pub(super) fn path_at(&mut self, key: &'static str, problems: &mut Problems<'_>) -> Option<At<PathBuf>> {
        let (text, span) = self.text(key, problems)?;
        match words::absolute(text) {
            Ok(path) => Some((path, span)),
            Err(why) => {
                problems.add(&span, format!("{} {why}", self.named(key)));
                None
            }
        }
    }

    pub(super) fn number(
        &mut self,
        key: &'static str,
        range: &RangeInclusive<u32>,
        problems: &mut Problems<'_>,
    ) -> Option<u32> {
        let value = self.value(key)?;
        let Some(number) = value.get_ref().as_integer() else {
            self.wrong_type(key, value, "a whole number", problems);
            return None;
        };
        let in_range =
            u32::from_str_radix(number.as_str(), number.radix()).ok().filter(|number| range.contains(number));
        if in_range.is_none() {
            let named = self.named(key);
            problems.add(&value.span(), format!("{named} is {number}, not {} to {}", range.start(), range.end()));
        }
        in_range
    }

    pub(super) fn flag(&mut self, key: &'static str, problems: &mut Problems<'_>) -> Option<bool> {
        let value = self.value(key)?;
        let flag = value.get_ref().as_bool();
        if flag.is_none() {
            self.wrong_type(key, value, "true or false", problems);
        }
        flag
    }

    pub(super) fn array(&mut self, key: &'static str, problems: &mut Problems<'_>) -> Option<&'a DeArray<'a>> {
        let value = self.value(key)?;
        let array = value.get_ref().as_array();
        if array.is_none() {
            self.wrong_type(key, value, "a list", problems);
        }
        array
    }

    /// A list of tables, each of which is written as `[[key]]`.
    pub(super) fn tables(&mut self, key: &'static str, problems: &mut Problems<'_>) -> Option<&'a DeArray<'a>> {
        let value = self.value(key)?;
        let array = value.get_ref().as_array();
        if array.is_none() {
            let hint = value.get_ref().as_table().map(|_| format!("write [[{key}]]"));
            self.wrong_type_with_hint(key, value, "a list", hint, problems);
        }
        array
    }

    /// A list of strings; none where one of its items is something else.
    pub(super) fn texts(&mut self, key: &'static str, problems: &mut Problems<'_>) -> Option<Vec<At<&'a str>>> {
        let array = self.array(key, problems)?;
        self.all_texts(key, array, problems)
    }

    /// A command: a list of words, or a table of `argv` and `timeout`.
    pub(super) fn command(&mut self, key: &'static str, problems: &mut Problems<'_>) -> Option<Command> {
        let value = self.value(key)?;
        let (argv, timeout) = match value.get_ref() {
            DeValue::Array(array) => (self.all_texts(key, array, problems), None),
            DeValue::Table(entries) => {
                let mut inner = Table::new(self.named(key), entries, value.span());
                let argv = inner.texts("argv", problems);
                let timeout = inner.number("timeout", &COMMAND_RANGE, problems);
                if !inner.has("argv") {
                    problems.add(&value.span(), format!("{} has no `argv`", self.named(key)));
                }
                inner.finish(problems);
                (argv, timeout)
            }
            DeValue::String(_)
            | DeValue::Integer(_)
            | DeValue::Float(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_) => {
                let hint = value.get_ref().as_str().and_then(|text| split(key, text));
                self.wrong_type_with_hint(key, value, "a list of the program and its arguments", hint, problems);
                return None;
            }
        };
        let argv = argv?;
        if let Err((span, why)) = words::argv(&argv, &value.span()) {
            problems.add_with_hint(
                &span,
                format!("{} {why}", self.named(key)),
                "no shell reads it: the program's absolute path, then one item for each argument",
            );
            return None;
        }
        let argv = argv.into_iter().map(|(word, _)| word.to_owned()).collect();
        Some(Command { argv, timeout: timeout.unwrap_or(COMMAND_SECONDS) })
    }

    /// A table within this one; `place` is what people call it.
    pub(super) fn table(
        &mut self,
        key: &'static str,
        place: impl Into<String>,
        problems: &mut Problems<'_>,
    ) -> Option<Table<'a>> {
        let value = self.value(key)?;
        let Some(entries) = value.get_ref().as_table() else {
            self.wrong_type(key, value, "a table", problems);
            return None;
        };
        Some(Table::new(place, entries, value.span()))
    }

    /// Whether the key is there, of whatever type.
    pub(super) fn has(&self, key: &str) -> bool {
        self.entries.contains_key(key)
    }

    /// Adds a problem when the key is not there.
    pub(super) fn require(&self, key: &str, why: &str, problems: &mut Problems<'_>) {
        if !self.has(key) {
            problems.add_with_hint(&self.span, format!("{} has no `{key}`", self.place), why);
        }
    }

    /// Every key that was not asked for is unknown.
    pub(super) fn finish(self, problems: &mut Problems<'_>) {
        for (key, _) in self.entries {
            let word = key.get_ref();
            if self.asked.iter().any(|known| known == word) {
                continue;
            }
            let known = format!("known here: {}", self.asked.join(", "));
            let hint = match words::nearest(word, &self.asked) {
                Some(near) => format!("did you mean `{near}`? {known}"),
                None => known,
            };
            problems.add_with_hint(
                &key.span(),
                format!("unknown key `{}` in {}", word.escape_debug(), self.place),
                hint,
            );
        }
    }

    /// The key as a message names it.
    pub(super) fn named(&self, key: &str) -> String {
        format!("`{key}` in {}", self.place)
    }

    fn all_texts(&self, key: &str, array: &'a DeArray<'a>, problems: &mut Problems<'_>) -> Option<Vec<At<&'a str>>> {
        let mut texts = Vec::with_capacity(array.len());
        for item in array {
            match item.get_ref().as_str() {
                Some(text) => texts.push((text, item.span())),
                None => self.wrong_type(key, item, "a list of strings", problems),
            }
        }
        (texts.len() == array.len()).then_some(texts)
    }

    fn wrong_type(&self, key: &str, value: &Spanned<DeValue<'_>>, wanted: &str, problems: &mut Problems<'_>) {
        self.wrong_type_with_hint(key, value, wanted, None, problems);
    }

    /// A value of another type than is `wanted`, with the form to write instead where that is known.
    pub(super) fn wrong_type_with_hint(
        &self,
        key: &str,
        value: &Spanned<DeValue<'_>>,
        wanted: &str,
        hint: Option<String>,
        problems: &mut Problems<'_>,
    ) {
        let is = match value.get_ref() {
            DeValue::String(_) => "a string",
            DeValue::Integer(_) => "a whole number",
            DeValue::Float(_) => "a decimal number",
            DeValue::Boolean(_) => "true or false",
            DeValue::Datetime(_) => "a date",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a table",
        };
        let message = format!("{} must be {wanted}; this is {is}", self.named(key));
        match hint {
            Some(hint) => problems.add_with_hint(&value.span(), message, hint),
            None => problems.add(&value.span(), message),
        }
    }
}

/// How a command is written that was given as one text. Of its arguments, which may be secrets, none is repeated.
fn split(key: &str, text: &str) -> Option<String> {
    let mut words = text.split_whitespace();
    let program = words.next().filter(|program| words::absolute(program).is_ok())?;
    let rest = if words.next().is_some() { ", ...], an item for each argument" } else { "]" };
    Some(format!("{key} = [\"{program}\"{rest}"))
}
