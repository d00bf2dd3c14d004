//! Answers of S3 that break off anywhere: what the viewer gets, and what S3 is asked for.

use std::time::{Duration, Instant};

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::support::film::{Break, Fault, film, range_asked};
use crate::support::multipart::parts;
use crate::support::{Asked, Response, Scripted, TestService, content, in_time};

/// Longer than every size at which something changes on the way: the 32 KiB of a read and of a
/// piece, the 512 KiB of small reads, the megabyte at which an answer may outlive one more fault.
const LENGTH: usize = 1_200_000;

/// Offsets around those sizes, and the ends.
const OFFSETS: &[usize] = &[
    0,
    1,
    32 * 1024 - 1,
    32 * 1024 + 1,
    64 * 1024,
    512 * 1024 - 1,
    512 * 1024 + 1,
    1024 * 1024,
    LENGTH - 1,
];

const IDLE: Duration = Duration::from_millis(150);

async fn service(origin: &Scripted) -> TestService {
    TestService::at_address(origin.address(), |config| {
        config.s3.timeouts.idle = IDLE;
        config.s3.timeouts.first_byte = IDLE;
    })
    .await
}

/// Ranges that S3 was asked for, in order.
fn ranges(origin: &Scripted, length: usize) -> Vec<(usize, usize)> {
    let asked = origin.asked();
    let range = |asked| range_asked(asked, length).unwrap_or((0, length - 1));
    asked.iter().map(range).collect()
}

/// One answer while the first of S3's to a request breaks off so.
async fn broken(
    faults: Vec<Option<Fault>>,
    fields: &[(&str, &str)],
) -> (Response, Scripted, Duration) {
    let origin = film(LENGTH, faults).await;
    let service = service(&origin).await;
    let started = Instant::now();
    let response = in_time("an answer", service.get("/film.mp4", fields)).await;
    (response, origin, started.elapsed())
}

#[tokio::test]
async fn a_break_at_any_offset_is_healed_with_one_more_call_and_no_byte_twice() {
    for how in [Break::Reset, Break::Close, Break::Stall] {
        for &offset in OFFSETS {
            let fault = vec![Some(Fault::Body(offset, how))];
            let (response, origin, took) = broken(fault, &[]).await;
            assert_eq!(response.status, 200, "{how:?} at {offset}");
            assert!(response.body == content(1, LENGTH), "{how:?} at {offset}");
            let ranges = ranges(&origin, LENGTH);
            assert_eq!(ranges.len(), 2, "{how:?} at {offset}: {ranges:?}");
            // A reset may throw away what S3 has sent and we have not read.
            let (again, last) = ranges[1];
            let is_next = again == offset || (how == Break::Reset && again < offset);
            assert!(
                is_next && last == LENGTH - 1,
                "{how:?} at {offset}: {ranges:?}"
            );
            let asked = origin.asked();
            assert_eq!(asked[1].header("if-match"), Some("\"1\""));
            let promised = match how {
                Break::Stall => IDLE + Duration::from_secs(1),
                Break::Reset | Break::Close => Duration::from_secs(1),
            };
            assert!(took < promised, "{how:?} at {offset}: {took:?}");
        }
    }
}

#[tokio::test]
async fn a_break_of_a_ranged_answer_is_healed_within_the_range() {
    for how in [Break::Reset, Break::Close, Break::Stall] {
        for offset in [0, 1, 32 * 1024 + 1, 299_999] {
            let fault = vec![Some(Fault::Body(offset, how))];
            let range = [("Range", "bytes=100000-399999")];
            let (response, origin, _) = broken(fault, &range).await;
            assert_eq!(response.status, 206, "{how:?} at {offset}");
            assert!(response.body == content(1, LENGTH)[100_000..400_000]);
            let ranges = ranges(&origin, LENGTH);
            assert_eq!(ranges.len(), 2, "{how:?} at {offset}: {ranges:?}");
            assert!(ranges[1].0 <= 100_000 + offset && ranges[1].1 == 399_999);
        }
    }
}

