//! What to look at, as it is written on a command line or in a list: paths, servers, ranges of addresses. Pure.
//!
//! A list comes from elsewhere: an inventory, a colleague, a pipe. It must not make the scan knock at doors that nobody meant, so
//! ranges are bounded, a port is always written, and a range is either wholly private or wholly not.

mod secrets;

use std::ffi::OsStr;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

pub use self::secrets::is_metadata;

use self::secrets::plain;
use crate::cert::Name;
use crate::endpoint::{Endpoint, EndpointError, Sni, Start};

/// Addresses and names of one run that are asked where nobody says otherwise.
pub const MAX_ADDRESSES: u64 = 65_536;

/// Bytes of a list that are read.
pub const MAX_LIST: usize = 64 << 20;

/// One thing to look at.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Item {
    /// A file or a folder.
    Path(PathBuf),
    /// A server.
    Server(Endpoint),
    /// Servers at consecutive addresses.
    Range(Range),
}

impl Item {
    fn servers(&self) -> u64 {
        match self {
            Self::Path(_) => 0,
            Self::Server(_) => 1,
            Self::Range(range) => range.count(),
        }
    }
}

/// Consecutive addresses, both ends included, with one port.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Range {
    first: IpAddr,
    last: IpAddr,
    port: u16,
}

/// A line cannot be used.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{place}: {why}")]
pub struct InventoryError {
    /// `line 3`, or the word itself.
    pub place: String,
    /// Why not.
    pub why: Refused,
}

/// Why a line is not used.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refused {
    /// A range without a port.
    #[error("a range of addresses needs a port: `10.1.2.0/24:443`")]
    NoPort,
    /// The part after the slash.
    #[error("/{0} is no length of a prefix for this kind of address")]
    Prefix(String),
    /// The end comes before the beginning, or is of another kind.
    #[error("the range ends before it begins")]
    Backwards,
    /// Partly private, partly not.
    #[error("the range reaches from {from} into {into}: list each part by itself")]
    Mixed {
        /// What the first address is.
        from: &'static str,
        /// What is in it as well.
        into: &'static str,
    },
    /// Addresses at which no server is.
    #[error("{0} is no address of a server")]
    NoServer(IpAddr),
    /// A server that cannot be asked.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// A range of nothing but an address at which a cloud machine finds its own secrets.
    #[error("at {0} a cloud machine finds its own secrets: no range asks there")]
    Secrets(IpAddr),
    /// A second word that is no name.
    #[error("`{0}` is no name to ask a server for")]
    Name(String),
    /// A third word.
    #[error("`{0}` is one word too many")]
    Further(String),
    /// More than is asked in one run.
    #[error("it brings the run to {count} addresses, and {most} are asked at most")]
    TooMany {
        /// How many there are so far.
        count: u64,
        /// How many may be.
        most: u64,
    },
}

impl Refused {
    /// What to do.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::NoPort => "write the port behind it",
            Self::Prefix(_) | Self::Backwards => "a range is FIRST-LAST:PORT or NETWORK/BITS:PORT",
            Self::Mixed { .. } => "so that nobody asks private addresses by accident",
            Self::NoServer(_) => "leave it out",
            Self::Secrets(_) => "write the address alone, `ADDRESS:PORT`, if it is meant",
            Self::Endpoint(error) => error.hint(),
            Self::Name(_) | Self::Further(_) => {
                "a line is `HOST:PORT`, or `HOST:PORT NAME` with the name to ask for (`-`: none); a path stands alone"
            }
            Self::TooMany { .. } => "list fewer, or allow more with `--max N`",
        }
    }
}

