//! The requests that all servers are asked: every form once, and a few hundred mixtures.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::ranges::{Kind, Range, ranges};

/// `Last-Modified` of every object, and the moments around it.
pub const MODIFIED: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
/// The same in seconds since 1970.
pub const MODIFIED_SECONDS: u64 = 784_111_777;

/// An object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Object {
    Empty,
    Byte,
    Eleven,
    Film,
}

impl Object {
    pub const ALL: [Self; 4] = [Self::Empty, Self::Byte, Self::Eleven, Self::Film];

    pub fn key(self) -> &'static str {
        match self {
            Self::Empty => "empty.mp4",
            Self::Byte => "byte.mp4",
            Self::Eleven => "eleven.mp4",
            Self::Film => "film.mp4",
        }
    }

    pub fn length(self) -> usize {
        match self {
            Self::Empty => 0,
            Self::Byte => 1,
            Self::Eleven => 11,
            Self::Film => 70_001,
        }
    }
}

/// Entity tags in a condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tag {
    Own,
    Weak,
    Other,
    Star,
    /// The own one after another, in one field line.
    List,
    /// After one with a comma inside.
    AfterComma,
    /// With empty members.
    EmptyMembers,
    ListOfOthers,
    /// The own one on a line after that of another.
    TwoLines,
    /// Without its quotes.
    Unquoted,
    /// Nothing at all.
    Nothing,
}

const TAGS: [Tag; 11] = [
    Tag::Own,
    Tag::Weak,
    Tag::Other,
    Tag::Star,
    Tag::List,
    Tag::AfterComma,
    Tag::EmptyMembers,
    Tag::ListOfOthers,
    Tag::TwoLines,
    Tag::Unquoted,
    Tag::Nothing,
];

/// Dates in a condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Date {
    Same,
    /// A second before.
    Earlier,
    /// A second after.
    Later,
    /// After today.
    Future,
    /// The same in the form of RFC 850.
    Rfc850,
    /// The same in the form of `asctime()`.
    Asctime,
    /// No date.
    Junk,
    /// A number.
    Number,
}

const DATES: [Date; 8] = [
    Date::Same,
    Date::Earlier,
    Date::Later,
    Date::Future,
    Date::Rfc850,
    Date::Asctime,
    Date::Junk,
    Date::Number,
];

impl Tag {
    /// Values, one for each field line.
    fn values(self, own: &str) -> Vec<String> {
        let own = own.to_owned();
        match self {
            Self::Own => vec![own],
            Self::Weak => vec![format!("W/{own}")],
            Self::Other => vec!["\"other\"".to_owned()],
            Self::Star => vec!["*".to_owned()],
            Self::List => vec![format!("\"other\", {own}")],
            Self::AfterComma => vec![format!("\"a,b\" , {own}")],
            Self::EmptyMembers => vec![format!(",, {own} ,")],
            Self::ListOfOthers => vec!["\"other\", W/\"another\"".to_owned()],
            Self::TwoLines => vec!["\"other\"".to_owned(), own],
            Self::Unquoted => vec![own.trim_matches('"').to_owned()],
            Self::Nothing => vec![String::new()],
        }
    }
}

impl Date {
    fn value(self) -> &'static str {
        match self {
            Self::Same => MODIFIED,
            Self::Earlier => "Sun, 06 Nov 1994 08:49:36 GMT",
            Self::Later => "Sun, 06 Nov 1994 08:49:38 GMT",
            Self::Future => "Fri, 31 Dec 9999 23:59:59 GMT",
            Self::Rfc850 => "Sunday, 06-Nov-94 08:49:37 GMT",
            Self::Asctime => "Sun Nov  6 08:49:37 1994",
            Self::Junk => "yesterday",
            Self::Number => "784111777",
        }
    }
}

/// Tags or dates, for `If-Range`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Validator {
    Tag(Tag),
    Date(Date),
}

/// A request for an object.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Request {
    pub method: &'static str,
    /// `1.0` or `1.1`.
    pub version: &'static str,
    pub object: Object,
    pub range: Option<Range>,
    pub if_match: Option<Tag>,
    pub if_none_match: Option<Tag>,
    pub if_modified_since: Option<Date>,
    pub if_unmodified_since: Option<Date>,
    pub if_range: Option<Validator>,
}

impl Request {
    /// GET, and nothing else.
    pub fn of(object: Object) -> Self {
        Self {
            method: "GET",
            version: "1.1",
            object,
            range: None,
            if_match: None,
            if_none_match: None,
            if_modified_since: None,
            if_unmodified_since: None,
            if_range: None,
        }
    }

    /// Whether its method is one that changes objects.
    pub fn writes(&self) -> bool {
        ["POST", "PUT", "DELETE"].contains(&self.method)
    }

