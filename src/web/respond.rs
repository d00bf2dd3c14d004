//! The one place that renders answers.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use actix_http::{HttpMessage as _, Request};
use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{EXPECT, TryIntoHeaderPair as _};
use bytes::Bytes;

use super::admission::Audience;
use super::body::{TurnGuard, ViewerBody};
use super::decide::{Decided, OpenBody};
use super::extract::{Want, range_as_sent};
use super::fields;
use super::head::{Head, WrittenBy};
use super::keep_alive::{self, Connection};
use super::multipart::{Framing, MultipartBody};
use super::object_body::ObjectContent;
use super::problem::ServeError;
use super::streams::Place;
use super::{CorsPolicy, Shared, Worker, object_headers};
use crate::connection::Outlet;
use crate::object::media_type::MediaType;
use crate::object::{ObjectKey, Representation};
use crate::semantics::{ContentRange, HttpDate, InclRange, Selection};
use crate::storage::error::{ReadError, ReadErrorKind};
use crate::storage::version::PinnedVersion;
use crate::storage::{ObjectReader, Served};
use crate::telemetry::AccessRecord;

/// An answer that is not a failure.
pub enum Reply {
    /// An object, or what its conditions make of it.
    Object(Box<ObjectReply>),
    /// OPTIONS of anything.
    Options,
    /// A redirect of a visitor to the page.
    SeeOther(String),
    /// A short text of ours.
    Text(Text),
}

/// An object, or what its conditions make of it.
pub struct ObjectReply {
    /// Which answer.
    pub decided: Decided,
    /// What further parts are read with.
    pub reader: Arc<dyn ObjectReader>,
    /// Of which object.
    pub key: ObjectKey,
    /// The place that it has while it is sent.
    pub place: Option<Place>,
}

/// A short text of ours.
pub struct Text {
    /// Status.
    pub status: StatusCode,
    /// `Content-Type`.
    pub content_type: &'static str,
    /// `Content-Security-Policy`, for what a browser shows as a document.
    pub policy: Option<&'static str>,
    /// The text.
    pub body: Bytes,
}

/// Renders an answer, or the failure that came instead, and hands the access record to its body.
pub fn respond(
    request: &Request,
    worker: &Worker,
    cors: &CorsPolicy,
    record: Box<AccessRecord>,
    audience: Audience,
    reply: Result<Reply, ServeError>,
) -> HttpResponse<ViewerBody> {
    let now = Instant::now();
    let mut answer = Answer {
        request,
        worker,
        shared: &worker.shared,
        cors,
        outlet: outlet_of(request),
        now,
        date: fields::date_of(now),
        record,
        audience,
        place: None,
        served: None,
    };
    match reply {
        Ok(Reply::Object(reply)) => {
            let ObjectReply {
                decided,
                reader,
                key,
                place,
            } = *reply;
            answer.place = place;
            answer.object(decided, reader, &key)
        }
        Ok(Reply::Options) => answer.options(),
        Ok(Reply::SeeOther(location)) => answer.see_other(&location),
        Ok(Reply::Text(text)) => answer.text(text),
        Err(error) => answer.failure(&error),
    }
}

struct Answer<'a> {
    request: &'a Request,
    worker: &'a Worker,
    shared: &'a Shared,
    /// Which pages may read it.
    cors: &'a CorsPolicy,
    /// The way past the server, for an answer with bytes of an object.
    outlet: Option<Rc<Outlet>>,
    /// When it is made.
    now: Instant,
    /// `Date`, and the latest that `Last-Modified` may be.
    date: HttpDate,
    record: Box<AccessRecord>,
    /// Whom it is for.
    audience: Audience,
    /// Where what it says of an object comes from.
    served: Option<Served>,
    /// Given up with the answer, unless that has a body to give it to.
    place: Option<Place>,
}

