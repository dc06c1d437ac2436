//! HTTP-01 (RFC 8555 section 8.3) by a listener of our own.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::sync::{Arc, PoisonError, RwLock};

use super::listener::{Door, ListenError};
use crate::host::timed::Timed;

/// What stands before the token in the path (RFC 8555 section 8.3).
pub(super) const PREFIX: &str = "/.well-known/acme-challenge/";
/// Bytes of a request that are read.
const MOST: u64 = 8 * 1024;

type Answers = Arc<RwLock<BTreeMap<String, String>>>;

/// Answers for tokens, and nothing else.
pub struct HttpDoor {
    door: Door,
    answers: Answers,
}

impl HttpDoor {
    /// Listens.
    ///
    /// # Errors
    /// The port is taken or not ours to take.
    pub fn open(address: SocketAddr) -> Result<Self, ListenError> {
        let answers = Answers::default();
        let known = Arc::clone(&answers);
        let door = Door::open(address, move |stream| answer(stream, &known))?;
        Ok(Self { door, answers })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.door.address()
    }

    /// Answers for this token from now on.
    pub fn add(&self, token: &str, key_authorization: &str) {
        let mut answers = self.answers.write().unwrap_or_else(PoisonError::into_inner);
        answers.insert(token.to_owned(), key_authorization.to_owned());
    }
}

fn answer(mut stream: Timed, answers: &Answers) {
    let Some(path) = requested(&mut stream) else { return };
    let token = path.strip_prefix(PREFIX);
    let known = answers.read().unwrap_or_else(PoisonError::into_inner);
    let found = token.and_then(|token| known.get(token));
    let (status, body) = match found {
        Some(answer) => ("200 OK", answer.as_str()),
        None => ("404 Not Found", "not found\n"),
    };
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/octet-stream\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body.as_bytes()));
}

/// The path of a GET, once its whole head is there.
fn requested(stream: &mut Timed) -> Option<String> {
    let mut held = Vec::new();
    let mut input = stream.take(MOST);
    let mut piece = [0; 1024];
    loop {
        let mut fields = [httparse::EMPTY_HEADER; 64];
        let mut request = httparse::Request::new(&mut fields);
        match request.parse(&held) {
            Ok(httparse::Status::Complete(_)) if request.method == Some("GET") => {
                return request.path.map(str::to_owned);
            }
            Ok(httparse::Status::Complete(_)) | Err(_) => return None,
            Ok(httparse::Status::Partial) => {}
        }
        let count = input.read(&mut piece).ok().filter(|count| *count > 0)?;
        held.extend_from_slice(piece.get(..count)?);
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;

    use super::*;

    fn ask(door: &HttpDoor, request: &str) -> String {
        let mut stream = TcpStream::connect(door.address()).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut text = String::new();
        let _ = stream.read_to_string(&mut text);
        text
    }

    #[test]
    fn it_answers_for_its_tokens_alone_and_is_gone_when_dropped() {
        let door = HttpDoor::open("127.0.0.1:0".parse().unwrap()).unwrap();
        door.add("token-token-token-token", "token.thumb");
        let asked = |path: &str| ask(&door, &format!("GET {path} HTTP/1.1\r\nHost: a.example\r\n\r\n"));
        let good = asked("/.well-known/acme-challenge/token-token-token-token");
        assert!(good.starts_with("HTTP/1.1 200 OK\r\n") && good.ends_with("\r\n\r\ntoken.thumb"), "{good}");
        for path in
            ["/", "/.well-known/acme-challenge/", "/.well-known/acme-challenge/x", "/../token-token-token-token"]
        {
            assert!(asked(path).starts_with("HTTP/1.1 404"), "{path}");
        }
        assert_eq!(ask(&door, "POST / HTTP/1.1\r\n\r\n"), "");
        assert_eq!(ask(&door, "nonsense\r\n\r\n"), "");
        assert_eq!(ask(&door, &format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(20_000))), "");
        let address = door.address();
        let taken = HttpDoor::open(address).err().unwrap();
        assert!(taken.to_string().starts_with(&format!("cannot listen on {address}: ")), "{taken}");
        assert!(taken.hint().contains("another program has the port"));
        drop(door);
        HttpDoor::open(address).unwrap();
    }
}
