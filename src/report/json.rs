//! For programs: one object on one line. The shape is described in `docs/json.md`; its number rises when a reader would have to
//! change.

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::escape::acts;
use super::{Answer, Body, Failure};

/// The number of the shape.
pub const VERSION: u32 = 1;

/// The answer as one line of JSON, with its line end.
///
/// Characters that act on a terminal are written as `\uXXXX`: the same value for every reader, and harmless where nobody reads it
/// but a terminal.
#[must_use]
pub fn render(answer: &Answer) -> String {
    let mut text = quiet(&value(answer).to_string());
    text.push('\n');
    text
}

fn value(answer: &Answer) -> Value {
    let mut object = Map::new();
    object.insert("version".to_owned(), VERSION.into());
    object.insert("command".to_owned(), answer.command.into());
    object.insert("exit".to_owned(), answer.exit.code().into());
    if let Some(failure) = &answer.failure {
        object.insert("error".to_owned(), error(failure));
    }
    object.insert("results".to_owned(), results(&answer.body));
    if let Body::History { damaged_lines, .. } = &answer.body {
        object.insert("damaged_lines".to_owned(), json!(damaged_lines));
    }
    Value::Object(object)
}

fn results(body: &Body) -> Value {
    match body {
        Body::None => json!([]),
        Body::Changes(reports) => plain(reports),
        Body::Checks(checked) => plain(checked),
        Body::Generations { list, .. } => plain(list),
        Body::History { receipts, .. } => plain(receipts),
        Body::Statuses(statuses) => plain(statuses),
        Body::Written(written) => plain(&[written]),
        Body::Scenes(scenes) => plain(scenes),
    }
}

/// What a derived `Serialize` of plain data cannot do is fail, but for paths that are no UTF-8: those are told as such.
fn plain<T: Serialize>(items: &[T]) -> Value {
    let one = |item| serde_json::to_value(item).unwrap_or_else(|error| json!({ "unwritable": error.to_string() }));
    Value::Array(items.iter().map(one).collect())
}

fn error(failure: &Failure) -> Value {
    let mut object = json!({ "message": failure.message, "hint": failure.hint });
    if !failure.problems.is_empty() {
        let problems = failure.problems.iter().map(|(file, problem)| {
            json!({
                "file": file.display().to_string(),
                "line": problem.line,
                "column": problem.column,
                "message": problem.message,
                "hint": problem.hint,
            })
        });
        object["problems"] = problems.collect();
    }
    object
}

/// Outside of ASCII, such characters stand only within strings, where an escape means the same.
fn quiet(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if acts(c) {
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                out.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::Exit;

    #[test]
    fn a_failure_has_the_shape_of_an_answer() {
        let failure = Failure::usage("cannot\u{202e} \u{9b}2J\n\u{e0041}", Some("do".to_owned()));
        let text = render(&Answer::failed(Some("check"), failure));
        assert!(!text.trim_end().chars().any(acts), "{text}");
        let back: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(back["version"], 1);
        assert_eq!(back["exit"], Exit::Usage.code());
        assert_eq!(back["error"]["message"], "cannot\u{202e} \u{9b}2J\n\u{e0041}");
        assert_eq!(back["results"], json!([]));
    }
}
