//! Which addresses may be called: not those at which the controller's own machine, or its cloud, trusts whoever asks.

use ipnet::IpNet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Where clouds tell a machine its credentials, beyond the link-local addresses: Alibaba's, Oracle's and Amazon's.
const METADATA: [IpAddr; 3] = [
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V4(Ipv4Addr::new(192, 0, 0, 192)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x0254)),
];

/// What may be called.
#[derive(Clone, Debug, Default)]
pub struct Reach {
    allowed: Vec<IpNet>,
}

impl Reach {
    /// Everything but loopback, link-local, multicast and metadata addresses; of those, what is in `allowed`.
    pub fn new(allowed: Vec<IpNet>) -> Self {
        Self { allowed }
    }

    /// Whether this address may be called.
    pub fn permits(&self, address: IpAddr) -> bool {
        let meant = meant(address);
        self.allowed.iter().any(|network| network.contains(&meant)) || !is_own(meant)
    }
}

/// IPv6 addresses that stand for an IPv4 address lead there: mapped ones, NAT64 (RFC 6052) and 6to4 (RFC 3056).
fn meant(address: IpAddr) -> IpAddr {
    let IpAddr::V6(six) = address else {
        return address;
    };
    let embedded = match six.segments() {
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low] if high > 0 => Some((high, low)),
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => Some((high, low)),
        [0x2002, high, low, ..] => Some((high, low)),
        _ => None,
    };
    embedded.map_or(address, |(high, low)| {
        let [[a, b], [c, d]] = [high.to_be_bytes(), low.to_be_bytes()];
        Ipv4Addr::new(a, b, c, d).into()
    })
}

fn is_own(address: IpAddr) -> bool {
    let is_special = match address {
        IpAddr::V4(four) => {
            // 0.0.0.0/8 is this machine, too, to some systems.
            four.is_link_local() || four.is_broadcast() || four.octets()[0] == 0
        }
        IpAddr::V6(six) => six.is_unicast_link_local(),
    };
    is_special
        || address.is_loopback()
        || address.is_unspecified()
        || address.is_multicast()
        || METADATA.contains(&address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_controllers_own_machine_is_not_called() {
        // address, whether it may be called
        let cases = [
            ("203.0.113.7", true),
            ("10.96.0.10", true),
            ("192.168.1.1", true),
            ("2001:db8::1", true),
            ("fd00::1", true),
            ("127.0.0.1", false),
            ("127.8.9.10", false),
            ("0.0.0.0", false),
            ("0.1.2.3", false),
            ("169.254.169.254", false),
            ("169.254.1.1", false),
            ("100.100.100.200", false),
            ("192.0.0.192", false),
            ("224.0.0.1", false),
            ("255.255.255.255", false),
            ("::", false),
            ("::1", false),
            ("fe80::1", false),
            ("ff02::1", false),
            ("fd00:ec2::254", false),
            ("::ffff:127.0.0.1", false),
            ("::ffff:169.254.169.254", false),
            ("::127.0.0.1", false),
            ("64:ff9b::169.254.169.254", false),
            ("2002:7f00:1::", false),
            ("64:ff9b::203.0.113.7", true),
        ];
        for (address, expected) in cases {
            let permits = Reach::default().permits(address.parse().unwrap());
            assert_eq!(permits, expected, "{address}");
        }
    }

    #[test]
    fn what_is_allowed_is_called() {
        let reach = Reach::new(vec!["127.0.0.0/8".parse().unwrap()]);
        // address, whether it may be called
        let cases = [
            ("127.0.0.1", true),
            ("::ffff:127.0.0.1", true),
            ("::1", false),
            ("169.254.169.254", false),
        ];
        for (address, expected) in cases {
            assert_eq!(
                reach.permits(address.parse().unwrap()),
                expected,
                "{address}"
            );
        }
    }
}
