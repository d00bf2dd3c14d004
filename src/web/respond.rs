//! The one place that renders answers.

use std::rc::Rc;
use std::sync::Arc;
use std::time::SystemTime;

use actix_web::http::StatusCode;
use actix_web::http::header::HeaderValue;
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder};
use bytes::Bytes;

use super::admission::Audience;
use super::body::{TurnGuard, ViewerBody};
use super::decide::{Decided, OpenBody};
use super::extract::{Want, range_as_sent};
use super::keep_alive::{self, Connection};
use super::multipart::{Framing, MultipartBody};
use super::object_body::ObjectContent;
use super::problem::ServeError;
use super::streams::Place;
use super::{Shared, Worker, object_headers};
use crate::object::{ObjectKey, Representation};
use crate::semantics::{ContentRange, HttpDate, InclRange, Selection};
use crate::storage::Served;
use crate::storage::error::{ReadError, ReadErrorKind};
use crate::storage::version::PinnedVersion;
use crate::telemetry::AccessRecord;

/// An answer that is not a failure.
pub enum Reply {
    /// An object, or what its conditions make of it, and the place that it has while it is sent.
    Object(Box<Decided>, ObjectKey, Option<Place>),
    /// OPTIONS of anything.
    Options,
    /// A redirect of a visitor to the page.
    SeeOther(String),
    /// A short text of ours.
    Text(Text),
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

/// What answers that must not be kept are sent with.
const NO_STORE: &str = "no-store";

/// What keeps an address, which may be signed, from other servers.
const NO_REFERRER: (&str, &str) = ("referrer-policy", "no-referrer");

/// What answers about an object are sent with.
const ACCEPT_RANGES: (&str, &str) = ("accept-ranges", "bytes");

/// Renders an answer, or the failure that came instead, and hands the access record to its body.
pub fn respond(
    request: &HttpRequest,
    worker: &Worker,
    record: AccessRecord,
    audience: Audience,
    reply: Result<Reply, ServeError>,
) -> HttpResponse<ViewerBody> {
    let mut answer = Answer {
        request,
        worker,
        shared: &worker.shared,
        now: HttpDate::at(SystemTime::now()),
        record,
        audience,
        place: None,
        served: None,
    };
    match reply {
        Ok(Reply::Object(decided, key, place)) => {
            answer.place = place;
            answer.object(*decided, &key)
        }
        Ok(Reply::Options) => answer.options(),
        Ok(Reply::SeeOther(location)) => answer.see_other(&location),
        Ok(Reply::Text(text)) => answer.text(text),
        Err(error) => answer.failure(&error),
    }
}

struct Answer<'a> {
    request: &'a HttpRequest,
    worker: &'a Worker,
    shared: &'a Shared,
    /// `Date`, and the latest that `Last-Modified` may be.
    now: HttpDate,
    record: AccessRecord,
    /// Whom it is for.
    audience: Audience,
    /// Where what it says of an object comes from.
    served: Option<Served>,
    /// Given up with the answer, unless that has a body to give it to.
    place: Option<Place>,
}

impl<'a> Answer<'a> {
    fn object(mut self, decided: Decided, key: &ObjectKey) -> HttpResponse<ViewerBody> {
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
        let (mut builder, promised, body) = match selection {
            Selection::Whole => (self.object_head(StatusCode::OK), complete.bytes(), body),
            Selection::Part(part) => {
                let mut builder = self.object_head(StatusCode::PARTIAL_CONTENT);
                if let Some(content_range) = ContentRange::new(part, complete) {
                    builder.insert_header(("content-range", content_range.to_string()));
                }
                (builder, part.byte_count(), body)
            }
            Selection::Parts(parts) => {
                return self.parts(&parts, &representation, &content_type, body, key);
            }
            Selection::NotModified => {
                let mut builder = self.object_head(StatusCode::NOT_MODIFIED);
                object_headers::revalidate(&mut builder, &representation, caching, self.now);
                return self.without_body(builder);
            }
            Selection::PreconditionFailed => return self.failure(&ServeError::PreconditionFailed),
            Selection::Unsatisfiable => {
                let range = range_as_sent(self.request);
                return self.failure(&ServeError::Unsatisfiable(range, complete));
            }
        };
        builder.insert_header(("content-type", content_type.as_str()));
        object_headers::describe(
            &mut builder,
            &representation,
            caching,
            &content_type,
            self.now,
        );
        match body {
            Some(body) => self.stream(builder, body, promised),
            None if self.want() == Want::HeadOnly => self.finish(builder, 0, |record, turn| {
                ViewerBody::absent(promised, record, turn)
            }),
            None => self.finish(builder, 0, |record, turn| {
                ViewerBody::text(Bytes::new(), record, turn)
            }),
        }
    }

    /// 206 with several parts.
    fn parts(
        self,
        parts: &[InclRange],
        representation: &Representation,
        content_type: &str,
        body: Option<OpenBody>,
        key: &ObjectKey,
    ) -> HttpResponse<ViewerBody> {
        let reader = Arc::clone(&self.worker.reader);
        let version = PinnedVersion::new(reader, key.clone(), representation);
        let (Some(version), Some(first)) = (version, body) else {
            let error = ReadError::new(ReadErrorKind::Internal, "parts without a version");
            return self.failure(&ServeError::Read(error));
        };
        let framing = Framing::new(parts, representation.length, content_type);
        let promised = framing.length();
        let mut builder = self.object_head(StatusCode::PARTIAL_CONTENT);
        builder.insert_header(("content-type", framing.content_type()));
        object_headers::describe(
            &mut builder,
            representation,
            self.caching(),
            content_type,
            self.now,
        );
        let body = MultipartBody::new(version, framing, parts, first).open();
        self.stream(builder, body, promised)
    }

