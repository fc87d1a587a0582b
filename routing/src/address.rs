//! What an address leads to, however it is written: no service is where a machine talks to itself, where clouds tell
//! machines their secrets, or where one sender reaches many.
//!
//! Whoever is about to connect asks here. What may be reached all the same is the caller's to say; nothing is looked up.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Where clouds tell machines their secrets, beside the link-local addresses that most of them use: Alibaba's, Azure's
/// and Oracle's.
const METADATA_V4: [Ipv4Addr; 3] = [
    Ipv4Addr::new(100, 100, 100, 200),
    Ipv4Addr::new(168, 63, 129, 16),
    Ipv4Addr::new(192, 0, 0, 192),
];

/// The same in IPv6: Amazon's for machines and for Pods, Google's and Scaleway's.
const METADATA_V6: [Ipv6Addr; 4] = [
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254),
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23),
    Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254),
    Ipv6Addr::new(0xfd00, 0x42, 0, 0, 0, 0, 0, 0x42),
];

/// The octets in which an address of 64:ff9b:1::/48 holds one of IPv4, for prefixes of 48, 56, 64 and 96 bits (RFC 6052,
/// section 2.2).
const LOCAL_NAT64: [[usize; 4]; 4] = [
    [6, 7, 9, 10],
    [7, 9, 10, 11],
    [9, 10, 11, 12],
    [12, 13, 14, 15],
];

/// Why no service is at an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Special {
    /// 0.0.0.0/8, which is this machine to some systems, or `::`.
    Unspecified,
    /// The machine itself.
    Loopback,
    /// Of one link only; most clouds' metadata is there.
    LinkLocal,
    /// Where a cloud tells a machine its secrets.
    Metadata,
    /// Many receivers.
    Multicast,
    /// Everybody on a link.
    Broadcast,
}

impl Special {
    /// Why no service is at this address or at one that it stands for.
    pub fn of(address: IpAddr) -> Option<Self> {
        meanings(address).find_map(Self::of_one)
    }

    /// The same for one of the [`meanings`] by itself.
    pub fn of_one(address: IpAddr) -> Option<Self> {
        if address.is_loopback() {
            return Some(Self::Loopback);
        }
        if address.is_multicast() {
            return Some(Self::Multicast);
        }
        match address {
            IpAddr::V4(address) if address.octets()[0] == 0 => Some(Self::Unspecified),
            IpAddr::V4(address) if address.is_link_local() => Some(Self::LinkLocal),
            IpAddr::V4(address) if address.is_broadcast() => Some(Self::Broadcast),
            IpAddr::V4(address) => METADATA_V4.contains(&address).then_some(Self::Metadata),
            IpAddr::V6(address) if address.is_unspecified() => Some(Self::Unspecified),
            IpAddr::V6(address) if address.is_unicast_link_local() => Some(Self::LinkLocal),
            IpAddr::V6(address) => METADATA_V6.contains(&address).then_some(Self::Metadata),
        }
    }
}

/// As the end of a sentence about the address.
impl fmt::Display for Special {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Unspecified => "is not an address that can be connected to",
            Self::Loopback => "is a loopback address",
            Self::LinkLocal => "is a link-local address, where cloud metadata is",
            Self::Metadata => "is where a cloud tells machines their secrets",
            Self::Multicast => "is a multicast address",
            Self::Broadcast => "is a broadcast address",
        })
    }
}

/// The address, in IPv4 where it is mapped, and those of IPv4 that a gateway would make of it.
pub fn meanings(address: IpAddr) -> impl Iterator<Item = IpAddr> {
    let address = address.to_canonical();
    let embedded = match address {
        IpAddr::V4(_) => [None; 4],
        IpAddr::V6(address) => embedded(address),
    };
    let embedded = embedded.into_iter().flatten().map(IpAddr::V4);
    std::iter::once(address).chain(embedded)
}

/// What is IPv4-compatible (RFC 4291, section 2.5.5.1), of NAT64 (RFC 6052 and RFC 8215) or of 6to4 (RFC 3056).
fn embedded(address: Ipv6Addr) -> [Option<Ipv4Addr>; 4] {
    let octets = address.octets();
    let at = |places: [usize; 4]| Ipv4Addr::from(places.map(|place| octets[place]));
    match address.segments() {
        // Loopback, which is what it is by itself.
        [0, 0, 0, 0, 0, 0, 0, 1] => [None; 4],
        [0, 0, 0, 0, 0, 0, _, _] | [0x64, 0xff9b, 0, 0, 0, 0, _, _] => {
            [Some(at([12, 13, 14, 15])), None, None, None]
        }
        // How long the prefix is, only the network knows. Read with a wrong length, much of it is zero.
        [0x64, 0xff9b, 1, ..] => {
            LOCAL_NAT64.map(|places| Some(at(places)).filter(|read| read.octets()[0] != 0))
        }
        [0x2002, ..] => [Some(at([2, 3, 4, 5])), None, None, None],
        _ => [None; 4],
    }
}