impl<'a> Answer<'a> {
    fn object(
        mut self,
        decided: Decided,
        reader: Arc<dyn ObjectReader>,
        key: &ObjectKey,
    ) -> HttpResponse<ViewerBody> {
        let Decided {
            selection,
            representation,
            content_type,
            served,
            body,
        } = decided;
        self.record.cache = served.source.as_str();
        self.served = Some(served);
        let caching = self.caching();
        let complete = representation.length;
        log::debug!(request_id = self.record.id().as_str(); "{key}: {selection:?} of {complete}");
        let (mut head, promised, body) = match selection {
            Selection::Whole => {
                let promised = complete.bytes();
                let by = self.written_by(promised, body.is_some());
                (self.object_head(StatusCode::OK, by), promised, body)
            }
            Selection::Part(part) => {
                let promised = part.byte_count();
                let by = self.written_by(promised, body.is_some());
                let mut head = self.object_head(StatusCode::PARTIAL_CONTENT, by);
                if let Some(content_range) = ContentRange::new(part, complete) {
                    head.content_range(content_range);
                }
                (head, promised, body)
            }
            Selection::Parts(parts) => {
                let version = PinnedVersion::new(reader, key.clone(), &representation);
                return self.parts(&parts, &representation, &content_type, body, version);
            }
            Selection::NotModified => {
                let mut head = self.object_head(StatusCode::NOT_MODIFIED, WrittenBy::Server);
                object_headers::revalidate(&mut head, &representation, caching, self.date);
                return self.without_body(head);
            }
            Selection::PreconditionFailed => return self.failure(&ServeError::PreconditionFailed),
            Selection::Unsatisfiable => {
                let range = range_as_sent(self.request);
                return self.failure(&ServeError::Unsatisfiable(range, complete));
            }
        };
        self.worker.described.tell(
            &mut head,
            &representation,
            caching,
            &content_type,
            self.date,
        );
        match body {
            Some(body) => self.stream(head, body, promised),
            None if self.want() == Want::HeadOnly => self.finish(head, 0, |record, turn| {
                ViewerBody::absent(promised, record, turn)
            }),
            None => self.finish(head, 0, |record, turn| {
                ViewerBody::text(Bytes::new(), record, turn)
            }),
        }
    }

    /// 206 with several parts.
    fn parts(
        self,
        parts: &[InclRange],
        representation: &Representation,
        content_type: &MediaType,
        body: Option<OpenBody>,
        version: Option<PinnedVersion>,
    ) -> HttpResponse<ViewerBody> {
        let (Some(version), Some(first)) = (version, body) else {
            let error = ReadError::new(ReadErrorKind::Internal, "parts without a version");
            return self.failure(&ServeError::Read(error));
        };
        let framing = Framing::new(parts, representation.length, content_type.as_str());
        let promised = framing.length();
        let by = self.written_by(promised, true);
        let mut head = self.object_head(StatusCode::PARTIAL_CONTENT, by);
        head.text(fields::CONTENT_TYPE, &framing.content_type());
        object_headers::describe(
            &mut head,
            representation,
            self.caching(),
            content_type,
            self.date,
        );
        let body = MultipartBody::new(version, framing, parts, first).open();
        self.stream(head, body, promised)
    }

    /// An answer with bytes of an object.
    fn stream(mut self, head: Head, body: OpenBody, promised: u64) -> HttpResponse<ViewerBody> {
        let outlet = self.outlet_for(promised).map(Rc::clone);
        let content = ObjectContent::new(body, promised, outlet.clone(), self.now);
        let pauses = Rc::clone(&self.worker.pauses);
        let place = self.place.take();
        self.finish(head, promised, |record, turn| {
            ViewerBody::object(content, promised, outlet, pauses, place, record, turn)
        })
    }

    /// The way past the server of a body of so many bytes. An empty one would not wait until the viewer has
    /// taken its head, and heads would gather.
    fn outlet_for(&self, promised: u64) -> Option<&Rc<Outlet>> {
        self.outlet.as_ref().filter(|_| promised > 0)
    }

    /// Who writes the fields of an answer with or without bytes of an object.
    fn written_by(&self, promised: u64, has_body: bool) -> WrittenBy {
        if has_body && self.outlet_for(promised).is_some() {
            WrittenBy::Us(promised)
        } else {
            WrittenBy::Server
        }
    }

    fn options(self) -> HttpResponse<ViewerBody> {
        let mut head = self.head(StatusCode::NO_CONTENT, WrittenBy::Server);
        head.fixed(fields::ALLOW);
        self.cors.apply_preflight(self.request, &mut head);
        self.without_body(head)
    }

    fn see_other(self, location: &str) -> HttpResponse<ViewerBody> {
        let mut head = self.head(StatusCode::SEE_OTHER, WrittenBy::Server);
        head.text(fields::LOCATION, location)
            .fixed(fields::NO_STORE);
        self.short(head, Bytes::new())
    }

    fn text(self, text: Text) -> HttpResponse<ViewerBody> {
        let mut head = self.head(text.status, WrittenBy::Server);
        head.text(fields::CONTENT_TYPE, text.content_type)
            .fixed(fields::NO_STORE);
        if self.audience == Audience::Everyone {
            head.fixed(fields::NO_REFERRER);
        }
        if let Some(policy) = text.policy {
            head.text(fields::CONTENT_SECURITY_POLICY, policy);
        }
        self.short(head, text.body)
    }