    /// The request as it goes to a server whose entity tag of the object is `etag`. It asks for
    /// the connection to be closed, so that nothing can follow the answer unseen.
    pub fn head(&self, etag: &str) -> String {
        let (method, version, key) = (self.method, self.version, self.object.key());
        let mut text = format!("{method} /{key} HTTP/{version}\r\n");
        let mut field = |name: &str, value: &str| {
            let _ = write!(text, "{name}: {value}\r\n");
        };
        field("Host", "localhost");
        field("Connection", "close");
        if self.writes() {
            field("Content-Length", "0");
        }
        if let Some(range) = self.range {
            field("Range", &range.value(self.object.length()));
        }
        let tags = [
            ("If-Match", self.if_match),
            ("If-None-Match", self.if_none_match),
        ];
        for (name, tag) in tags {
            for value in tag.into_iter().flat_map(|tag| tag.values(etag)) {
                field(name, &value);
            }
        }
        let dates = [
            ("If-Modified-Since", self.if_modified_since),
            ("If-Unmodified-Since", self.if_unmodified_since),
        ];
        for (name, date) in dates {
            if let Some(date) = date {
                field(name, date.value());
            }
        }
        match self.if_range {
            Some(Validator::Tag(tag)) => {
                for value in tag.values(etag) {
                    field("If-Range", &value);
                }
            }
            Some(Validator::Date(date)) => field("If-Range", date.value()),
            None => {}
        }
        text + "\r\n"
    }
}

fn if_ranges() -> impl Iterator<Item = Validator> {
    let dates = DATES.map(Validator::Date);
    TAGS.map(Validator::Tag).into_iter().chain(dates)
}

/// Every condition alone.
fn conditions() -> Vec<Request> {
    let plain = || Request::of(Object::Film);
    let tags = TAGS.map(Some).into_iter();
    let dates = DATES.map(Some).into_iter();
    let mut all = Vec::new();
    all.extend(tags.clone().map(|if_match| Request {
        if_match,
        ..plain()
    }));
    all.extend(tags.map(|if_none_match| Request {
        if_none_match,
        ..plain()
    }));
    all.extend(dates.clone().map(|if_modified_since| Request {
        if_modified_since,
        ..plain()
    }));
    all.extend(dates.map(|if_unmodified_since| Request {
        if_unmodified_since,
        ..plain()
    }));
    all
}

/// What browsers and caches send together: both validators, for the whole or a range, that still
/// hold or not.
fn revalidations(range: Option<Range>) -> Vec<Request> {
    let tags = [None, Some(Tag::Own), Some(Tag::Weak), Some(Tag::Other)];
    let dates = [None, Some(Date::Same), Some(Date::Earlier)];
    let if_ranges = [None, Some(Tag::Own), Some(Tag::Other)];
    let mut all = Vec::new();
    for if_none_match in tags {
        for if_modified_since in dates {
            all.extend(if_ranges.map(|if_range| Request {
                range,
                if_none_match,
                if_modified_since,
                if_range: if_range.map(Validator::Tag),
                ..Request::of(Object::Film)
            }));
        }
    }
    all
}

/// Mixtures, always the same ones.
fn mixtures() -> impl Iterator<Item = Request> {
    let mut random = fastrand::Rng::with_seed(9110);
    let ranges: Vec<_> = ranges().collect();
    let if_ranges: Vec<_> = if_ranges().collect();
    std::iter::repeat_with(move || {
        let mut one_in = |times: usize| random.usize(..times) == 0;
        let (head, old) = (one_in(4), one_in(8));
        let with = [one_in(5), one_in(3), one_in(4), one_in(6), one_in(4)];
        let [matches, none, since, unmodified, if_range] = with;
        let has_range = !one_in(5);
        Request {
            method: if head { "HEAD" } else { "GET" },
            version: if old { "1.0" } else { "1.1" },
            object: random.choice(Object::ALL).unwrap_or(Object::Film),
            range: random.choice(&ranges).copied().filter(|_| has_range),
            if_match: random.choice(TAGS).filter(|_| matches),
            if_none_match: random.choice(TAGS).filter(|_| none),
            if_modified_since: random.choice(DATES).filter(|_| since),
            if_unmodified_since: random.choice(DATES).filter(|_| unmodified),
            if_range: random.choice(&if_ranges).copied().filter(|_| if_range),
        }
    })
    .take(400)
}

/// All requests, each once.
pub fn all() -> BTreeSet<Request> {
    let mut all: BTreeSet<_> = Object::ALL.into_iter().map(Request::of).collect();
    for range in ranges().map(Some) {
        all.extend(Object::ALL.map(|object| Request {
            range,
            ..Request::of(object)
        }));
        let film = Request {
            range,
            ..Request::of(Object::Film)
        };
        all.insert(Request {
            version: "1.0",
            ..film.clone()
        });
        all.insert(Request {
            method: "HEAD",
            ..film
        });
    }
    let [small, beyond, several] = [Kind::One, Kind::Beyond, Kind::Several]
        .map(|kind| ranges().find(|range| range.kind == kind));
    for request in conditions() {
        let range = small;
        all.insert(Request {
            range,
            ..request.clone()
        });
        all.insert(Request {
            method: "HEAD",
            ..request.clone()
        });
        all.insert(request);
    }
    for if_range in if_ranges().map(Some) {
        all.extend([small, beyond, several, None].map(|range| Request {
            range,
            if_range,
            ..Request::of(Object::Film)
        }));
    }
    for method in ["POST", "PUT", "DELETE", "OPTIONS"] {
        let request = Request {
            method,
            ..Request::of(Object::Film)
        };
        all.insert(Request {
            range: small,
            ..request.clone()
        });
        all.extend([Tag::Own, Tag::Other].map(|tag| Request {
            if_match: Some(tag),
            ..request.clone()
        }));
        all.extend([Tag::Own, Tag::Other].map(|tag| Request {
            if_none_match: Some(tag),
            ..request.clone()
        }));
        all.insert(request);
    }
    all.extend(revalidations(None));
    all.extend(revalidations(small));
    all.extend(mixtures());
    all
}
