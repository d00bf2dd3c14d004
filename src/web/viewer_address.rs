//! Which address a viewer has: the one that is connected here or, behind proxies of ours, the one
//! that they tell.

use std::fmt;
use std::net::IpAddr;

use actix_http::{HttpMessage as _, Request};
use actix_web::http::header::{FORWARDED, HeaderName, HeaderValue, X_FORWARDED_FOR};
use ipnet::IpNet;

use crate::semantics::forwarded::{Hop, forwarded, x_forwarded_for};

/// `S3REEL_TRUSTED_PROXIES`: networks of proxies that tell the truth about whom they were asked by.
/// Default none. One that is too wide lets strangers choose the address that they are counted by.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrustedProxies(Vec<IpNet>);

/// A member of the list is no network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkError(String);

impl fmt::Display for NetworkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "a list of addresses and networks such as 10.0.0.0/8,2001:db8::/32, without bits beyond \
             the prefix; {:?} is none",
            self.0
        )
    }
}

impl std::error::Error for NetworkError {}

impl TrustedProxies {
    /// Reads addresses and networks, separated by white space or commas.
    ///
    /// # Errors
    /// [`NetworkError`] for the first that is none. Bits beyond the prefix are most likely a slip, and
    /// networks of IPv4 are to be written as such.
    pub fn parse(text: &str) -> Result<Self, NetworkError> {
        text.split([',', ' ', '\t', '\n', '\r'])
            .filter(|member| !member.is_empty())
            .map(|member| {
                let network = member
                    .parse()
                    .or_else(|_| member.parse::<IpAddr>().map(IpNet::from));
                network
                    .ok()
                    .filter(|network: &IpNet| {
                        let address = network.addr();
                        network.network() == address && address.to_canonical() == address
                    })
                    .ok_or_else(|| NetworkError(member.to_owned()))
            })
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// The address of the viewer that a request came from.
    #[must_use]
    pub fn viewer(&self, request: &Request) -> Option<IpAddr> {
        let peer = request.peer_addr()?.ip().to_canonical();
        if !self.trust(peer) {
            return Some(peer);
        }
        let x_forwarded_for = x_forwarded_for(lines(request, &X_FORWARDED_FOR));
        let forwarded = forwarded(lines(request, &FORWARDED));
        Some(self.first_stranger(peer, &x_forwarded_for, &forwarded))
    }

    /// The same, if it is certain: `None` where a proxy hides whom it was asked by, or where the fields
    /// that tell it differ, and a proxy's own address would have to do. Access must not rest on that.
    #[must_use]
    pub fn proven(&self, request: &Request) -> Option<IpAddr> {
        let viewer = self.viewer(request)?;
        let is_proxy = self.trust(viewer);
        (!is_proxy).then_some(viewer)
    }

    /// The nearest address that is no proxy of ours. Where both fields are sent and differ, one of
    /// them was sent by the viewer and passed on by a proxy that knows the other only; which one
    /// cannot be told, so the proxy itself has to answer for the viewer.
    fn first_stranger(&self, peer: IpAddr, x_forwarded_for: &[Hop], forwarded: &[Hop]) -> IpAddr {
        let x_forwarded_for = self.follow(peer, x_forwarded_for);
        let forwarded = self.follow(peer, forwarded);
        match (x_forwarded_for, forwarded) {
            (Some(one), None) | (None, Some(one)) => one,
            (Some(one), Some(other)) if one == other => one,
            _ => peer,
        }
    }

    /// Follows hops while those who tell them are trusted; `None` if there are none.
    fn follow(&self, peer: IpAddr, hops: &[Hop]) -> Option<IpAddr> {
        let mut last = peer;
        for hop in hops {
            match hop {
                // The last one who is known answers for whom it hides.
                None => return Some(last),
                Some(address) if self.trust(*address) => last = *address,
                Some(address) => return Some(*address),
            }
        }
        (!hops.is_empty()).then_some(last)
    }

    fn trust(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }
}

impl fmt::Display for TrustedProxies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, network) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(f, "{comma}{network}")?;
        }
        Ok(())
    }
}

