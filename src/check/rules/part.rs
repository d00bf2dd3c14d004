//! How a request for a range is answered: status and `Content-Range`.

use super::Source::{AppleDocumentation, Measured, Policy, PublicReport, WebKitSource};
use super::{
    APPLE, BROWSERS, CHROMIUM, FIREFOX, RESOURCE_LOADER, Rule, WEBKITGTK, fails, rules, warns,
};

rules! {
    /// There is an answer at all.
    ANSWERS = Rule {
        name: "answers",
        demands: "every request gets an answer",
        fix: "Find out why the connection ends or stays silent: the server's log, a firewall, a time limit in between.",
        effects: &[
            fails(APPLE, "the load fails", WebKitSource(RESOURCE_LOADER)),
            fails(BROWSERS, "a network error ends playback", Measured),
        ],
    };
    /// A status that players take.
    STATUS = Rule {
        name: "status-is-success",
        demands: "a request for media is answered with 200 or 206",
        fix: "Let GET requests with Range through as any other: same permissions, same limits, no cookie demanded.",
        effects: &[
            fails(APPLE, "any status outside 200 to 299 fails the load at once", WebKitSource(RESOURCE_LOADER)),
            fails(BROWSERS, "playback ends with an error, without another attempt", Measured),
        ],
    };
    /// Ranges are not ignored.
    RANGE_SERVED = Rule {
        name: "range-is-served",
        demands: "a request for a range is answered 206 with that range, not 200 with everything",
        fix: "Serve the file with byte ranges: a static file server does; a handler of your own, or a proxy that drops Range, has to learn it.",
        effects: &[
            fails(
                APPLE,
                "does not play, but for MP3 perhaps, as an endless stream",
                AppleDocumentation(
                    "https://developer.apple.com/library/archive/documentation/AppleApplications/Reference/SafariWebContent/CreatingVideoforSafarioniPhone/CreatingVideoforSafarioniPhone.html",
                ),
            ),
            warns(CHROMIUM, "plays, but each seek jumps back to the beginning", Measured),
            warns(FIREFOX, "plays, but a seek waits until all before it has come", Measured),
            fails(WEBKITGTK, "a seek ends playback: unexpected status 200 for a range", Measured),
        ],
    };
    /// 200 with a `Content-Range` is neither one nor the other.
    STATUS_IS_206 = Rule {
        name: "part-has-status-206",
        demands: "an answer with Content-Range has status 206",
        fix: "Send status 206 with a part; 200 stands for the whole file.",
        effects: &[
            fails(
                APPLE,
                "a 200 with Content-Range is taken neither as a part nor as the whole",
                WebKitSource("Source/WebCore/platform/network/cocoa/RangeResponseGenerator.mm"),
            ),
            fails(BROWSERS, "does not play (error 4)", Measured),
        ],
    };
    /// A part says where it belongs.
    CONTENT_RANGE = Rule {
        name: "part-has-content-range",
        demands: "a 206 has a Content-Range",
        fix: "Send Content-Range: bytes FIRST-LAST/TOTAL with every 206.",
        effects: &[
            fails(APPLE, "the length of the answer, two bytes, is taken for that of the film", WebKitSource(RESOURCE_LOADER)),
            fails(CHROMIUM, "does not play (error 4)", Measured),
            fails(FIREFOX, "does not play on a page of another origin (error 4)", Measured),
        ],
    };
    /// ... in words that players understand.
    CONTENT_RANGE_FORM = Rule {
        name: "content-range-is-well-formed",
        demands: "Content-Range is bytes FIRST-LAST/TOTAL, with FIRST at most LAST and LAST below TOTAL",
        fix: "Write Content-Range as bytes FIRST-LAST/TOTAL, positions from 0, both ends included.",
        effects: &[
            fails(
                APPLE,
                "the field is ignored, and the length of the answer is taken for that of the film",
                WebKitSource("Source/WebCore/platform/network/ParsedContentRange.cpp"),
            ),
            fails(&[super::Engine::Chromium, super::Engine::Firefox], "does not play (error 4)", Measured),
        ],
    };
    /// How long the whole is.
    TOTAL_TOLD = Rule {
        name: "total-is-told",
        demands: "Content-Range tells the length of the whole, not *",
        fix: "Put the length of the file after the slash of Content-Range.",
        effects: &[
            fails(APPLE, "gives up after the probe", PublicReport("https://github.com/iv-org/invidious-companion/pull/386")),
            warns(CHROMIUM, "plays, but cannot seek", Measured),
        ],
    };
    /// ... and that it is that long.
    TOTAL_TRUE = Rule {
        name: "total-is-true",
        demands: "the total in Content-Range is not less than the length of the whole file",
        fix: "Put the length of the file after the slash of Content-Range, not that of the part.",
        effects: &[
            fails(APPLE, "believes that the film is as short as that", PublicReport("https://github.com/vercel/serve/issues/447")),
            warns(CHROMIUM, "plays as far as the total says", Measured),
            fails(FIREFOX, "a seek beyond the total ends playback (error 3)", Measured),
            warns(WEBKITGTK, "a player cannot know how long the film is", Policy),
        ],
    };
    /// The part that was asked for.
    RANGE_START = Rule {
        name: "part-starts-where-asked",
        demands: "a part starts at the byte that was asked for",
        fix: "Answer a range with exactly that range.",
        effects: &[
            fails(APPLE, "bytes are put where Content-Range says, so samples are read from wrong places", WebKitSource(RESOURCE_LOADER)),
            fails(&[super::Engine::Chromium, super::Engine::Firefox], "does not play (error 4)", Measured),
            warns(WEBKITGTK, "plays, as it does not look", Measured),
        ],
    };
    /// Not everything under the status of a part.
    NOT_WHOLE = Rule {
        name: "part-is-not-the-whole",
        demands: "a request for a part is not answered with the whole file under status 206",
        fix: "Answer a range with exactly that range, or with 200 if you send everything.",
        effects: &[
            fails(APPLE, "does not play", PublicReport("https://github.com/v0l/zap-stream-core/issues/98")),
            fails(FIREFOX, "a seek asks the same again and again, hundreds of times a second", Measured),
            warns(&[super::Engine::Chromium, super::Engine::WebKitGtk], "plays, but each seek transfers everything", Measured),
        ],
    };
    /// The probe is two bytes.
    PROBE_EXACT = Rule {
        name: "probe-is-exact",
        demands: "bytes=0-1 is answered with these two bytes",
        fix: "Answer a range with exactly that range, however short.",
        effects: &[fails(
            APPLE,
            "takes the server for one without ranges",
            PublicReport("https://github.com/karlheyes/icecast-kh/issues/441"),
        )],
    };
    /// All of it.
    NOT_SHORTENED = Rule {
        name: "part-is-not-shortened",
        demands: "a part ends where it was asked to end, or where the file does",
        fix: "Answer a range in full: a player that stops reading costs nothing more.",
        effects: &[warns(APPLE, "each piece costs another request", Policy)],
    };
}