/// Understands one word of a command line.
///
/// # Errors
/// A range that is none, or that is not asked.
pub fn word(text: &OsStr) -> Result<Item, Refused> {
    let Some(utf8) = text.to_str() else { return Ok(Item::Path(text.into())) };
    if utf8.contains("://") {
        return Ok(Item::Server(utf8.parse()?));
    }
    if let Some((network, rest)) = utf8.split_once('/')
        && let Ok(first) = bare(network).parse::<IpAddr>()
    {
        return cidr(first, rest);
    }
    let Some((host, port)) = utf8.rsplit_once(':').filter(|_| !utf8.contains('/')) else {
        return match utf8.split_once('-') {
            Some((first, last)) if ends(first, last).is_some() => Err(Refused::NoPort),
            Some(_) | None => Ok(Item::Path(text.into())),
        };
    };
    let known = utf8.parse::<Endpoint>();
    if let Err(error @ EndpointError::Brackets { .. }) = known {
        return Err(error.into());
    }
    // Perhaps a service in place of its number: `localhost:https`.
    let Ok(port) = port.parse::<u16>() else { return Ok(known.map_or_else(|_| Item::Path(text.into()), Item::Server)) };
    if let Some((first, last)) = host.split_once('-').and_then(|(first, last)| ends(first, last)) {
        return Range::new(first, last, port).map(Item::Range);
    }
    if host.is_empty() || (host.contains(':') && !(host.starts_with('[') && host.ends_with(']'))) {
        return Ok(Item::Path(text.into()));
    }
    Ok(Item::Server(Endpoint::tls(host, port)?))
}

/// Understands a list: one item a line, `#` begins a comment, a server may be followed by the name to ask for. A line that begins with
/// `/` or `.` is a path as it stands, spaces and all.
///
/// # Errors
/// The first line that cannot be used.
pub fn list(bytes: &[u8]) -> Result<Vec<Item>, InventoryError> {
    let mut items = Vec::new();
    for (index, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
        let line = line.strip_suffix(b"\r").unwrap_or(line).trim_ascii_start();
        let item = match line.first() {
            None | Some(b'#') => continue,
            Some(b'/' | b'.') => Ok(Item::Path(OsStr::from_bytes(line).into())),
            Some(_) => one_line(line),
        };
        items.push(item.map_err(|why| InventoryError { place: format!("line {}", index + 1), why })?);
    }
    Ok(items)
}

/// Understands a list whose items end with NUL, as `find -print0` writes it. Nothing in it is a comment.
///
/// # Errors
/// The first item that cannot be used.
pub fn list_of_nul(bytes: &[u8]) -> Result<Vec<Item>, InventoryError> {
    let parts = bytes.split(|byte| *byte == 0).filter(|part| !part.is_empty()).enumerate();
    let item = |(index, part): (usize, &[u8])| {
        word(OsStr::from_bytes(part)).map_err(|why| InventoryError { place: format!("item {}", index + 1), why })
    };
    parts.map(item).collect()
}

/// Understands the name to ask a server for; `-`: none.
///
/// # Errors
/// It is no name.
pub fn sni(text: &str) -> Result<Sni, Refused> {
    match text.parse::<Name>() {
        _ if text == "-" => Ok(Sni::Nothing),
        // A certificate may be for a wildcard; nobody asks a server for one (RFC 6066 section 3).
        Ok(known) if !known.to_string().starts_with('*') => Ok(Sni::Name(known.to_string())),
        Ok(_) | Err(_) => Err(Refused::Name(text.to_owned())),
    }
}

fn one_line(line: &[u8]) -> Result<Item, Refused> {
    let mut words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    let first = words.next().unwrap_or_default();
    let mut second = words.take_while(|word| !word.starts_with(b"#"));
    let (second, third) = (second.next(), second.next());
    match (word(OsStr::from_bytes(first))?, second) {
        (item, None) => Ok(item),
        (Item::Server(_), Some(_)) if third.is_some() => {
            Err(Refused::Further(String::from_utf8_lossy(third.unwrap_or_default()).into_owned()))
        }
        (Item::Server(server), Some(name)) => Ok(Item::Server(server.named(sni(&String::from_utf8_lossy(name))?))),
        // A relative path with a space in it; nothing else it could be.
        (Item::Path(_), Some(_)) => Ok(Item::Path(OsStr::from_bytes(line).into())),
        (Item::Range(_), Some(name)) => Err(Refused::Name(String::from_utf8_lossy(name).into_owned())),
    }
}