fn lines<'a>(request: &'a Request, name: &HeaderName) -> Vec<&'a [u8]> {
    let values = request.headers().get_all(name);
    values.map(HeaderValue::as_bytes).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hops(text: &str) -> Vec<Hop> {
        text.split_whitespace()
            .map(|hop| hop.parse().ok())
            .collect()
    }

    #[test]
    fn networks_are_read_strictly() {
        let read = |text: &str| TrustedProxies::parse(text).map(|proxies| proxies.to_string());
        for (text, expected) in [
            ("", ""),
            ("10.0.0.0/8", "10.0.0.0/8"),
            (
                "10.1.2.3, ::1\n2001:db8::/32",
                "10.1.2.3/32,::1/128,2001:db8::/32",
            ),
            ("0.0.0.0/0", "0.0.0.0/0"),
        ] {
            assert_eq!(read(text).as_deref(), Ok(expected), "{text:?}");
        }
        for text in [
            "10.0.0.1/8",
            "10.0.0.0/33",
            "10.0.0/8",
            "10.0.0.0/",
            "10.0.0.0/+8",
            "::ffff:10.0.0.0/104",
            "localhost",
            "*",
            "10.0.0.0/8;::1",
        ] {
            assert!(read(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn the_nearest_address_that_is_no_proxy_of_ours_is_the_viewers() {
        let proxies = TrustedProxies::parse("10.0.0.0/8 2001:db8::/32").unwrap();
        // Hops are the latest first.
        for (x_forwarded_for, forwarded, viewer) in [
            ("", "", "10.0.0.1"),
            ("203.0.113.9", "", "203.0.113.9"),
            ("", "203.0.113.9", "203.0.113.9"),
            // What stands before the first stranger is its own word.
            ("203.0.113.9 192.0.2.1", "", "203.0.113.9"),
            (
                "10.0.0.2 2001:db8::7 203.0.113.9 10.0.0.3",
                "",
                "203.0.113.9",
            ),
            // All of it inside our network.
            ("10.0.0.2 10.0.0.3", "", "10.0.0.3"),
            // Who hides somebody answers for them.
            ("unknown 203.0.113.9", "", "10.0.0.1"),
            ("10.0.0.2 _hidden 203.0.113.9", "", "10.0.0.2"),
            // Two fields have to agree.
            ("203.0.113.9", "203.0.113.9", "203.0.113.9"),
            ("203.0.113.9", "192.0.2.1", "10.0.0.1"),
            ("203.0.113.9", "unknown", "10.0.0.1"),
        ] {
            let peer = "10.0.0.1".parse().unwrap();
            let found = proxies.first_stranger(peer, &hops(x_forwarded_for), &hops(forwarded));
            assert_eq!(
                found.to_string(),
                viewer,
                "{x_forwarded_for:?} {forwarded:?}"
            );
        }
    }

    #[test]
    fn an_address_that_someone_could_have_made_up_proves_nothing() {
        let proxies = TrustedProxies::parse("10.0.0.0/8").unwrap();
        for (peer, x_forwarded_for, forwarded, proven) in [
            ("203.0.113.9", "", "", Some("203.0.113.9")),
            // A stranger's word.
            ("203.0.113.9", "10.0.0.7", "", Some("203.0.113.9")),
            ("10.0.0.1", "203.0.113.9", "", Some("203.0.113.9")),
            (
                "10.0.0.1",
                "192.0.2.1, 203.0.113.9",
                "",
                Some("203.0.113.9"),
            ),
            // The proxy tells one field, and passes the viewer's own on.
            ("10.0.0.1", "203.0.113.9", "for=192.0.2.1", None),
            ("10.0.0.1", "unknown", "", None),
            ("10.0.0.1", "", "", None),
        ] {
            let mut request = actix_web::test::TestRequest::default()
                .peer_addr((peer.parse::<IpAddr>().unwrap(), 1).into());
            for (name, value) in [(X_FORWARDED_FOR, x_forwarded_for), (FORWARDED, forwarded)] {
                if !value.is_empty() {
                    request = request.insert_header((name, value));
                }
            }
            let found = proxies.proven(&request.to_request());
            let found = found.map(|address| address.to_string());
            assert_eq!(
                found.as_deref(),
                proven,
                "{peer} {x_forwarded_for} {forwarded}"
            );
        }
    }
}
