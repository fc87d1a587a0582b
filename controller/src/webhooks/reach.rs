//! Which addresses may be called: not those at which the controller's own machine, or its cloud, trusts whoever asks.

use haldane_routing::address::{self, Special};
use ipnet::IpNet;
use std::net::IpAddr;

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

    /// Whether this address may be called, and whatever it stands for.
    pub fn permits(&self, address: IpAddr) -> bool {
        address::meanings(address).all(|meant| self.permits_one(meant))
    }

    fn permits_one(&self, meant: IpAddr) -> bool {
        Special::of_one(meant).is_none()
            || self.allowed.iter().any(|network| network.contains(&meant))
    }
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
            ("fd00::1", true),
            ("64:ff9b::203.0.113.7", true),
            ("64:ff9b:1::203.0.113.7", true),
            ("127.0.0.1", false),
            ("0.1.2.3", false),
            ("169.254.169.254", false),
            ("168.63.129.16", false),
            ("224.0.0.1", false),
            ("255.255.255.255", false),
            ("::", false),
            ("::1", false),
            ("fe80::1", false),
            ("ff02::1", false),
            ("fd00:ec2::254", false),
            ("fd00:ec2::23", false),
            ("fd20:ce::254", false),
            ("::ffff:127.0.0.1", false),
            ("::127.0.0.1", false),
            ("64:ff9b::169.254.169.254", false),
            ("64:ff9b:1::169.254.169.254", false),
            ("64:ff9b:1:a9fe:a9:fe00::", false),
            ("2002:7f00:1::", false),
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
            ("64:ff9b::127.0.0.1", true),
            ("64:ff9b:1::127.0.0.1", true),
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
