//! Policies: what was signed, in JSON.

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::pattern::ResourcePattern;
use super::resource::Resource;

/// A custom policy. Nothing of it is believed before its signature is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// What it covers.
    pub resource: ResourcePattern,
    /// The first second in which it does not hold any more, since 1970.
    pub expires: u64,
    /// The first second in which it holds.
    pub not_before: Option<u64>,
    /// Whom it is for.
    pub addresses: Option<IpNet>,
}

/// The text is no policy that can be kept to the letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyError(String);

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for PolicyError {}

/// The JSON of a policy. What it has beyond this is refused: it may be a condition, and to ignore it
/// would open what is meant to be closed.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct Document {
    /// CloudFront takes exactly one.
    statement: [StatementText; 1],
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct StatementText {
    /// CloudFront takes a policy without it for everything; that is refused here.
    resource: String,
    condition: Condition,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct Condition {
    date_less_than: Epoch,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    date_greater_than: Option<Epoch>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ip_address: Option<SourceIp>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Epoch {
    #[serde(rename = "AWS:EpochTime")]
    seconds: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SourceIp {
    #[serde(rename = "AWS:SourceIp")]
    network: String,
}

impl Policy {
    /// Reads a policy.
    ///
    /// # Errors
    /// [`PolicyError`] for JSON of another form, more than one statement, no resource, or a network
    /// that is none.
    pub fn parse(json: &[u8]) -> Result<Self, PolicyError> {
        let document: Document =
            serde_json::from_slice(json).map_err(|error| PolicyError(error.to_string()))?;
        let Document {
            statement: [statement],
        } = document;
        let StatementText {
            resource,
            condition,
        } = statement;
        let addresses = condition
            .ip_address
            .map(|ip| network(&ip.network))
            .transpose()?;
        Ok(Self {
            resource: ResourcePattern::parse(&resource)
                .map_err(|error| PolicyError(error.to_string()))?,
            expires: condition.date_less_than.seconds,
            not_before: condition.date_greater_than.map(|epoch| epoch.seconds),
            addresses,
        })
    }

    /// Whether it is for a viewer with this address.
    #[must_use]
    pub fn is_for(&self, viewer: Option<IpAddr>) -> bool {
        match (&self.addresses, viewer) {
            (None, _) => true,
            (Some(network), Some(viewer)) => network.contains(&viewer.to_canonical()),
            (Some(_), None) => false,
        }
    }
}

/// Reads an address or a network. Bits beyond the prefix do not matter, as in all of AWS.
///
/// # Errors
/// [`PolicyError`] for what is none.
pub fn network(text: &str) -> Result<IpNet, PolicyError> {
    let network = text
        .parse()
        .or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
    network.map_err(|_| PolicyError(format!("{text:?} is no address and no network")))
}

/// What is signed of a canned policy: the one text for this resource and this end, which every
/// signer makes to the letter.
#[must_use]
pub fn canned(resource: &Resource, expires: u64) -> String {
    custom(resource.as_str(), expires, None, None)
}

/// A custom policy as the AWS signers write it.
#[must_use]
pub fn custom(
    resource: &str,
    expires: u64,
    not_before: Option<u64>,
    addresses: Option<IpNet>,
) -> String {
    let epoch = |seconds| Epoch { seconds };
    let document = Document {
        statement: [StatementText {
            resource: resource.to_owned(),
            condition: Condition {
                date_less_than: epoch(expires),
                date_greater_than: not_before.map(epoch),
                ip_address: addresses.map(|network| SourceIp {
                    network: network.to_string(),
                }),
            },
        }],
    };
    // Texts and numbers can always be written.
    serde_json::to_string(&document).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statement(resource: &str, condition: &str) -> String {
        format!("{{\"Statement\":[{{{resource}\"Condition\":{{{condition}}}}}]}}")
    }

    const RESOURCE: &str = "\"Resource\":\"https://a.example/*\",";
    const END: &str = "\"DateLessThan\":{\"AWS:EpochTime\":2000}";

    #[test]
    fn a_canned_policy_is_the_text_that_every_signer_makes() {
        let resource = Resource::new("https://a.example", "/b.mp4", Some("c=d&e"));
        assert_eq!(
            canned(&resource, 1_767_290_400),
            "{\"Statement\":[{\"Resource\":\"https://a.example/b.mp4?c=d&e\",\
             \"Condition\":{\"DateLessThan\":{\"AWS:EpochTime\":1767290400}}}]}"
        );
    }

    #[test]
    fn a_policy_is_read_whatever_its_order_and_spaces() {
        let start = "\"DateGreaterThan\":{\"AWS:EpochTime\":1000}";
        let address = "\"IpAddress\":{\"AWS:SourceIp\":\"192.0.2.0/24\"}";
        let policy = Policy::parse(statement(RESOURCE, END).as_bytes()).unwrap();
        assert_eq!(
            (policy.expires, policy.not_before, policy.addresses),
            (2000, None, None)
        );
        for condition in [
            format!("{END},{start},{address}"),
            format!(" {address} ,\n\t{start}, {END} "),
        ] {
            let policy = Policy::parse(statement(RESOURCE, &condition).as_bytes()).unwrap();
            assert_eq!(policy.expires, 2000);
            assert_eq!(policy.not_before, Some(1000));
            assert_eq!(policy.addresses, "192.0.2.0/24".parse().ok());
        }
        let made = custom(
            "https://a.example/*",
            2000,
            Some(1000),
            "192.0.2.0/24".parse().ok(),
        );
        let read = Policy::parse(made.as_bytes()).unwrap();
        assert_eq!((read.expires, read.not_before), (2000, Some(1000)));
    }

    #[test]
    fn what_cannot_be_kept_to_the_letter_is_refused() {
        let with = |more: &str| statement(RESOURCE, &format!("{END},{more}"));
        for json in [
            String::new(),
            "null".to_owned(),
            "{}".to_owned(),
            "{\"Statement\":[]}".to_owned(),
            statement("", END),
            statement("\"Resource\":\"\",", END),
            statement("\"Resource\":\"films/*\",", END),
            statement("\"Resource\":[\"https://a.example/*\"],", END),
            statement(&format!("{RESOURCE}{RESOURCE}"), END),
            statement(&format!("{RESOURCE}\"Effect\":\"Deny\","), END),
            statement(RESOURCE, ""),
            statement(RESOURCE, "\"DateLessThan\":{\"AWS:EpochTime\":\"2000\"}"),
            statement(RESOURCE, "\"DateLessThan\":{\"AWS:EpochTime\":2000.5}"),
            statement(RESOURCE, "\"DateLessThan\":{\"AWS:EpochTime\":-1}"),
            statement(RESOURCE, "\"DateLessThan\":{}"),
            with(END),
            with("\"StringLike\":{}"),
            with("\"IpAddress\":{\"AWS:SourceIp\":\"\"}"),
            with("\"IpAddress\":{\"AWS:SourceIp\":\"192.0.2.0/33\"}"),
            with("\"IpAddress\":{\"AWS:SourceIp\":\"a.example\"}"),
            statement(RESOURCE, END) + "x",
            format!(
                "{{\"Statement\":[{0},{0}]}}",
                "{\"Resource\":\"*\",\"Condition\":{\"DateLessThan\":{\"AWS:EpochTime\":1}}}"
            ),
        ] {
            assert!(Policy::parse(json.as_bytes()).is_err(), "{json}");
        }
    }

    #[test]
    fn a_network_is_for_those_in_it_only() {
        let of = |network: &str| Policy {
            resource: ResourcePattern::parse("*").unwrap(),
            expires: 1,
            not_before: None,
            addresses: Some(super::network(network).unwrap()),
        };
        for (network, viewer, is_for) in [
            ("192.0.2.0/24", Some("192.0.2.255"), true),
            ("192.0.2.77/24", Some("192.0.2.1"), true),
            ("192.0.2.0/24", Some("192.0.3.0"), false),
            ("192.0.2.1", Some("192.0.2.1"), true),
            ("192.0.2.1/32", Some("::ffff:192.0.2.1"), true),
            ("0.0.0.0/0", Some("203.0.113.9"), true),
            ("0.0.0.0/0", Some("2001:db8::1"), false),
            ("2001:db8::/32", Some("2001:db8::1"), true),
            ("0.0.0.0/0", None, false),
        ] {
            let viewer = viewer.map(|viewer| viewer.parse().unwrap());
            assert_eq!(of(network).is_for(viewer), is_for, "{network} {viewer:?}");
        }
    }
}
