//! The players, and what each of them sends.

use serde::Serialize;

use super::rules::Engine;

/// Chromium's name for itself.
pub const CHROMIUM_AGENT: &str = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36";

/// The page that a film is said to be on.
pub const PAGE: &str = "https://page.example/";

/// A player: an engine, where it runs, and the fields that all its requests carry.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Player {
    /// What people call it.
    pub name: &'static str,
    /// Whose networking it uses.
    pub engine: Engine,
    /// Fields of all its requests.
    #[serde(skip)]
    pub fields: &'static [(&'static str, &'static str)],
}

/// AppleCoreMedia's fields as J. Spurlock recorded them from an AVPlayer, with the name of the system.
macro_rules! core_media {
    ($system:literal) => {
        &[
            ("Accept", "*/*"),
            ("Accept-Encoding", "identity"),
            ("Accept-Language", "en-us"),
            ("Connection", "keep-alive"),
            ("User-Agent", concat!("AppleCoreMedia/1.0.0.", $system)),
        ]
    };
}

/// All players, those that fail most often first.
pub const PLAYERS: &[Player] = &[
    Player {
        name: "Safari (macOS)",
        engine: Engine::Apple,
        // A page's own agent and Referer: WebKit sets them on AVFoundation's requests
        // (AVURLAssetHTTPHeaderFieldsKey).
        fields: &[
            ("Accept", "*/*"),
            ("Accept-Encoding", "identity"),
            ("Accept-Language", "en-us"),
            ("Connection", "keep-alive"),
            ("Referer", PAGE),
            (
                "User-Agent",
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.4 Safari/605.1.15",
            ),
        ],
    },
    Player {
        name: "AVPlayer (macOS)",
        engine: Engine::Apple,
        fields: core_media!("23E214 (Macintosh; U; Intel Mac OS X 14_4; en_us)"),
    },
    Player {
        name: "AVPlayer (iOS)",
        engine: Engine::Apple,
        fields: core_media!("21E219 (iPhone; U; CPU OS 17_4 like Mac OS X; en_us)"),
    },
    Player {
        name: "Chromium",
        engine: Engine::Chromium,
        fields: &[
            ("Accept", "*/*"),
            ("Accept-Encoding", "identity"),
            ("Connection", "keep-alive"),
            ("Referer", PAGE),
            ("Sec-Fetch-Dest", "video"),
            ("Sec-Fetch-Mode", "no-cors"),
            ("Sec-Fetch-Site", "cross-site"),
            ("User-Agent", CHROMIUM_AGENT),
        ],
    },
    Player {
        name: "Firefox",
        engine: Engine::Firefox,
        fields: &[
            (
                "Accept",
                "video/webm,video/ogg,video/*;q=0.9,application/ogg;q=0.7,audio/*;q=0.6,*/*;q=0.5",
            ),
            ("Accept-Encoding", "identity"),
            ("Connection", "keep-alive"),
            ("Priority", "u=4"),
            ("Referer", PAGE),
            ("Sec-Fetch-Dest", "video"),
            ("Sec-Fetch-Mode", "no-cors"),
            ("Sec-Fetch-Site", "cross-site"),
            (
                "User-Agent",
                "Mozilla/5.0 (X11; Linux x86_64; rv:153.0) Gecko/20100101 Firefox/153.0",
            ),
        ],
    },
    Player {
        name: "WebKitGTK",
        engine: Engine::WebKitGtk,
        fields: &[
            ("Accept", "*/*"),
            ("Connection", "close"),
            ("Icy-Metadata", "1"),
            ("Referer", PAGE),
            (
                "User-Agent",
                "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 Safari/605.1.15",
            ),
        ],
    },
];
