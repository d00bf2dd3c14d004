//! What tells one version of a file from another, and what others than players need.

use super::Source::{Measured, Policy};
use super::{APPLE, CHROMIUM, Rule, rules, warns};

rules! {
    /// One tag.
    ETAG_CONSTANT = Rule {
        name: "etag-is-constant",
        demands: "the ETag is the same in every answer",
        fix: "Make the ETag of the file's content or its date and length, the same on every node.",
        effects: &[
            warns(APPLE, "nothing tells parts of one version from those of another", Policy),
            warns(CHROMIUM, "each seek transfers everything before it, as If-Range does not hold", Measured),
        ],
    };
    /// One length.
    TOTAL_CONSTANT = Rule {
        name: "total-is-constant",
        demands: "the total in Content-Range is the same in every answer",
        fix: "Publish a file under its name when it is complete.",
        effects: &[warns(super::EVERYWHERE, "the film changes while it plays", Policy)],
    };
    /// A strong tag.
    ETAG_STRONG = Rule {
        name: "etag-is-strong",
        demands: "there is a strong ETag",
        fix: "Send an ETag without W/; proxies that compress make it weak.",
        effects: &[],
    };
    /// HEAD is like GET.
    HEAD = Rule {
        name: "head-is-like-get",
        demands: "HEAD is answered 200 with the Content-Length and Content-Type of GET",
        fix: "Answer HEAD as GET, without the body; link previews, podcast readers and casting devices ask it.",
        effects: &[],
    };
    /// Pages of other origins.
    CORS = Rule {
        name: "cors-allows-pages",
        demands: "Access-Control-Allow-Origin names the page, on parts too",
        fix: "Send Access-Control-Allow-Origin if pages elsewhere draw the film on a canvas or show its captions.",
        effects: &[],
    };
    /// A contradiction.
    CORS_CREDENTIALS = Rule {
        name: "cors-names-the-page-with-credentials",
        demands: "Access-Control-Allow-Credentials does not come with Access-Control-Allow-Origin: *",
        fix: "Echo the Origin, or leave Access-Control-Allow-Credentials out.",
        effects: &[],
    };
    /// Straight to the file.
    NO_REDIRECT = Rule {
        name: "no-redirect",
        demands: "the address is that of the file, without a redirect",
        fix: "Give players the last address; a redirect costs a round trip, with some players at each seek.",
        effects: &[],
    };
    /// No way down.
    STAYS_SECURE = Rule {
        name: "stays-on-https",
        demands: "an https address does not lead to http",
        fix: "Redirect to https: browsers block http media on https pages.",
        effects: &[],
    };
}
