//! Buckets in another region than we were told.
//!
//! S3 answers a call that was signed for the wrong region, or sent to its endpoint, with 301 or 400 and
//! the right one in `x-amz-bucket-region`; the SDK does nothing with that. Here it is learned, once for
//! all workers, and the call made again; later calls are right at once.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use aws_sdk_s3::Client;
use aws_sdk_s3::config::Region;
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::SdkError;

use super::client::S3Connection;
use super::config::RegionName;
use super::pace::ReadFor;

/// How often an origin may name another region. A bucket does not move, so more than one is a server
/// that contradicts itself, and every further one would double its calls.
const MOST_LESSONS: u32 = 3;

/// What is known of a bucket's region, shared by all clients of the origin.
#[derive(Debug, Clone, Default)]
pub struct LearnedRegion(Arc<Mutex<Lessons>>);

#[derive(Debug, Default)]
struct Lessons {
    region: Option<RegionName>,
    count: u32,
}

impl LearnedRegion {
    fn known(&self) -> Option<RegionName> {
        self.with(|lessons| lessons.region.clone())
    }

    /// Takes note of a region; true if it is news.
    fn learn(&self, told: &RegionName) -> bool {
        self.with(|lessons| {
            let is_news = lessons.region.as_ref() != Some(told) && lessons.count < MOST_LESSONS;
            if is_news {
                lessons.region = Some(told.clone());
                lessons.count += 1;
            }
            is_news
        })
    }

    fn with<T>(&self, use_it: impl FnOnce(&mut Lessons) -> T) -> T {
        // Nothing panics while holding it, and a poisoned lock would still hold plain values.
        use_it(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A client that speaks to the bucket's own region as soon as that is known.
pub struct RegionalClient {
    learned: LearnedRegion,
    bucket: String,
    made: Mutex<Client>,
}

impl RegionalClient {
    /// A client with connections of its own, see [`S3Connection::client`].
    #[must_use]
    pub fn new(connection: &S3Connection, read_for: ReadFor) -> Self {
        Self {
            learned: connection.learned_region().clone(),
            bucket: connection.config().bucket.to_string(),
            made: Mutex::new(connection.client(read_for)),
        }
    }

    /// Makes a call, and makes it again if it turns out that the bucket is in another region.
    /// Dropping the future gives it up.
    ///
    /// # Errors
    /// What the last call failed with.
    pub async fn call<T, E, C>(
        &self,
        make: impl Fn(Client) -> C,
    ) -> Result<T, SdkError<E, HttpResponse>>
    where
        C: Future<Output = Result<T, SdkError<E, HttpResponse>>>,
    {
        let client = self.current();
        let used = client.config().region().map(ToString::to_string);
        let error = match make(client).await {
            Ok(output) => return Ok(output),
            Err(error) => error,
        };
        let told = error.raw_response().and_then(region_told);
        let Some(told) = told.filter(|told| used.as_deref() != Some(told.as_str())) else {
            return Err(error);
        };
        if self.learned.learn(&told) {
            log::info!(
                "{} is in region {} and not in {}; calls go there from now on (region={} spares the \
                 first)",
                self.bucket,
                told.as_str(),
                used.as_deref().unwrap_or("none"),
                told.as_str(),
            );
        }
        if self.learned.known() != Some(told) {
            return Err(error);
        }
        make(self.current()).await
    }

    /// The client for what is known by now. Its connections stay those that it had.
    fn current(&self) -> Client {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(region) = self.learned.known()
            && made.config().region().map(Region::as_ref) != Some(region.as_str())
        {
            let region = Region::new(region.as_str().to_owned());
            let config = made.config().to_builder().region(region).build();
            *made = Client::from_conf(config);
        }
        made.clone()
    }
}

/// The region that a refusal names, in its field or, as some servers do, in its text only.
fn region_told(response: &HttpResponse) -> Option<RegionName> {
    if !matches!(response.status().as_u16(), 301 | 307 | 400) {
        return None;
    }
    let field = response.headers().get_bytes("x-amz-bucket-region");
    let field = field.and_then(|value| std::str::from_utf8(value).ok());
    let text = || {
        let text = std::str::from_utf8(response.body().bytes()?).ok()?;
        let (_, after) = text.split_once("<Region>")?;
        after.split_once("</Region>").map(|(region, _)| region)
    };
    RegionName::parse(field.or_else(text)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_s3::primitives::SdkBody;

    #[test]
    fn a_region_is_told_by_refusals_in_their_field_or_their_text() {
        let xml = "<Error><Code>AuthorizationHeaderMalformed</Code><Region>garage</Region></Error>";
        for (status, field, body, told) in [
            (301, Some("eu-north-1"), "", Some("eu-north-1")),
            (400, Some("eu-north-1"), xml, Some("eu-north-1")),
            (400, None, xml, Some("garage")),
            (307, Some("eu-north-1"), "", Some("eu-north-1")),
            (403, Some("eu-north-1"), xml, None),
            (200, Some("eu-north-1"), "", None),
            (301, None, "", None),
            (301, Some("evil.example/"), "", None),
            (400, None, "<Region>a b</Region>", None),
            (400, None, "<Region>garage", None),
        ] {
            let mut response = HttpResponse::new(status.try_into().unwrap(), SdkBody::from(body));
            if let Some(field) = field {
                response.headers_mut().insert("x-amz-bucket-region", field);
            }
            let region = region_told(&response);
            assert_eq!(
                region.as_ref().map(RegionName::as_str),
                told,
                "{status} {body}"
            );
        }
    }

    #[test]
    fn an_origin_that_names_one_region_after_another_is_followed_for_a_while_only() {
        let learned = LearnedRegion::default();
        let mut news = 0;
        for number in 0..100 {
            let region = RegionName::parse(&format!("region-{}", number % 2)).unwrap();
            news += u32::from(learned.learn(&region));
        }
        assert_eq!(news, MOST_LESSONS);
    }
}