/// Holds the whole run against the most that is asked.
///
/// # Errors
/// The item that is one too many.
pub fn bounded(items: &[Item], most: u64) -> Result<(), InventoryError> {
    let mut count = 0_u64;
    for item in items {
        count = count.saturating_add(item.servers());
        if count > most {
            let place = match item {
                Item::Path(path) => path.display().to_string(),
                Item::Server(server) => server.to_string(),
                Item::Range(range) => range.to_string(),
            };
            return Err(InventoryError { place, why: Refused::TooMany { count, most } });
        }
    }
    Ok(())
}

/// How many servers the items stand for.
#[must_use]
pub fn count(items: &[Item]) -> u64 {
    items.iter().fold(0, |sum, item| sum.saturating_add(item.servers()))
}

/// One of the servers that a run asks.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Listed {
    /// Where it is.
    pub endpoint: Endpoint,
    /// Whether nobody has named it, and it is one of the addresses of a range: nobody says that a server is there, or for which name.
    pub of_range: bool,
}

/// The servers among the items, ranges spread out, in their order.
pub fn servers(items: &[Item]) -> impl Iterator<Item = Listed> + Send + '_ {
    items.iter().flat_map(|item| -> Box<dyn Iterator<Item = Listed> + Send + '_> {
        match item {
            Item::Path(_) => Box::new(std::iter::empty()),
            Item::Server(server) => Box::new(std::iter::once(Listed { endpoint: server.clone(), of_range: false })),
            Item::Range(range) => Box::new(range.endpoints().map(|endpoint| Listed { endpoint, of_range: true })),
        }
    })
}

impl Range {
    fn new(first: IpAddr, last: IpAddr, port: u16) -> Result<Self, Refused> {
        let (first, last) = (plain(first), plain(last));
        let same_kind = first.is_ipv4() == last.is_ipv4();
        if !same_kind || number(last) < number(first) {
            return Err(Refused::Backwards);
        }
        for (low, high, meaning) in blocks() {
            let overlaps = number(first) <= number(high) && number(low) <= number(last);
            if first.is_ipv4() != low.is_ipv4() || !overlaps {
                continue;
            }
            if meaning.is_empty() {
                return Err(Refused::NoServer(if number(first) < number(low) { low } else { first }));
            }
            let inside = number(low) <= number(first) && number(last) <= number(high);
            if !inside {
                let begins_inside = (number(low)..=number(high)).contains(&number(first));
                let (from, into) = if begins_inside { (meaning, PUBLIC) } else { (PUBLIC, meaning) };
                return Err(Refused::Mixed { from, into });
            }
        }
        if first == last && is_metadata(first) {
            return Err(Refused::Secrets(first));
        }
        Ok(Self { first, last, port })
    }

    /// How many addresses it has.
    #[must_use]
    pub fn count(&self) -> u64 {
        u64::try_from(number(self.last) - number(self.first)).unwrap_or(u64::MAX).saturating_add(1)
    }

    /// Each, but for those that tell a cloud machine its secrets: these must be written out.
    fn endpoints(self) -> impl Iterator<Item = Endpoint> + Send {
        let (v4, port) = (self.first.is_ipv4(), self.port);
        (number(self.first)..=number(self.last))
            .map(move |number| address(number, v4))
            .filter(|address| !is_metadata(*address))
            .map(move |address| Endpoint { host: address.to_string(), port, start: Start::Tls, sni: Sni::Host })
    }
}

impl fmt::Display for Range {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}-{}:{}", self.first, self.last, self.port)
    }
}

fn cidr(first: IpAddr, rest: &str) -> Result<Item, Refused> {
    let Some((bits, port)) = rest.rsplit_once(':') else { return Err(Refused::NoPort) };
    let port = port.parse().map_err(|_| Refused::NoPort)?;
    let width: u32 = if first.is_ipv4() { 32 } else { 128 };
    let length = bits.parse::<u32>().ok().filter(|length| *length <= width);
    let free = width - length.ok_or_else(|| Refused::Prefix(bits.to_owned()))?;
    let mask = 1_u128.checked_shl(free).map_or(u128::MAX, |size| size - 1);
    let low = number(first) & !mask;
    let all = if width == 32 { u128::from(u32::MAX) } else { u128::MAX };
    let high = low | (mask & all);
    Range::new(address(low, first.is_ipv4()), address(high, first.is_ipv4()), port).map(Item::Range)
}

