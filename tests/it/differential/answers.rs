//! What an answer says, in a form that can be compared between servers.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use super::requests::{MODIFIED, Object, Request};
use crate::support::multipart::{parts, positions};
use crate::support::peers::CONTENT_TYPE;
use crate::support::{Client, Response, in_time};

/// The aspect that is the status.
pub const STATUS: &str = "status";
/// The aspect that is which bytes an answer carries.
pub const RANGES: &str = "ranges";

/// A server.
pub struct Server {
    pub name: &'static str,
    pub address: SocketAddr,
    /// Its entity tags.
    pub etags: BTreeMap<Object, String>,
}

/// What an answer says.
#[derive(Debug, Clone)]
pub struct Said {
    pub status: u16,
    /// First and last bytes of the ranges that a 206 carries.
    pub ranges: Vec<(usize, usize)>,
    /// Whether fields are there.
    pub fields: BTreeMap<&'static str, bool>,
}

/// A difference between two answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Difference {
    pub aspect: &'static str,
    pub theirs: u16,
    pub ours: u16,
    /// Theirs and ours in words, unless it is the status.
    pub words: Option<(&'static str, &'static str)>,
}

/// All differences; only the status, if that differs.
pub fn differences(theirs: &Said, ours: &Said) -> Vec<Difference> {
    let difference = |aspect, words| Difference {
        aspect,
        theirs: theirs.status,
        ours: ours.status,
        words,
    };
    if theirs.status != ours.status {
        return vec![difference(STATUS, None)];
    }
    let mut all = Vec::new();
    if theirs.ranges != ours.ranges {
        let is_joined = ours.ranges.len() < theirs.ranges.len();
        let are_in = theirs.ranges.iter().all(|(first, last)| {
            let mut own = ours.ranges.iter();
            own.any(|range| range.0 <= *first && *last <= range.1)
        });
        let own = if is_joined && are_in {
            "joined"
        } else {
            "other bytes"
        };
        all.push(difference(RANGES, Some(("apart", own))));
    }
    for (field, is_theirs) in &theirs.fields {
        // Which parts a 206 has says where its Content-Range is.
        if theirs.status == 206 && *field == "Content-Range" {
            continue;
        }
        let word = |sent| if sent { "sent" } else { "not sent" };
        let is_ours = ours.fields[field];
        if *is_theirs != is_ours {
            all.push(difference(field, Some((word(*is_theirs), word(is_ours)))));
        }
    }
    all
}

impl Server {
    /// A server that has to have all objects as they were put there.
    pub async fn at(name: &'static str, address: SocketAddr) -> Self {
        let mut etags = BTreeMap::new();
        for object in Object::ALL {
            let mut client = Client::connect(address).await;
            let answer = client.ask("GET", &format!("/{}", object.key()), &[]).await;
            assert_eq!(answer.status, 200, "{name}");
            assert_eq!(answer.header("last-modified"), Some(MODIFIED), "{name}");
            let etag = answer.header("etag").expect("an entity tag");
            assert!(etag.starts_with('"'), "{name}: {etag} is not strong");
            etags.insert(object, etag.to_owned());
        }
        Self {
            name,
            address,
            etags,
        }
    }

    /// Asks, and checks that the answer is what its status promises.
    pub async fn ask(&self, request: &Request, content: &[u8]) -> Said {
        let etag = &self.etags[&request.object];
        let head = request.head(etag);
        let mut client = Client::connect(self.address).await;
        client.send(&head).await;
        let mut response = in_time(&head, client.response(request.method)).await;
        let mut rest = in_time(&head, client.rest()).await;
        // Without a length the body is all up to the end of the connection (RFC 9112 section 6.3).
        let is_open_ended = response.header("content-length").is_none() && response.status != 304;
        if is_open_ended && request.method != "HEAD" {
            response.body = std::mem::take(&mut rest);
        }
        let exchange = Exchange {
            request,
            response: &response,
            content,
            context: format!("{} answered\n{}\nto\n{head}", self.name, response.head),
        };
        assert!(
            response.complete,
            "a body that is cut: {}",
            exchange.context
        );
        assert!(
            rest.is_empty(),
            "{} bytes too many: {}",
            rest.len(),
            exchange.context
        );
        exchange.said(etag)
    }
}

/// A request and its answer.
struct Exchange<'a> {
    request: &'a Request,
    response: &'a Response,
    /// The object.
    content: &'a [u8],
    /// For failure texts.
    context: String,
}

impl Exchange<'_> {
    /// What the answer says. Fields that it has are right.
    fn said(&self, etag: &str) -> Said {
        let length = self.content.len();
        let unsatisfied = format!("bytes */{length}");
        let status = self.response.status;
        let has_object = status == 200 && self.request.method != "OPTIONS";
        let mut fields = BTreeMap::new();
        for (field, value) in [
            ("Date", None),
            ("ETag", Some(etag)),
            ("Last-Modified", Some(MODIFIED)),
            ("Accept-Ranges", Some("bytes")),
            (
                "Content-Range",
                Some(unsatisfied.as_str()).filter(|_| status != 206),
            ),
            ("Allow", None),
            (
                "Content-Length",
                Some(length.to_string().as_str()).filter(|_| has_object),
            ),
        ] {
            let told = self.response.header(&field.to_ascii_lowercase());
            if let (Some(told), Some(value)) = (told, value) {
                assert_eq!(told, value, "{field}: {}", self.context);
            }
            fields.insert(field, told.is_some());
        }
        match status {
            200 if has_object => {
                assert!(!fields["Content-Range"], "{}", self.context);
                let is_whole = self.request.method == "HEAD" || self.response.body == self.content;
                assert!(is_whole, "other bytes: {}", self.context);
                self.has_its_type(self.response.header("content-type"));
            }
            304 => assert!(!fields["Content-Range"], "{}", self.context),
            200 | 204 | 206 | 400 | 405 | 412 | 416 => {}
            _ => panic!("another status: {}", self.context),
        }
        Said {
            status,
            ranges: self.ranges(),
            fields,
        }
    }

    fn has_its_type(&self, told: Option<&str>) {
        assert!(
            told.is_none_or(|told| told == CONTENT_TYPE),
            "{}",
            self.context
        );
    }

    /// The ranges of a 206 with a body, whose bytes have to be those of the object.
    fn ranges(&self) -> Vec<(usize, usize)> {
        let (response, context) = (self.response, &self.context);
        if response.status != 206 || self.request.method == "HEAD" {
            return Vec::new();
        }
        let Some(content_range) = response.header("content-range") else {
            let parts = parts(response).expect("several parts");
            return parts
                .into_iter()
                .map(|part| {
                    let last = part.first + part.bytes.len() - 1;
                    self.is_slice(part.first, &part.bytes, part.total);
                    self.has_its_type(part.content_type.as_deref());
                    (part.first, last)
                })
                .collect();
        };
        let (first, last, total) = positions(content_range);
        assert_eq!(response.body.len(), last - first + 1, "{context}");
        self.is_slice(first, &response.body, total);
        self.has_its_type(response.header("content-type"));
        vec![(first, last)]
    }

    fn is_slice(&self, first: usize, bytes: &[u8], total: usize) {
        assert_eq!(total, self.content.len(), "{}", self.context);
        let slice = self.content.get(first..first + bytes.len());
        assert!(slice == Some(bytes), "other bytes: {}", self.context);
    }
}