#[cfg(test)]
mod tests {
    use super::Special::{Broadcast, LinkLocal, Loopback, Metadata, Multicast, Unspecified};
    use super::*;

    #[test]
    fn no_service_is_at_special_addresses_however_they_are_written() {
        // address, why not
        let cases = [
            ("203.0.113.7", None),
            ("10.96.0.10", None),
            ("192.168.1.1", None),
            ("100.64.0.1", None),
            ("2001:db8::1", None),
            ("fd00::1", None),
            ("fd00:ec2::1", None),
            ("::ffff:10.0.0.1", None),
            ("64:ff9b::10.0.0.1", None),
            ("2002:a00:1::1", None),
            ("127.0.0.1", Some(Loopback)),
            ("127.8.9.10", Some(Loopback)),
            ("::1", Some(Loopback)),
            ("::ffff:127.0.0.1", Some(Loopback)),
            ("::7f00:1", Some(Loopback)),
            ("64:ff9b::127.0.0.1", Some(Loopback)),
            ("2002:7f00:1::1", Some(Loopback)),
            ("169.254.0.0", Some(LinkLocal)),
            ("169.254.169.254", Some(LinkLocal)),
            ("169.254.170.2", Some(LinkLocal)),
            ("169.254.255.255", Some(LinkLocal)),
            ("fe80::1", Some(LinkLocal)),
            ("fe80::a9fe:a9fe", Some(LinkLocal)),
            ("febf::1", Some(LinkLocal)),
            ("::ffff:169.254.169.254", Some(LinkLocal)),
            ("::ffff:a9fe:a9fe", Some(LinkLocal)),
            ("::169.254.169.254", Some(LinkLocal)),
            ("64:ff9b::169.254.169.254", Some(LinkLocal)),
            ("2002:a9fe:a9fe::1", Some(LinkLocal)),
            ("100.100.100.200", Some(Metadata)),
            ("168.63.129.16", Some(Metadata)),
            ("192.0.0.192", Some(Metadata)),
            ("::ffff:100.100.100.200", Some(Metadata)),
            ("64:ff9b::168.63.129.16", Some(Metadata)),
            ("fd00:ec2::254", Some(Metadata)),
            ("fd00:ec2::23", Some(Metadata)),
            ("fd20:ce::254", Some(Metadata)),
            ("fd00:42::42", Some(Metadata)),
            ("0.0.0.0", Some(Unspecified)),
            ("0.0.0.1", Some(Unspecified)),
            ("0.1.2.3", Some(Unspecified)),
            ("0.255.255.255", Some(Unspecified)),
            ("::", Some(Unspecified)),
            ("::2", Some(Unspecified)),
            ("::ffff:0.0.0.0", Some(Unspecified)),
            ("64:ff9b::0.0.0.0", Some(Unspecified)),
            ("255.255.255.255", Some(Broadcast)),
            ("::ffff:255.255.255.255", Some(Broadcast)),
            ("224.0.0.1", Some(Multicast)),
            ("239.255.255.255", Some(Multicast)),
            ("ff02::1", Some(Multicast)),
            ("ff0e::1", Some(Multicast)),
            ("::ffff:224.0.0.1", Some(Multicast)),
            ("::224.0.0.1", Some(Multicast)),
            ("2002:e000:1::1", Some(Multicast)),
        ];
        for (address, special) in cases {
            assert_eq!(Special::of(address.parse().unwrap()), special, "{address}");
        }
    }

    /// Each address in the four forms of RFC 6052 that fit into 64:ff9b:1::/48.
    #[test]
    fn prefixes_of_a_networks_own_hide_nothing() {
        // of 48, 56, 64 and 96 bits, why not
        let cases = [
            (
                [
                    "64:ff9b:1:a9fe:a9:fe00::",
                    "64:ff9b:1:aaa9:fe:a9fe::",
                    "64:ff9b:1:aa:a9:fea9:fe00::",
                    "64:ff9b:1::169.254.169.254",
                ],
                Some(LinkLocal),
            ),
            (
                [
                    "64:ff9b:1:7f00:0:100::",
                    "64:ff9b:1:7f:0:1::",
                    "64:ff9b:1:0:7f:0:100:0",
                    "64:ff9b:1::127.0.0.1",
                ],
                Some(Loopback),
            ),
            (
                [
                    "64:ff9b:1:a83f:81:1000::",
                    "64:ff9b:1:a8:3f:8110::",
                    "64:ff9b:1:0:a8:3f81:1000::",
                    "64:ff9b:1::168.63.129.16",
                ],
                Some(Metadata),
            ),
            (
                [
                    "64:ff9b:1:a00:0:100::",
                    "64:ff9b:1:a:0:1::",
                    "64:ff9b:1:0:a:0:100:0",
                    "64:ff9b:1::10.0.0.1",
                ],
                None,
            ),
        ];
        for (addresses, special) in cases {
            for address in addresses {
                assert_eq!(Special::of(address.parse().unwrap()), special, "{address}");
            }
        }
    }
}
