//! Addresses that are not asked unless they are written out: cloud machines find their own secrets there. Pure.

use std::net::{IpAddr, Ipv4Addr};

/// Whether cloud machines find their own secrets at this address. It is asked only where it is written as a number: a name that leads
/// there is a trap.
#[must_use]
pub fn is_metadata(address: IpAddr) -> bool {
    match plain(address) {
        IpAddr::V4(v4) => SECRETS_V4.contains(&v4.octets()),
        IpAddr::V6(v6) => SECRETS_V6.contains(&v6.segments()),
    }
}

/// AWS, Azure, Google and most others; tasks and pods of AWS; Alibaba; Azure's agent; Oracle.
const SECRETS_V4: [[u8; 4]; 6] = [
    [169, 254, 169, 254],
    [169, 254, 170, 2],
    [169, 254, 170, 23],
    [100, 100, 100, 200],
    [168, 63, 129, 16],
    [192, 0, 0, 192],
];

/// AWS, its pods, and Google.
const SECRETS_V6: [[u16; 8]; 3] =
    [[0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254], [0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23], [0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254]];

/// The IPv4 address that an IPv6 one stands for (RFC 4291 section 2.5.5.2, RFC 6052 section 2.1).
pub(super) fn plain(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address else { return address };
    if let Some(v4) = v6.to_ipv4_mapped() {
        return v4.into();
    }
    match v6.segments() {
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
            let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
            Ipv4Addr::new(a, b, c, d).into()
        }
        _ => address,
    }
}
