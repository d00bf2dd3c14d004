//! What the file itself has to be.

use super::Source::{Measured, Policy, PublicReport};
use super::{APPLE, BROWSERS, EVERYWHERE, Rule, fails, rules, warns};

rules! {
    /// The tag of HEVC.
    HVC1 = Rule {
        name: "hevc-is-hvc1",
        demands: "HEVC video is tagged hvc1",
        fix: "Change the tag without encoding again: ffmpeg -i IN -c copy -tag:v hvc1 OUT.",
        effects: &[fails(
            APPLE,
            "hev1 does not play",
            PublicReport("https://github.com/blakeblackshear/frigate/pull/10105"),
        )],
    };
    /// A container that is known.
    CONTAINER = Rule {
        name: "container-is-known",
        demands: "the container is one that AVFoundation reads: MP4, QuickTime, MP3, AAC, WAV, FLAC",
        fix: "Offer an MP4 as well: Safari plays WebM in newer versions only, AVPlayer not at all.",
        effects: &[warns(APPLE, "may not play, whatever the server does", Policy)],
    };
    /// An index.
    INDEX_THERE = Rule {
        name: "index-is-there",
        demands: "an MP4 has an index (moov)",
        fix: "Upload the file again; a recording that was broken off has no index and has to be repaired.",
        effects: &[
            warns(APPLE, "nothing plays without an index", Policy),
            fails(BROWSERS, "does not play (error 4)", Measured),
        ],
    };
    /// All of it.
    BOXES_WHOLE = Rule {
        name: "boxes-are-whole",
        demands: "all boxes of an MP4 end within the file, and a few of them lead to its index",
        fix: "Upload the file again, all of it.",
        effects: &[warns(EVERYWHERE, "plays until something is missing, or not at all", Policy)],
    };
    /// ... in front.
    INDEX_FIRST = Rule {
        name: "index-is-first",
        demands: "the index of an MP4 stands before its media",
        fix: "Move it without encoding again: ffmpeg -i IN -c copy -movflags +faststart OUT.",
        effects: &[],
    };
}
