//! Where everything is inside a bed. The addresses are fixed: a bed has a network of its own.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// All pod addresses. A local route makes each of them an address of this machine.
pub const PODS: &str = "10.244.0.0/16";
/// All Service addresses, local like those of pods.
pub const SERVICES: &str = "10.96.0.0/16";
/// The node. It is outside what pods get, and not loopback, which the API server could not advertise.
pub const NODE: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 244, 255, 254));
/// The Service `kubernetes`, always the first address.
pub const API_SERVICE: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 96, 0, 1));
/// The API server.
pub const API_PORT: u16 = 6443;
/// The kubelet's own API, where logs are.
pub const KUBELET_PORT: u16 = 10_250;
/// etcd, for clients.
pub const ETCD: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 2379);
/// etcd, for other members, of which there are none.
pub const ETCD_PEERS: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 2380);

/// How many pods can have had an address: the third byte stops before the node's and the load balancers'.
pub const PODS_MAX: u32 = 250 * 250;

/// The address of the pod that is `number`th to get one, counted from 0; none beyond [`PODS_MAX`].
pub fn pod(number: u32) -> Option<IpAddr> {
    let third = u8::try_from(number / 250).ok()?;
    let fourth = u8::try_from(number % 250).ok()? + 1;
    (number < PODS_MAX).then(|| Ipv4Addr::new(10, 244, third, fourth).into())
}

/// The address that the load balancer gives to the `number`th Service that asks for one, counted from 0.
pub fn load_balancer(number: u8) -> IpAddr {
    Ipv4Addr::new(10, 244, 254, number).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pods_get_addresses_of_their_own_until_there_are_none() {
        let shown = |number| pod(number).map(|address| address.to_string());
        assert_eq!(shown(0).as_deref(), Some("10.244.0.1"));
        assert_eq!(shown(249).as_deref(), Some("10.244.0.250"));
        assert_eq!(shown(250).as_deref(), Some("10.244.1.1"));
        assert_eq!(shown(PODS_MAX - 1).as_deref(), Some("10.244.249.250"));
        assert_eq!(shown(PODS_MAX), None);
    }
}
