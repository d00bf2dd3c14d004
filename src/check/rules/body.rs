//! What comes with a part: its length, its bytes, their type and coding, and the connection.

use super::Source::{Measured, Policy, PublicReport, WebKitSource};
use super::{
    APPLE, BROWSERS, CHROMIUM, EVERYWHERE, Effect, Engine, FIREFOX, RESOURCE_LOADER, Rule,
    Severity, WEBKITGTK, fails, rules, warns,
};

rules! {
    /// The length stands in the head.
    LENGTH_TOLD = Rule {
        name: "part-has-a-length",
        demands: "a part has a Content-Length, and no chunked coding",
        fix: "Send Content-Length; if a proxy or framework makes answers chunked, switch that off for media.",
        effects: &[fails(
            APPLE,
            "fails with error -12174",
            PublicReport("https://github.com/jonathaneoliver/infinite-streaming/pull/138"),
        )],
    };
    /// The same of the whole.
    WHOLE_LENGTH_TOLD = Rule {
        name: "whole-has-a-length",
        demands: "the whole file has a Content-Length, and no chunked coding",
        fix: "Send Content-Length; if a proxy or framework makes answers chunked, switch that off for media.",
        effects: &[fails(WEBKITGTK, "plays, but a seek ends playback (error 2)", Measured)],
    };
    /// The length is that of the part.
    LENGTH_TRUE = Rule {
        name: "length-is-that-of-the-part",
        demands: "Content-Length and body are LAST - FIRST + 1 bytes",
        fix: "Count both ends: bytes 0-1 are two bytes.",
        effects: &[
            fails(APPLE, "asks for the rest for ever, in pieces of a few bytes", PublicReport("https://github.com/kiwix/kiwix-apple/pull/768")),
            fails(FIREFOX, "asks for the last byte hundreds of times a second, without end", Measured),
            Effect {
                engines: &[Engine::Chromium, Engine::WebKitGtk],
                severity: Severity::FailsIfIndexIsLast,
                what: "an index at the end is never complete",
                source: Measured,
            },
        ],
    };
    /// As many bytes as the head says.
    COMPLETE = Rule {
        name: "body-is-complete",
        demands: "as many bytes come as the head says",
        fix: "Find out who breaks the answer off: a time limit on writing, a proxy's buffer, the storage behind it.",
        effects: &[
            warns(APPLE, "the load fails; whether AVFoundation asks again is not known", WebKitSource(RESOURCE_LOADER)),
            warns(&[Engine::Chromium, Engine::Firefox], "plays on after asking again", Measured),
            fails(WEBKITGTK, "waits for ever, without an error", Measured),
        ],
    };
    /// Enough to begin with.
    BEGINNING = Rule {
        name: "beginning-is-complete",
        demands: "the first 32 KiB come in one answer",
        fix: "Find out who breaks the answer off: a time limit on writing, a proxy's buffer, the storage behind it.",
        effects: &[fails(CHROMIUM, "does not ask again that early, and does not play (error 4)", Measured)],
    };
    /// The same bytes in every answer.
    SAME_BYTES = Rule {
        name: "bytes-agree",
        demands: "the same positions hold the same bytes in every answer",
        fix: "Serve the file as it is stored, whatever the request looks like.",
        effects: &[warns(EVERYWHERE, "a player puts parts of different files together", Policy)],
    };
    /// A media type.
    MEDIA_TYPE = Rule {
        name: "type-is-of-media",
        demands: "Content-Type is a type of audio or video",
        fix: "Set the Content-Type where the file is stored (aws s3 cp --content-type video/mp4), or map its extension in the server.",
        effects: &[fails(
            APPLE,
            "the type is what tells AVFoundation how to read the file; bytes are not sniffed",
            WebKitSource(RESOURCE_LOADER),
        )],
    };
    /// ... that is that of the bytes.
    TYPE_FITS = Rule {
        name: "type-fits-the-bytes",
        demands: "Content-Type is what the bytes are",
        fix: "Set the Content-Type to what the file is.",
        effects: &[warns(APPLE, "the type is what tells AVFoundation how to read the file", Policy)],
    };
    /// A coding that is none.
    CODING_TRUE = Rule {
        name: "coding-is-what-it-says",
        demands: "bytes under a Content-Encoding are encoded so",
        fix: "Remove Content-Encoding from the file's metadata.",
        effects: &[
            fails(APPLE, "decoding fails", PublicReport("https://github.com/dadi/cdn/issues/368")),
            fails(&[Engine::Chromium, Engine::Firefox], "does not play (error 4)", Measured),
        ],
    };
    /// No compression.
    NOT_COMPRESSED = Rule {
        name: "media-is-not-compressed",
        demands: "media has no Content-Encoding",
        fix: "Switch compression off for audio and video: it gains nothing there, and ranges count compressed bytes.",
        effects: &[warns(EVERYWHERE, "ranges count compressed bytes, so a seek lands somewhere else", Policy)],
    };
    /// One connection for all.
    KEPT = Rule {
        name: "connection-is-kept",
        demands: "the request after the probe comes on the same connection",
        fix: "Keep connections open between requests: no Connection: close, no time limit of a few seconds.",
        effects: &[warns(APPLE, "each of many small requests costs a new connection", Policy)],
    };
    /// A part under the tag that was told.
    IF_RANGE = Rule {
        name: "if-range-holds",
        demands: "a range with If-Range and the current strong ETag is answered 206",
        fix: "Compare If-Range with the ETag that you send, byte for byte.",
        effects: &[warns(CHROMIUM, "each seek transfers everything before it", Measured)],
    };
    /// Revalidation.
    REVALIDATION = Rule {
        name: "revalidation-is-answered",
        demands: "a range with If-None-Match is answered 304 or 206",
        fix: "Answer 304 when the ETag is current, else the range.",
        effects: &[warns(CHROMIUM, "what it has in its cache is read again, or not at all", Policy)],
    };
    /// Playing on without ranges.
    STREAM_LENGTH = Rule {
        name: "whole-is-served",
        demands: "a request without Range is answered 200",
        fix: "Answer requests without Range with the whole file and status 200.",
        effects: &[warns(BROWSERS, "a direct visit to the address may not play", Policy)],
    };
}
