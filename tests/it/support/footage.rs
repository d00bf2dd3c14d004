//! Long media for players: a minute and more, twelve megabytes and more, so that a seek is to
//! where nobody has been. Made by ffmpeg from its own test sources, once for all tests and runs.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use bytes::Bytes;

use super::{Engine, installed};

/// What plays, and how it is made.
#[derive(Debug, Clone, Copy)]
pub struct Footage {
    /// Its name.
    pub name: &'static str,
    /// Its type.
    pub content_type: &'static str,
    /// Its width, if it has a picture.
    pub width: u64,
    /// How long it plays, in seconds.
    pub seconds: f64,
    /// What ffmpeg is told, but for the name of the result. `FIRST` stands for the first footage.
    arguments: &'static str,
}

macro_rules! encoded {
    ($size:literal, $filter:literal, $codecs:literal) => {
        concat!(
            "-f lavfi -i testsrc2=size=",
            $size,
            ":rate=25:duration=60",
            $filter,
            // A low tone, in stereo as most films.
            " -f lavfi -i sine=frequency=220:sample_rate=48000:duration=60 -ac 2 ",
            // An even rate: eight tenths of the time are eight tenths of the bytes.
            "-b:v 1700k -minrate 1700k -maxrate 1700k -bufsize 1700k ",
            // Seeks have little to load before what they show.
            "-g 25 ",
            $codecs
        )
    };
}

/// MP4 with its index in front.
pub const MOOV_FIRST: Footage = Footage {
    name: "moov-first.mp4",
    content_type: "video/mp4",
    width: 640,
    seconds: 60.0,
    arguments: encoded!(
        "640x360",
        "",
        "-c:v libx264 -profile:v main -pix_fmt yuv420p -preset ultrafast -x264-params nal-hrd=cbr \
         -c:a aac -b:a 96k -movflags +faststart"
    ),
};

/// The same with its index at the end, as recorders leave it.
pub const MOOV_LAST: Footage = Footage {
    name: "moov-last.mp4",
    arguments: "-i FIRST -c copy",
    ..MOOV_FIRST
};

/// WebM with its cues at the end.
pub const WEBM: Footage = Footage {
    name: "film.webm",
    content_type: "video/webm",
    width: 320,
    seconds: 60.0,
    arguments: encoded!(
        "320x180",
        // The encoder is slow, and a small picture needs noise to fill twelve megabytes.
        ",noise=alls=40:allf=t",
        "-c:v libvpx-vp9 -deadline realtime -cpu-used 8 -row-mt 1 -c:a libopus -b:a 64k \
         -cluster_time_limit 1000"
    ),
};

/// MP3.
pub const TONE: Footage = Footage {
    name: "tone.mp3",
    content_type: "audio/mpeg",
    width: 0,
    seconds: 310.0,
    arguments: "-f lavfi -i sine=frequency=220:sample_rate=48000:duration=310 -c:a libmp3lame -b:a 320k",
};

/// Another version of [`MOOV_FIRST`]: other pictures, another length.
pub const SECOND_VERSION: Footage = Footage {
    name: "second-version.mp4",
    arguments: encoded!(
        "640x360",
        ",negate",
        "-c:v libx264 -profile:v main -pix_fmt yuv420p -preset ultrafast -x264-params nal-hrd=cbr \
         -c:a aac -b:a 128k -movflags +faststart"
    ),
    ..MOOV_FIRST
};

impl Footage {
    /// Whether this engine seeks in it with a new request. WebKitGTK's parser of MP3 wants exact
    /// positions, and reads on to where it seeks.
    pub fn is_sought_by_range(&self, engine: Engine) -> bool {
        self.name != TONE.name || engine != Engine::WebKit
    }

    /// Which part of it is before a position.
    pub fn part(&self, position: usize) -> f64 {
        let length = fs::metadata(self.file()).expect("a file").len();
        let bytes = |bytes: u64| f64::from(u32::try_from(bytes).expect("a size"));
        bytes(position.try_into().expect("a size")) / bytes(length)
    }

    /// Its bytes.
    pub fn bytes(&self) -> Bytes {
        Bytes::from(fs::read(self.file()).expect("footage"))
    }

    /// Where it is. Who asks first waits until it is made.
    fn file(&self) -> PathBuf {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("footage");
        fs::create_dir_all(&folder).expect("a folder");
        // Other tests are other processes.
        let lock = File::create(folder.join("lock")).expect("a file");
        lock.lock().expect("a lock");
        self.made(&folder)
    }

    /// The same in a folder that is ours alone.
    fn made(&self, folder: &Path) -> PathBuf {
        // A name of its own for each way to make it, so that nothing old is taken for it.
        let hash = fnv(&self.arguments.replace("FIRST", MOOV_FIRST.arguments));
        let file = folder.join(format!("{hash:016x}-{}", self.name));
        if file.is_file() {
            return file;
        }
        let mut ffmpeg = Command::new(installed("ffmpeg", "ffmpeg"));
        ffmpeg.args(["-hide_banner", "-loglevel", "error", "-nostdin", "-y"]);
        for argument in self.arguments.split_whitespace() {
            match argument {
                "FIRST" => ffmpeg.arg(MOOV_FIRST.made(folder)),
                _ => ffmpeg.arg(argument),
            };
        }
        // What is cut short by a test that is killed has another name.
        let unfinished = folder.join(format!("unfinished-{}", self.name));
        let done = ffmpeg.arg(&unfinished).status().expect("ffmpeg");
        assert!(done.success(), "{}: {done}", self.name);
        fs::rename(unfinished, &file).expect("a name");
        let length = fs::metadata(&file).expect("a file").len();
        assert!(length >= 12_000_000, "{}: {length} bytes", self.name);
        file
    }
}

/// A hash that stays the same from run to run (FNV-1a).
fn fnv(text: &str) -> u64 {
    let step = |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    text.bytes().fold(0xcbf2_9ce4_8422_2325, step)
}