/// Both ends of `first-last`; the last may be the last number of the first alone.
fn ends(first: &str, last: &str) -> Option<(IpAddr, IpAddr)> {
    let first: IpAddr = bare(first).parse().ok()?;
    if let Ok(last) = bare(last).parse() {
        return Some((first, last));
    }
    let IpAddr::V4(v4) = first else { return None };
    let [a, b, c, _] = v4.octets();
    Some((first, Ipv4Addr::new(a, b, c, last.parse().ok()?).into()))
}

fn bare(host: &str) -> &str {
    host.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(host)
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u32::from(v4).into(),
        IpAddr::V6(v6) => v6.into(),
    }
}

fn address(number: u128, v4: bool) -> IpAddr {
    match u32::try_from(number) {
        Ok(number) if v4 => Ipv4Addr::from(number).into(),
        Ok(_) | Err(_) => Ipv6Addr::from(number).into(),
    }
}

const PUBLIC: &str = "public addresses";

/// Blocks with a meaning of their own (RFC 6890); where it is empty, no server can be there.
fn blocks() -> [(IpAddr, IpAddr, &'static str); 13] {
    const F: u16 = 0xffff;
    let v4 = |a: [u8; 4], b: [u8; 4], meaning| (IpAddr::from(a), IpAddr::from(b), meaning);
    let v6 = |a: [u16; 8], b: [u16; 8], meaning| (IpAddr::from(a), IpAddr::from(b), meaning);
    [
        v4([0, 0, 0, 0], [0, 255, 255, 255], ""),
        v4([10, 0, 0, 0], [10, 255, 255, 255], "private addresses"),
        v4([100, 64, 0, 0], [100, 127, 255, 255], "shared addresses"),
        v4([127, 0, 0, 0], [127, 255, 255, 255], "this machine"),
        v4([169, 254, 0, 0], [169, 254, 255, 255], "link-local addresses"),
        v4([172, 16, 0, 0], [172, 31, 255, 255], "private addresses"),
        v4([192, 168, 0, 0], [192, 168, 255, 255], "private addresses"),
        v4([224, 0, 0, 0], [255, 255, 255, 255], ""),
        v6([0; 8], [0; 8], ""),
        v6([0, 0, 0, 0, 0, 0, 0, 1], [0, 0, 0, 0, 0, 0, 0, 1], "this machine"),
        v6([0xfc00, 0, 0, 0, 0, 0, 0, 0], [0xfdff, F, F, F, F, F, F, F], "private addresses"),
        v6([0xfe80, 0, 0, 0, 0, 0, 0, 0], [0xfebf, F, F, F, F, F, F, F], "link-local addresses"),
        v6([0xff00, 0, 0, 0, 0, 0, 0, 0], [F; 8], ""),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// No server is asked for a wildcard, and what is written in a list is used or refused.
    #[test]
    fn a_wildcard_is_no_name_to_ask_for_and_no_word_is_passed_over() {
        assert_eq!(sni("*.example.org"), Err(Refused::Name("*.example.org".to_owned())));
        let refused = |text: &str| list(text.as_bytes()).unwrap_err().to_string();
        assert_eq!(refused("a:443 *.example.org\n"), "line 1: `*.example.org` is no name to ask a server for");
        assert_eq!(refused("a:443 b.example c.example\n"), "line 1: `c.example` is one word too many");
        assert!(list(b"a:443 b.example # c.example\n").is_ok());
    }

    fn one(text: &str) -> Result<Item, Refused> {
        word(OsStr::new(text))
    }

    fn all(text: &str) -> Vec<String> {
        let item = one(text).unwrap_or_else(|why| panic!("{text}: {why}"));
        servers(&[item]).map(|server| server.endpoint.to_string()).collect()
    }

    #[test]
    fn paths_and_servers_are_told_apart() {
        for path in [
            "/etc/ssl",
            "a.pem",
            "./a:443",
            "./::1:443",
            "dir/a:443",
            "a:b",
            ":443",
            "a:b:443",
            "a:70000",
            "C:",
            "my-file",
        ] {
            assert_eq!(one(path), Ok(Item::Path(path.into())), "{path}");
        }
        for server in ["example.org:443", "10.0.0.1:443", "[2001:db8::1]:443", "my-host:443", "localhost:1"] {
            assert_eq!(one(server), Ok(Item::Server(server.parse().unwrap())), "{server}");
        }
        assert_eq!(one("localhost:https"), Ok(Item::Server("localhost:443".parse().unwrap())));
        assert_eq!(one("smtp://mail.lan"), Ok(Item::Server("smtp://mail.lan:25".parse().unwrap())));
        assert!(matches!(one("gopher://mail.lan"), Err(Refused::Endpoint(EndpointError::Scheme { .. }))));
        for bare in ["::1:443", "2001:db8::1", "fe80::1:443"] {
            let Err(Refused::Endpoint(EndpointError::Brackets { meant, .. })) = one(bare) else { panic!("{bare}") };
            assert!(matches!(one(&meant), Ok(Item::Server(_))), "{meant}");
        }
        assert!(matches!(one("a b:443"), Err(Refused::Endpoint(EndpointError::Host { .. }))));
    }

    #[test]
    fn ranges_are_spread_out() {
        for (text, first, last, count) in [
            ("10.1.2.0/24:443", "10.1.2.0:443", "10.1.2.255:443", 256),
            ("10.1.2.77/30:8443", "10.1.2.76:8443", "10.1.2.79:8443", 4),
            ("192.0.2.7/32:1", "192.0.2.7:1", "192.0.2.7:1", 1),
            ("10.1.2.3-10.1.3.2:443", "10.1.2.3:443", "10.1.3.2:443", 256),
            ("10.1.2.3-9:443", "10.1.2.3:443", "10.1.2.9:443", 7),
            ("[2001:db8::]/126:443", "[2001:db8::]:443", "[2001:db8::3]:443", 4),
            ("2001:db8::/127:443", "[2001:db8::]:443", "[2001:db8::1]:443", 2),
            ("127.0.0.1-127.0.0.2:443", "127.0.0.1:443", "127.0.0.2:443", 2),
        ] {
            let all = all(text);
            let ends = (all.first().unwrap().as_str(), all.last().unwrap().as_str(), all.len());
            assert_eq!(ends, (first, last, count), "{text}");
        }
    }

    #[test]
    fn what_nobody_should_ask_is_refused() {
        let private = "private addresses";
        for (text, why) in [
            ("10.0.0.0/8", Refused::NoPort),
            ("10.0.0.1-10.0.0.9", Refused::NoPort),
            ("10.0.0.0/24:", Refused::NoPort),
            ("10.0.0.0/33:443", Refused::Prefix("33".to_owned())),
            ("10.0.0.0/x:443", Refused::Prefix("x".to_owned())),
            ("10.0.0.9-10.0.0.1:443", Refused::Backwards),
            ("10.0.0.9-[::1]:443", Refused::Backwards),
            ("9.255.255.0-10.0.0.3:443", Refused::Mixed { from: PUBLIC, into: private }),
            ("10.255.255.255-11.0.0.0:443", Refused::Mixed { from: private, into: PUBLIC }),
            ("224.0.0.0/24:443", Refused::NoServer([224, 0, 0, 0].into())),
            ("[::ffff:224.0.0.1]/128:443", Refused::NoServer([224, 0, 0, 1].into())),
            ("[::ffff:9.255.255.254]-[::ffff:10.0.0.1]:443", Refused::Mixed { from: PUBLIC, into: private }),
            ("0.0.0.0/0:443", Refused::NoServer([0, 0, 0, 0].into())),
            ("[ff02::]/120:443", Refused::NoServer("ff02::".parse().unwrap())),
        ] {
            assert_eq!(one(text), Err(why), "{text}");
        }
    }

    #[test]
    fn a_run_is_bounded() {
        let eight = one("10.0.0.0/8:443").unwrap();
        let error = bounded(std::slice::from_ref(&eight), MAX_ADDRESSES).unwrap_err();
        assert_eq!(error.why, Refused::TooMany { count: 1 << 24, most: MAX_ADDRESSES });
        assert!(error.to_string().starts_with("10.0.0.0-10.255.255.255:443: it brings the run to 16777216"), "{error}");
        assert!(bounded(&[eight], 1 << 24).is_ok());
        let (sixteen, single) = (one("10.1.0.0/16:443").unwrap(), one("a:1").unwrap());
        assert!(bounded(&[sixteen.clone(), Item::Path("x".into())], MAX_ADDRESSES).is_ok());
        assert_eq!(bounded(&[sixteen, single], MAX_ADDRESSES).unwrap_err().place, "a:1");
        let all = one("::2-fbff::1:443");
        assert!(
            all.is_ok_and(|all| bounded(&[all], u64::MAX - 1).is_err()),
            "a count beyond 64 bits is still too many"
        );
    }

    #[test]
    fn the_address_with_a_clouds_secrets_is_asked_only_where_it_is_written() {
        assert_eq!(all("169.254.169.253-169.254.169.255:80"), ["169.254.169.253:80", "169.254.169.255:80"]);
        assert_eq!(all("169.254.169.254:80"), ["169.254.169.254:80"]);
        for range in ["169.254.169.254/32:80", "100.100.100.200-100.100.100.200:80", "[::ffff:169.254.170.2]/128:80"] {
            assert!(matches!(one(range), Err(Refused::Secrets(_))), "{range}");
        }
        assert!(is_metadata("64:ff9b::a9fe:a9fe".parse().unwrap()));
        assert!(is_metadata("::ffff:169.254.169.254".parse().unwrap()));
        assert!(is_metadata("fd00:ec2::254".parse().unwrap()));
        assert!(!is_metadata("169.254.169.253".parse().unwrap()));
    }

    #[test]
    fn lists_are_read_line_by_line() {
        let text = b"# all of it\n\n  example.org:443\r\n127.0.0.1:8443 app.lan # ours\nimap://mail.lan -\n10.0.0.1-2:443 # two\n/srv/my files/a #1.pem\n\
            ./b\nplain name.pem\n\xff.pem\n";
        let items = list(text).unwrap();
        let server = |address: &str, sni| Item::Server(address.parse::<Endpoint>().unwrap().named(sni));
        assert_eq!(
            items,
            [
                server("example.org:443", Sni::Host),
                server("127.0.0.1:8443", Sni::Name("app.lan".to_owned())),
                server("imap://mail.lan", Sni::Nothing),
                one("10.0.0.1-2:443").unwrap(),
                Item::Path("/srv/my files/a #1.pem".into()),
                Item::Path("./b".into()),
                Item::Path("plain name.pem".into()),
                Item::Path(OsStr::from_bytes(b"\xff.pem").into()),
            ]
        );
        let error = list(b"a:1\n10.0.0.0/24:443 name\n").unwrap_err();
        assert_eq!(error.to_string(), "line 2: `name` is no name to ask a server for");
        assert_eq!(list(b"a:1\na:2 b_@\n").unwrap_err().place, "line 2");
    }

    #[test]
    fn items_may_end_with_nul() {
        let items = list_of_nul(b"/a\nb\0# c\0\0d:1\0").unwrap();
        let paths = ["/a\nb", "# c"].map(|path| Item::Path(path.into()));
        assert_eq!(items[..2], paths);
        assert!(matches!(&items[2], Item::Server(server) if server.to_string() == "d:1"));
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[0-9a-f:./\\[\\]-]{0,24}", bytes in proptest::collection::vec(0_u8.., 0..60)) {
            let _ = word(OsStr::new(&text));
            let _ = list(&bytes);
            let _ = list_of_nul(&bytes);
        }
    }
}
