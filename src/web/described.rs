//! Field lines that describe objects, as they were sent: the same few objects are asked for many times.

use std::cell::RefCell;
use std::sync::Arc;

use super::admission::Audience;
use super::fields;
use super::head::Head;
use super::object_headers::{Caching, describe};
use crate::object::Representation;
use crate::object::media_type::MediaType;
use crate::semantics::HttpDate;

/// Objects whose lines each worker keeps, and what those are made of: some hundred KiB at most.
const PLACES: usize = 64;

/// Lines that are longer are made each time.
const MOST_BYTES: usize = 1024;

/// Lines of objects, each in the place that the address of its description falls on.
#[derive(Default)]
pub struct Described(RefCell<Vec<Option<Lines>>>);

struct Lines {
    /// What they are made of. It is kept, so nothing else can have its address.
    representation: Arc<Representation>,
    audience: Audience,
    content_type: MediaType,
    bytes: Box<[u8]>,
}

impl Described {
    /// Adds `Content-Type` and the fields that describe an object to an answer of this `date`. `caching` may
    /// differ by its audience only.
    pub fn tell(
        &self,
        head: &mut Head,
        representation: &Arc<Representation>,
        caching: Caching<'_>,
        content_type: &MediaType,
        date: HttpDate,
    ) {
        let describe_anew = |head: &mut Head| {
            head.text(fields::CONTENT_TYPE, content_type.as_str());
            describe(head, representation, caching, content_type, date);
        };
        let modified = representation.validators.last_modified;
        // Only what any later answer would say too, and not of what this answer alone knows.
        let is_lasting = modified.is_none_or(|modified| modified <= date)
            && Arc::strong_count(representation) > 1;
        let begin = head.lines().map(<[u8]>::len).filter(|_| is_lasting);
        let mut places = self.0.borrow_mut();
        if places.is_empty() {
            places.resize_with(PLACES, || None);
        }
        // What is allocated lies at multiples of its size, which is a few hundred bytes.
        let at = Arc::as_ptr(representation).addr() / size_of::<Representation>() % PLACES;
        let (Some(begin), Some(place)) = (begin, places.get_mut(at)) else {
            describe_anew(head);
            return;
        };
        if let Some(known) = place.as_ref().filter(|known| {
            Arc::ptr_eq(&known.representation, representation)
                && known.audience == caching.audience
                && known.content_type == *content_type
        }) {
            head.add_lines(&known.bytes);
            return;
        }
        describe_anew(head);
        let made = head.lines().and_then(|lines| lines.get(begin..));
        let made = made.filter(|made| made.len() <= MOST_BYTES);
        *place = made.map(|made| Lines {
            representation: Arc::clone(representation),
            audience: caching.audience,
            content_type: content_type.clone(),
            bytes: made.into(),
        });
    }
}

#[cfg(test)]
mod tests {
    use actix_web::http::StatusCode;

    use super::*;
    use crate::object::representation::FieldValue;
    use crate::semantics::CompleteLength;
    use crate::web::head::WrittenBy;

    fn date(seconds: i64) -> HttpDate {
        HttpDate::from_epoch_seconds(seconds).unwrap()
    }

    fn modified_at(seconds: i64) -> Arc<Representation> {
        let mut representation = Representation::of_length(CompleteLength::new(9));
        representation.validators.last_modified = Some(date(seconds));
        Arc::new(representation)
    }

    #[test]
    fn an_object_is_described_alike_the_first_time_and_later_and_no_other_in_its_place() {
        let default = FieldValue::parse("max-age=60").unwrap();
        let described = Described::default();
        let objects: Vec<_> = (0..200).map(modified_at).collect();
        let _known = objects.clone();
        let types =
            ["video/mp4", "text/html"].map(|text| MediaType::stored(text, text != "video/mp4"));
        for _ in 0..3 {
            for object in &objects {
                for audience in [Audience::Everyone, Audience::Signed] {
                    for content_type in &types {
                        for now in [100, 300] {
                            let caching = Caching {
                                default: &default,
                                audience,
                            };
                            let mut made = Head::new(StatusCode::OK, WrittenBy::Us(9));
                            made.text(fields::CONTENT_TYPE, content_type.as_str());
                            describe(&mut made, object, caching, content_type, date(now));
                            let mut told = Head::new(StatusCode::OK, WrittenBy::Us(9));
                            described.tell(&mut told, object, caching, content_type, date(now));
                            assert_eq!(told.lines(), made.lines());
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn lines_that_are_remembered_are_those_that_are_sent() {
        let default = FieldValue::parse("max-age=60").unwrap();
        let caching = Caching {
            default: &default,
            audience: Audience::Everyone,
        };
        let content_type = MediaType::of_program("video/mp4");
        let described = Described::default();
        let object = modified_at(1);
        let _known = Arc::clone(&object);
        for _ in 0..2 {
            let mut head = Head::new(StatusCode::OK, WrittenBy::Us(9));
            described.tell(&mut head, &object, caching, &content_type, date(2));
        }
        let mut places = described.0.borrow_mut();
        let known = places.iter_mut().flatten().next().unwrap();
        assert!(Arc::ptr_eq(&known.representation, &object));
        known.bytes = b"x: y\r\n".to_vec().into();
        drop(places);
        let mut head = Head::new(StatusCode::OK, WrittenBy::Us(9));
        described.tell(&mut head, &object, caching, &content_type, date(2));
        assert!(head.lines().unwrap().ends_with(b"\r\nx: y\r\n"));
    }
}