#[tokio::test]
async fn a_break_of_any_part_of_several_is_healed_within_the_part() {
    for how in [Break::Reset, Break::Close, Break::Stall] {
        for fault in [
            vec![Some(Fault::Body(0, how))],
            vec![Some(Fault::Body(50_000, how))],
            vec![Some(Fault::Body(99_999, how))],
            // The first part is well.
            vec![None, Some(Fault::Nothing(how))],
            vec![None, Some(Fault::Body(0, how))],
            vec![None, Some(Fault::Body(1, how))],
            vec![None, Some(Fault::Body(99_999, how))],
        ] {
            let origin = film(LENGTH, fault.clone()).await;
            let service = service(&origin).await;
            let fields = [("Range", "bytes=0-99999,500000-599999")];
            let response = in_time("an answer", service.get("/film.mp4", &fields)).await;
            assert!(response.complete, "{fault:?}");
            let whole = content(1, LENGTH);
            let parts = parts(&response).expect("parts");
            assert!(parts[0].bytes == whole[..100_000], "{fault:?}");
            assert!(parts[1].bytes == whole[500_000..600_000], "{fault:?}");
            let asked = origin.asked();
            // HEAD tells the length, each part is a call, and so is what heals.
            assert_eq!(asked.len(), 4, "{fault:?}");
            let pinned = |asked: &Asked| asked.header("if-match") == Some("\"1\"");
            assert!(asked[1..].iter().all(pinned), "{fault:?}");
        }
    }
}

#[tokio::test]
async fn three_breaks_without_a_byte_are_healed_and_a_fourth_is_a_visible_cut() {
    let nothing = || Some(Fault::Nothing(Break::Close));
    let begun = || Some(Fault::Body(300_000, Break::Close));
    let healed = vec![begun(), nothing(), nothing()];
    let (response, origin, _) = broken(healed, &[]).await;
    assert!(response.body == content(1, LENGTH), "not healed");
    assert_eq!(origin.asked().len(), 4);
    let mut hopeless = vec![begun()];
    hopeless.extend((0..30).map(|_| nothing()));
    let (response, origin, _) = broken(hopeless, &[]).await;
    assert!(!response.complete, "it looks complete");
    assert!(response.body == content(1, LENGTH)[..300_000]);
    assert!(origin.asked().len() <= 10, "{}", origin.asked().len());
}

fn any_break() -> impl Strategy<Value = Break> {
    prop_oneof![Just(Break::Reset), Just(Break::Close), Just(Break::Stall)]
}

fn any_fault() -> impl Strategy<Value = Fault> {
    prop_oneof![
        6 => (0..120_000_usize, any_break()).prop_map(|(after, how)| Fault::Body(after, how)),
        2 => any_break().prop_map(Fault::Nothing),
        1 => Just(Fault::Error("500 Internal Server Error", "InternalError")),
        1 => Just(Fault::Error("503 Slow Down", "SlowDown")),
        1 => Just(Fault::Error("404 Not Found", "NoSuchKey")),
        1 => Just(Fault::OtherBytes),
        1 => Just(Fault::OtherVersion),
    ]
}

/// Whether the next call goes well where this one did not.
fn passes(fault: &Fault) -> bool {
    match fault {
        Fault::Body(..) | Fault::Nothing(_) => true,
        Fault::Error(status, _) => status.starts_with('5'),
        Fault::OtherBytes | Fault::OtherVersion => false,
    }
}

/// Whatever happens to S3, this holds of the answer.
fn holds(response: &Response, length: usize, faults: &[Fault]) -> Result<(), TestCaseError> {
    if response.status == 200 {
        let version = match response.header("etag") {
            Some("\"1\"") => 1,
            Some("\"2\"") => 2,
            other => return Err(TestCaseError::fail(format!("the tag {other:?}"))),
        };
        let whole = content(version, length);
        prop_assert!(
            whole.starts_with(&response.body),
            "bytes of another version"
        );
        prop_assert_eq!(response.complete, response.body.len() == length);
    } else {
        prop_assert!(
            matches!(response.status, 404 | 502..=504),
            "{}",
            response.head
        );
        prop_assert!(response.complete, "a refusal was cut");
    }
    // Two calls before the answer has begun, and three in its midst, can go wrong.
    let heals = faults.len() <= 2 && faults.iter().all(passes);
    prop_assert!(
        !heals || (response.status == 200 && response.complete),
        "not healed"
    );
    Ok(())
}

#[test]
fn any_sequence_of_faults_leaves_an_exact_body_or_a_visible_cut() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let _guard = runtime.enter();
    let config = Config {
        cases: 40,
        failure_persistence: None,
        ..Config::default()
    };
    let strategy = (1..120_000_usize, vec(any_fault(), 0..6));
    let outcome = TestRunner::new(config).run(&strategy, |(length, faults)| {
        runtime.block_on(async {
            let origin = film(length, faults.iter().cloned().map(Some)).await;
            let service = service(&origin).await;
            let response = in_time("an answer", service.get("/film.mp4", &[])).await;
            let calls = origin.asked().len();
            prop_assert!(calls <= 1 + faults.len(), "{calls} calls");
            let all_pass = faults.iter().all(passes);
            if all_pass && response.status == 200 && response.complete {
                prop_assert_eq!(calls, 1 + faults.len());
            }
            holds(&response, length, &faults)
        })
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
}