    /// An answer with bytes of an object.
    fn stream(
        mut self,
        builder: HttpResponseBuilder,
        body: OpenBody,
        promised: u64,
    ) -> HttpResponse<ViewerBody> {
        let content = ObjectContent::new(body, promised);
        let pauses = Rc::clone(&self.worker.pauses);
        let place = self.place.take();
        self.finish(builder, promised, |record, turn| {
            ViewerBody::object(content, promised, pauses, place, record, turn)
        })
    }

    fn options(self) -> HttpResponse<ViewerBody> {
        let mut builder = self.head(StatusCode::NO_CONTENT);
        builder.insert_header(("allow", "GET, HEAD, OPTIONS"));
        self.shared
            .config
            .cors
            .apply_preflight(self.request, &mut builder);
        self.without_body(builder)
    }

    fn see_other(self, location: &str) -> HttpResponse<ViewerBody> {
        let mut builder = self.head(StatusCode::SEE_OTHER);
        builder
            .insert_header(("location", location))
            .insert_header(("cache-control", NO_STORE));
        self.short(builder, Bytes::new())
    }

    fn text(self, text: Text) -> HttpResponse<ViewerBody> {
        let mut builder = self.head(text.status);
        builder
            .insert_header(("content-type", text.content_type))
            .insert_header(("cache-control", NO_STORE))
            .insert_header(NO_REFERRER);
        if let Some(policy) = text.policy {
            builder.insert_header(("content-security-policy", policy));
        }
        self.short(builder, text.body)
    }

    fn failure(self, error: &ServeError) -> HttpResponse<ViewerBody> {
        if let (Some(level), ServeError::Read(cause) | ServeError::MayNotList(cause)) =
            (error.log_level(), error)
        {
            log::log!(level, request_id = self.record.id().as_str(); "{cause}");
        }
        let mut builder = self.head(error.status());
        builder
            .insert_header(("content-type", "application/problem+json"))
            .insert_header(("cache-control", NO_STORE));
        if let Some(seconds) = error.retry_after() {
            builder.insert_header(("retry-after", seconds.to_string()));
        }
        match error {
            ServeError::MethodNotAllowed => {
                builder.insert_header(("allow", "GET, HEAD, OPTIONS"));
            }
            ServeError::Unsatisfiable(_, complete) => {
                builder.insert_header(ACCEPT_RANGES);
                builder.insert_header(("content-range", format!("bytes */{complete}")));
            }
            ServeError::PreconditionFailed => {
                builder.insert_header(ACCEPT_RANGES);
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
            | ServeError::Read(_) => {}
        }
        let body = error.body(self.record.id());
        self.short(builder, Bytes::from(body))
    }

    /// What every answer about an object carries. Elsewhere no ranges are served, and RFC 9110
    /// section 14.3 has the field speak for the target.
    fn object_head(&self, status: StatusCode) -> HttpResponseBuilder {
        let mut builder = self.head(status);
        builder.insert_header(ACCEPT_RANGES);
        builder
    }

    /// What every answer carries.
    fn head(&self, status: StatusCode) -> HttpResponseBuilder {
        let config = &self.shared.config;
        let mut builder = HttpResponse::build(status);
        builder
            .insert_header(("date", self.now.to_string()))
            .insert_header(("x-content-type-options", "nosniff"))
            .insert_header(("x-request-id", self.record.id().as_str()));
        if self.audience == Audience::Signed {
            builder.insert_header(NO_REFERRER);
        }
        config.cors.apply(self.request, &mut builder);
        if let Some(served) = self.served {
            object_headers::tell_cache(&mut builder, served);
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
            &mut builder,
            self.request,
            status,
            connection,
            config.keep_alive,
        );
        builder
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
    fn short(self, builder: HttpResponseBuilder, text: Bytes) -> HttpResponse<ViewerBody> {
        let length = u64::try_from(text.len()).unwrap_or(u64::MAX);
        match self.want() {
            Want::HeadOnly => self.finish(builder, 0, |record, turn| {
                ViewerBody::absent(length, record, turn)
            }),
            Want::Body => self.finish(builder, length, |record, turn| {
                ViewerBody::text(text, record, turn)
            }),
        }
    }

    fn without_body(self, builder: HttpResponseBuilder) -> HttpResponse<ViewerBody> {
        self.finish(builder, 0, ViewerBody::none)
    }

    fn finish(
        self,
        mut builder: HttpResponseBuilder,
        promised: u64,
        body: impl FnOnce(AccessRecord, TurnGuard) -> ViewerBody,
    ) -> HttpResponse<ViewerBody> {
        let mut record = self.record;
        let turn = TurnGuard::of(self.request);
        // A field that cannot be sent has no way here: values were checked where they came in.
        match builder.message_body(()) {
            Ok(response) => {
                record.answered(response.status().as_u16(), promised);
                response.map_body(|_, ()| body(record, turn))
            }
            Err(error) => {
                log::error!("an answer could not be rendered: {error}");
                record.answered(500, 0);
                let mut response = HttpResponse::with_body(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    ViewerBody::text(Bytes::new(), record, turn),
                );
                response.headers_mut().insert(
                    actix_web::http::header::CACHE_CONTROL,
                    HeaderValue::from_static(NO_STORE),
                );
                response
            }
        }
    }
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