    fn failure(self, error: &ServeError) -> HttpResponse<ViewerBody> {
        if let (Some(level), ServeError::Read(cause) | ServeError::MayNotList(cause)) =
            (error.log_level(), error)
        {
            log::log!(level, request_id = self.record.id().as_str(); "{cause}");
        }
        let mut head = self.head(error.status(), WrittenBy::Server);
        head.fixed(fields::PROBLEM).fixed(fields::NO_STORE);
        if let Some(seconds) = error.retry_after() {
            head.number(fields::RETRY_AFTER, seconds);
        }
        match error {
            ServeError::MethodNotAllowed => {
                head.fixed(fields::ALLOW);
            }
            ServeError::Unsatisfiable(_, complete) => {
                head.fixed(fields::ACCEPT_RANGES_BYTES)
                    .text(fields::CONTENT_RANGE, &format!("bytes */{complete}"));
            }
            ServeError::PreconditionFailed => {
                head.fixed(fields::ACCEPT_RANGES_BYTES);
            }
            ServeError::Forbidden
            | ServeError::Duplicated(_)
            | ServeError::TargetTooLong
            | ServeError::HeadTooLarge
            | ServeError::Refused(_)
            | ServeError::Key(_)
            | ServeError::NothingHere
            | ServeError::Misdirected
            | ServeError::Query(_)
            | ServeError::Full(_)
            | ServeError::MayNotList(_)
            | ServeError::CannotList
            | ServeError::Read(_) => {}
        }
        let body = error.body(self.record.id());
        self.short(head, Bytes::from(body))
    }

    /// What every answer about an object carries. Elsewhere no ranges are served, and RFC 9110
    /// section 14.3 has the field speak for the target.
    fn object_head(&self, status: StatusCode, by: WrittenBy) -> Head {
        let mut head = self.head(status, by);
        head.fixed(fields::ACCEPT_RANGES_BYTES);
        head
    }

    /// What every answer carries.
    fn head(&self, status: StatusCode, by: WrittenBy) -> Head {
        let mut head = Head::new(status, by);
        head.date(self.date)
            .fixed(fields::NO_SNIFFING)
            .text(fields::X_REQUEST_ID, self.record.id().as_str());
        if self.audience == Audience::Signed {
            head.fixed(fields::NO_REFERRER);
        }
        self.cors.apply(self.request, &mut head);
        if let Some(served) = self.served {
            object_headers::tell_cache(&mut head, served);
        }
        let connection = if closes(status) {
            Connection::Closed
        } else {
            keep_alive::connection_after(self.request, self.shared.lifecycle.phase())
        };
        if connection == Connection::Closed {
            TurnGuard::make_last(self.request);
        }
        keep_alive::tell(
            &mut head,
            self.request,
            status,
            connection,
            &self.worker.keep_alive,
        );
        head
    }

    fn caching(&self) -> object_headers::Caching<'a> {
        object_headers::Caching {
            default: &self.shared.config.cache_control,
            audience: self.audience,
        }
    }

    fn want(&self) -> Want {
        if self.request.method() == actix_web::http::Method::HEAD {
            Want::HeadOnly
        } else {
            Want::Body
        }
    }

    /// A text of known length, of which HEAD gets the length only.
    fn short(self, head: Head, text: Bytes) -> HttpResponse<ViewerBody> {
        let length = u64::try_from(text.len()).unwrap_or(u64::MAX);
        match self.want() {
            Want::HeadOnly => self.finish(head, 0, |record, turn| {
                ViewerBody::absent(length, record, turn)
            }),
            Want::Body => self.finish(head, length, |record, turn| {
                ViewerBody::text(text, record, turn)
            }),
        }
    }

    fn without_body(self, head: Head) -> HttpResponse<ViewerBody> {
        self.finish(head, 0, ViewerBody::none)
    }

    fn finish(
        self,
        head: Head,
        promised: u64,
        body: impl FnOnce(Box<AccessRecord>, TurnGuard) -> ViewerBody,
    ) -> HttpResponse<ViewerBody> {
        let (mut record, now) = (self.record, self.now);
        let turn = TurnGuard::of(self.request);
        // A field that cannot be sent has no way here: values were checked where they came in.
        match head.finish() {
            Ok((response, lines)) => {
                if let (Some(outlet), Some(lines)) = (self.outlet, lines) {
                    outlet.expect_head(lines);
                }
                record.answered(now, response.status().as_u16(), promised);
                response.map_body(|_, ()| body(record, turn))
            }
            Err(error) => {
                log::error!("an answer could not be rendered: {error}");
                record.answered(now, 500, 0);
                let mut response = HttpResponse::with_body(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    ViewerBody::text(Bytes::new(), record, turn),
                );
                if let Ok((name, value)) = fields::NO_STORE.try_into_pair() {
                    response.headers_mut().insert(name, value);
                }
                response
            }
        }
    }
}

/// The way past the server, if the connection has one and nothing but the head comes first: what was said
/// to go on with a request may still lie in the server's buffer.
fn outlet_of(request: &Request) -> Option<Rc<Outlet>> {
    let is_expected = request.headers().contains_key(EXPECT);
    let outlet = request.conn_data::<Rc<Outlet>>();
    outlet.filter(|_| !is_expected).map(Rc::clone)
}

/// Statuses after which the connection is closed whatever the viewer wants.
fn closes(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::PAYLOAD_TOO_LARGE
            | StatusCode::URI_TOO_LONG
            | StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE
    )
}
