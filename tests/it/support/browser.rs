//! A real browser without a window, driven over WebDriver.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use fantoccini::wd::Capabilities;
use fantoccini::{Client, ClientBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{PATIENCE, in_time, installed};

/// What scripts can call.
const TOOLS: &str = include_str!("browser.js");

/// What Chromium is started with: no window, no sandbox (it needs rights that containers lack), no
/// sound, films that play without a click, and nothing that would ask the world outside.
const CHROMIUM_ARGUMENTS: &[&str] = &[
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--mute-audio",
    "--autoplay-policy=no-user-gesture-required",
];

/// What differs between browsers.
struct Engine {
    /// How its driver is started.
    driver: Command,
    /// What the driver prints before the port that it took.
    before_port: &'static str,
    /// What a session is asked for.
    capabilities: Capabilities,
    /// Which capability of the session is the browser's process.
    process: &'static str,
}

impl Engine {
    fn chromium(home: &Path) -> Self {
        let mut arguments: Vec<_> = CHROMIUM_ARGUMENTS.iter().map(ToString::to_string).collect();
        let profile = home.join(PROFILE);
        arguments.push(format!("--user-data-dir={}", profile.display()));
        let mut capabilities = Capabilities::new();
        let options = json!({
            "binary": installed("chromium", "chromium"),
            "args": arguments,
            "prefs": {
                "download.default_directory": home.join(DOWNLOADS),
                // Nobody is there to agree to a page's second download.
                "profile.default_content_setting_values.automatic_downloads": 1,
            },
        });
        capabilities.insert("goog:chromeOptions".to_owned(), options);
        let mut driver = Command::new(installed("chromedriver", "chromium-driver"));
        driver.arg("--port=0");
        Self {
            driver,
            before_port: "started successfully on port ",
            capabilities,
            process: "goog:processID",
        }
    }
}

// Folders of a browser's home.
const PROFILE: &str = "profile";
const DOWNLOADS: &str = "downloads";
const TEMPORARY: &str = "tmp";

/// A browser with one page. Dropping it ends it and its driver, and removes all that they wrote.
///
/// It has to be dropped before the services that it asks, which look for what was left behind.
pub struct Browser {
    page: Client,
    session: String,
    process: u64,
    driver: Driver,
    /// Removed last.
    home: TempDir,
}

impl Browser {
    /// Chromium.
    pub async fn chromium() -> Self {
        Self::start(Engine::chromium).await
    }

    async fn start(engine: impl FnOnce(&Path) -> Engine) -> Self {
        let home = tempfile::tempdir().expect("a folder");
        for folder in [PROFILE, DOWNLOADS, TEMPORARY] {
            std::fs::create_dir(home.path().join(folder)).expect("a folder");
        }
        let mut engine = engine(home.path());
        engine
            .driver
            // All that it or the browser would leave elsewhere.
            .env("HOME", home.path())
            .env("TMPDIR", home.path().join(TEMPORARY));
        let driver = Driver::start(engine.driver, engine.before_port);
        // Milliseconds, and a little less than our own patience: the driver knows better what hangs.
        let limits = json!({ "script": 18_000, "pageLoad": 18_000 });
        let mut capabilities = engine.capabilities;
        capabilities.insert("timeouts".to_owned(), limits);
        let url = format!("http://127.0.0.1:{}", driver.port);
        let page = in_time("a session", async {
            let mut builder = ClientBuilder::new(HttpConnector::new());
            builder.capabilities(capabilities).connect(&url).await
        })
        .await
        .expect("a session");
        let session = page.session_id().await.ok().flatten().expect("its id");
        let told = page.capabilities().expect("capabilities");
        let process = told[engine.process].as_u64().expect("a process");
        Self {
            page,
            session,
            process,
            driver,
            home,
        }
    }

    /// Goes to an address.
    pub async fn open(&self, url: &str) {
        let gone = in_time(url, self.page.goto(url)).await;
        gone.unwrap_or_else(|error| panic!("{url}: {error}"));
    }

    /// The address of the page that is shown.
    pub async fn address(&self) -> String {
        let url = in_time("an address", self.page.current_url()).await;
        url.expect("an address").to_string()
    }

    /// Runs a script in the page, as the body of an async function that has the tools of
    /// `browser.js` and its arguments in `given`, and gives what it returns.
    pub async fn run(&self, script: &str, given: Vec<Value>) -> Value {
        let whole =
            format!("{TOOLS}\nconst given = arguments; return (async () => {{ {script} }})();");
        let value = in_time("a script", self.page.execute(&whole, given)).await;
        value.unwrap_or_else(|error| panic!("{script}: {error}"))
    }

    /// What has been downloaded so far, by name.
    pub fn downloads(&self) -> BTreeMap<String, Vec<u8>> {
        let folder = std::fs::read_dir(self.home.path().join(DOWNLOADS)).expect("a folder");
        let files = folder.filter_map(|file| {
            let file = file.ok()?;
            let name = file.file_name().to_string_lossy().into_owned();
            // What is under way has another name, and may be gone before it is read.
            let done = !name.ends_with(".crdownload") && !name.starts_with('.');
            Some((name, std::fs::read(file.path()).ok()?)).filter(|_| done)
        });
        files.collect()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // An orderly end, after which nothing writes to the profile any more.
        let _ = self.driver.end_session(&self.session);
        self.driver.stop();
        // A killed driver leaves its browser behind.
        if runs(self.process) {
            let pid = self.process.to_string();
            let _ = Command::new("kill").args(["-KILL", &pid]).status();
        }
    }
}

/// A process that speaks WebDriver. Dropping it kills it.
struct Driver {
    child: Child,
    port: u16,
}

impl Driver {
    /// Starts it, and waits until it says on which port after the words `before`.
    fn start(mut command: Command, before: &'static str) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("a driver");
        let stdout = child.stdout.take().expect("its output");
        let (told, port) = std::sync::mpsc::channel();
        // Someone has to go on reading, or the driver would wait for room in the pipe.
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if let Some((_, rest)) = line.split_once(before) {
                    let _ = told.send(rest.trim_end_matches('.').parse().expect("a port"));
                }
            }
        });
        let mut driver = Self { child, port: 0 };
        driver.port = port.recv_timeout(PATIENCE).expect("the driver's port");
        driver
    }

    /// Ends a session and its browser, and waits until it has. Without the runtime, which may be
    /// gone when a test fails.
    fn end_session(&self, session: &str) -> std::io::Result<()> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        write!(
            stream,
            "DELETE /session/{session} HTTP/1.1\r\nHost: localhost\r\n\r\n"
        )?;
        let mut answer = [0; 1];
        stream.read_exact(&mut answer)
    }

    fn stop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Whether a process runs: one that has ended and was not waited for does not.
fn runs(pid: u64) -> bool {
    let stat = std::fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("stat"));
    // The state comes after the name in parentheses (proc(5)).
    stat.is_ok_and(|stat| !stat.contains(") Z "))
}
